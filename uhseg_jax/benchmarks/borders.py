"""Borders: the refiners beside the forward, and the dense CRF beside pydensecrf's."""

import dataclasses
import functools
import importlib

import jax
import jax.numpy as jnp
import numpy as np

from uhseg_jax.benchmarks import anchors
from uhseg_jax.benchmarks.records import Figure, Record
from uhseg_jax.benchmarks.setting import Setting
from uhseg_jax.benchmarks.timing import Calls, measure
from uhseg_jax.images import resize
from uhseg_jax.methods import recursive_spectral
from uhseg_jax.pipeline import Segmenter
from uhseg_jax.refinement import dense_crf
from uhseg_jax.refinement.config import DEFAULT_REFINE
from uhseg_jax.refinement.refiners import REFINERS, parse_refiners
from uhseg_jax.types import Float, UInt8

__all__ = [
    "check_agreement",
    "crf_problem",
    "mean_fields",
    "measure_borders",
    "refiners",
]

_FORWARD = "forward"
_AIM = 0.25  # of the forward, for the borders


def measure_borders(setting: Setting) -> Record:
    """Every refiner beside the forward of its method, and mean field beside C++."""
    segmenter, pixels = _segmenter(setting), setting.pixels()
    calls = refiners(segmenter, pixels)
    calls[_FORWARD] = lambda: segmenter.features([pixels])
    timings = measure(calls, repeats=setting.repeats)
    figures = [
        Figure.ratio(timings, name, _FORWARD, _AIM)
        for name in timings
        if name != _FORWARD
    ]
    facts = {}
    for count in setting.labels if setting.anchors else ():
        fields = mean_fields(*crf_problem(pixels, labels=count))
        timings |= measure(fields, repeats=setting.repeats)
        if len(fields) > 1:
            ours, theirs = fields
            figures.append(Figure.ratio(timings, ours, theirs))
            facts[f"agreement, {count} labels"] = check_agreement(fields)
    return Record(
        timings=timings,
        figures=tuple(figures),
        facts=facts,
        notes=tuple(anchors.missing("pydensecrf")) if setting.anchors else (),
    )


def _segmenter(setting: Setting) -> Segmenter:
    """The setting's, or that of our two-way cuts where superpixels are the borders."""
    segmenter = setting.segmenter()
    if segmenter.refinement.refiners is not None:
        return segmenter
    return setting.segmenter(
        method=recursive_spectral.METHOD.name,
        config=recursive_spectral.two_way(),
        refine=None,
    )


def refiners(segmenter: Segmenter, image: UInt8[np.ndarray, "H W 3"]) -> Calls:
    """Every refiner, from the tree on the patch grid to the tree of pixels."""
    features = segmenter.features([image])
    prepared = segmenter.prepare(image, features.shape[1:3])
    grid = jax.device_get(segmenter.trees(features, [prepared]))[0]
    known = {**REFINERS, **{x.name: x for x in segmenter.refinement.refiners or ()}}

    def call(name: str) -> object:
        chosen = dataclasses.replace(
            segmenter.refinement, refiners=parse_refiners(name, known)
        )
        named = dataclasses.replace(segmenter, refinement=chosen)
        return named.refine(grid, features[0], image, prepared)

    names = dict.fromkeys(["none", "upsample", *REFINERS, DEFAULT_REFINE])
    return {f"refine: {name}": lambda name=name: call(name) for name in names}


def crf_problem(
    image: UInt8[np.ndarray, "_ _ 3"], *, side: int = 320, labels: int = 27
) -> tuple[UInt8[np.ndarray, "H W 3"], Float[np.ndarray, "H W k"]]:
    """An image and unary costs for mean field; labels are colours of random pixels.

    Returns:
      RGB ``[side, side, 3]`` and ``-log p`` ``[side, side, labels]``, p falling with
      the distance in colour.
    """
    small = resize(image, (side, side))
    rng = np.random.default_rng(0)
    rows, columns = rng.integers(0, side, (2, labels))
    distance = small[:, :, None, :].astype(np.float32) - small[rows, columns]
    logits = -np.linalg.norm(distance, axis=-1) / 20
    return small, np.array(-jax.nn.log_softmax(jnp.asarray(logits), axis=-1))


def mean_fields(
    image: UInt8[np.ndarray, "H W 3"], unary: Float[np.ndarray, "H W k"]
) -> Calls:
    """Mean field with the paper's constants, ours and, if installed, pydensecrf's."""
    config = dense_crf.DenseCRF()
    height, width, k = unary.shape
    name = f"{height} x {width} x {k}"
    ours = functools.partial(dense_crf.mean_field, unary, image, config)
    calls: Calls = {f"dense CRF, {name}": ours}
    if not anchors.are_installed("pydensecrf"):
        return calls
    reference = importlib.import_module("pydensecrf.densecrf")

    def theirs() -> np.ndarray:
        crf = reference.DenseCRF2D(width, height, k)
        crf.setUnaryEnergy(np.ascontiguousarray(unary.reshape(-1, k).T))
        crf.addPairwiseGaussian(
            sxy=config.gaussian_sigma, compat=config.gaussian_weight
        )
        crf.addPairwiseBilateral(
            sxy=config.bilateral_sigma_xy,
            srgb=config.bilateral_sigma_rgb,
            rgbim=np.ascontiguousarray(image),
            compat=config.bilateral_weight,
        )
        marginals = np.asarray(crf.inference(config.iterations))
        return marginals.T.reshape(height, width, k)

    return {**calls, f"pydensecrf, {name}": theirs}


def check_agreement(calls: Calls) -> dict[str, float]:
    """Share of pixels with the same label, and mean KL of the marginals, in nats."""
    ours, theirs = (np.asarray(call(), np.float64) for call in calls.values())
    tiny = np.finfo(np.float32).tiny
    divergence = ours * np.log(np.maximum(ours, tiny) / np.maximum(theirs, tiny))
    return {
        "label_agreement": float((ours.argmax(-1) == theirs.argmax(-1)).mean()),
        "mean_kl": float(divergence.sum(axis=-1).mean()),
    }
