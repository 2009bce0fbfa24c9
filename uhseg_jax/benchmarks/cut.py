"""The cut: features to masks, beside ncut-pytorch's public API; and the eigen-solve."""

import dataclasses
import functools
import importlib
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg

from uhseg_jax import backbones
from uhseg_jax.benchmarks import anchors
from uhseg_jax.benchmarks.records import Figure, Record
from uhseg_jax.benchmarks.setting import Setting
from uhseg_jax.benchmarks.timing import Calls, Timing, measure
from uhseg_jax.methods import METHODS, Method, recursive_spectral, region_merging
from uhseg_jax.spectral import affinity, eigen, ncut
from uhseg_jax.types import Array, Float, Int, Pixels

__all__ = [
    "Cutter",
    "check_agreement",
    "cutters",
    "eigen_solves",
    "measure_cut",
    "ncut_values",
    "torch_masks",
]

_REGIONS = (2, 4, 8, 16)
_NEEDED = ("torch", "ncut_pytorch")
_AIM = 0.25  # of ncut-pytorch's public API
_GRID = 60
_TOKENS, _TWO_BLOCKS = (-1,), (-4, -1)
_VECTORS = 64  # of ncut-pytorch, as many as our two-way cuts take

Masks = list[Int[np.ndarray, "h w"]]


@dataclasses.dataclass(frozen=True)
class Cutter:
    """A method with a config, from features to flat segmentations.

    Attributes:
      name: what it is called in the table.
      method: an entry of `methods.METHODS`.
      config: its config.
      blocks: of the backbone, whose features it is given.
    """

    name: str
    method: Method
    config: Any
    blocks: tuple[int, ...]

    def output(self, features: Float[Array, "h w d"], graph: Any = None) -> Any:
        """What the method finds, by one compiled program."""
        fields = {"segment_fn": self.method.segment, "config": self.config}
        return _output(features, graph, **fields)

    def masks(self, features: Float[Array, "h w d"], graph: Any = None) -> Masks:
        """Segmentations of the patches into at most 2, 4, 8 and 16 regions.

        Args:
          features: of the patches.
          graph: of the superpixels of a prepared image; None for none.
        """
        tree = jax.device_get(self.output(features, graph).tree)
        return [np.asarray(tree.cut(num_regions=k)) for k in _REGIONS]


@functools.partial(jax.jit, static_argnames=("segment_fn", "config"))
def _output(
    features: Array, graph: Any, *, segment_fn: Callable[..., Any], config: Any
) -> Any:
    return segment_fn(features, config, graph)


def cutters() -> list[Cutter]:
    """Our two-way cuts, region merging on patches, and the rule of the release."""
    spectral = METHODS.find(recursive_spectral.METHOD.name)
    merging = METHODS.find(region_merging.METHOD.name)
    two_way, release = recursive_spectral.two_way(), recursive_spectral.release()
    tokens = backbones.PatchRequest(grid=_GRID, blocks=_TOKENS)
    merged = dataclasses.replace(region_merging.default(), request=tokens)
    return [
        Cutter("two_way", spectral, two_way, _TWO_BLOCKS),
        Cutter("region_merging", merging, merged, _TOKENS),
        Cutter("release", spectral, release, _TOKENS),
    ]


def measure_cut(setting: Setting) -> Record:
    """Cuts of one image's features, with residuals and normalised cuts."""
    features, pixels = _features(setting), setting.pixels()
    timings: dict[str, Timing] = {}
    figures: list[Figure] = []
    facts: dict[str, Any] = {}
    has_rival = setting.anchors and anchors.are_installed(*_NEEDED)
    for blocks in (_TWO_BLOCKS, _TOKENS):
        own = [x for x in cutters() if x.blocks == blocks]
        calls = _calls(own, features[blocks], pixels)
        rival = f"cut: ncut-pytorch, {features[blocks].shape[-1]} channels"
        if has_rival:
            calls[rival] = torch_masks(features[blocks])
        found = measure(calls, repeats=setting.repeats)
        timings |= found
        for name, call in calls.items():
            facts[name] = {"mean_ncut": ncut_values(features[blocks], call())}
        for one in own:
            facts[f"cut: {one.name}"] |= _residuals(one.output(features[blocks]))
        if has_rival:
            figures += [
                Figure.ratio(found, name, rival, _aim(name))
                for name in calls
                if name != rival
            ]
    rows = features[_TOKENS].reshape(-1, features[_TOKENS].shape[-1])
    if setting.anchors:
        solves = eigen_solves(rows)
        timings |= measure(solves, repeats=min(setting.repeats, 3))
        ours, theirs = solves
        figures.append(Figure.ratio(timings, ours, theirs))
        facts["eigenvalue_difference"] = check_agreement(rows)
    return Record(
        timings=timings,
        figures=tuple(figures),
        facts=facts,
        notes=tuple(anchors.missing(*_NEEDED)) if setting.anchors else (),
    )


def _aim(name: str) -> float | None:
    """None for the published rule, which is not bent."""
    return None if name == "cut: release" else _AIM


def _features(setting: Setting) -> dict[tuple[int, ...], Float[Array, "h w d"]]:
    """Features of one image from the blocks that the cutters want."""
    backbone = backbones.load_backbone(
        setting.model,
        checkpoint_dir=setting.checkpoint_dir,
        dtype=setting.dtype,
    )
    pixels = setting.pixels()
    return {
        blocks: jnp.asarray(
            backbone.answer(pixels, backbones.PatchRequest(grid=_GRID, blocks=blocks))
        )
        for blocks in (_TWO_BLOCKS, _TOKENS)
    }


def _calls(
    own: Sequence[Cutter], features: Float[Array, "h w d"], pixels: Pixels
) -> Calls:
    """Every cutter on patches; of methods that prepare images, on superpixels too."""
    calls: Calls = {}
    for one in own:
        name, (rows, columns) = f"cut: {one.name}", features.shape[:2]
        calls[name] = functools.partial(one.masks, features)
        prepare = functools.partial(
            one.method.prepare, pixels, (rows, columns), one.config
        )
        if (prepared := prepare()) is not None:
            calls[f"{name}, superpixels given"] = functools.partial(
                one.masks, features, prepared.graph
            )
            calls[f"{name}, superpixels found"] = functools.partial(
                _prepared_masks, one, features, prepare
            )
    return calls


def _prepared_masks(
    one: Cutter, features: Float[Array, "h w d"], prepare: Callable[[], Any]
) -> Masks:
    return one.masks(features, prepare().graph)


def _residuals(output: Any) -> dict[str, float]:
    """The largest residuals of a cut's eigenpairs, where it tells of them."""
    found = {
        "residual": getattr(output, "residuals", None),
        "split_residual": getattr(output, "split_residuals", None),
    }
    return {
        name: float(jnp.max(value))
        for name, value in found.items()
        if value is not None
    }


def ncut_values(
    features: Float[Array, "h w d"], masks: Sequence[Int[np.ndarray, "h w"]]
) -> dict[str, float]:
    """Mean normalised cut of segmentations, by their numbers of regions.

    On the graph of cosine similarities, stretched to [0, 1], between all patches.
    """
    rows = features.reshape(-1, features.shape[-1])
    graph = affinity.CosineAffinity.from_features(rows)
    weights = graph.matmat(jnp.eye(rows.shape[0], dtype=rows.dtype))
    found = {}
    for mask in masks:
        _, labels = np.unique(mask, return_inverse=True)
        k = int(labels.max()) + 1
        everywhere = jnp.ones(labels.size, bool)
        costs = ncut.ncut_costs(
            weights, jnp.asarray(labels.ravel(), jnp.int32), everywhere, k
        )
        found[str(k)] = float(ncut.mean_ncut(costs, k))
    return found


def torch_masks(features: Float[Array, "h w d"]) -> Callable[[], Masks]:
    """Ncut and its k-way discretisation, with the defaults of ncut-pytorch.

    Below 8,192 vertices it takes the whole graph. Its eigenvectors are those of random
    projections, and its masks are not nested.
    """
    torch = importlib.import_module("torch")
    package = importlib.import_module("ncut_pytorch")
    h, w, d = features.shape
    rows = torch.from_numpy(np.array(features.reshape(h * w, d)))
    rows = torch.nn.functional.normalize(rows, dim=1)

    def masks() -> Masks:
        vectors = package.Ncut(n_eig=_VECTORS).fit_transform(rows)
        return [
            package.kway_ncut(vectors[:, :k]).argmax(1).numpy().reshape(h, w)
            for k in _REGIONS
        ]

    return masks


def eigen_solves(features: Float[Array, "n d"], *, q: int = 10) -> Calls:
    """The q smallest eigenpairs of the Laplacian: matrix-free and by dense LAPACK.

    Both start from the same features of one image; the dense solver works in float64
    and finds the pairs asked for only.
    """

    @jax.jit
    def matrix_free(rows: Float[Array, "n d"]) -> eigen.EigenOutput:
        graph = affinity.CosineAffinity.from_features(rows)
        return eigen.leading_eigenvectors(graph, q)

    def dense() -> tuple[np.ndarray, np.ndarray]:
        rows = np.asarray(features, np.float64)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        distances = np.maximum(1 - rows @ rows.T, 0)
        weights = 1 - distances / distances.max()
        np.fill_diagonal(weights, 0)
        scale = 1 / np.sqrt(weights.sum(axis=1))
        laplacian = np.eye(len(rows)) - scale[:, None] * weights * scale[None, :]
        return scipy.linalg.eigh(laplacian, subset_by_index=[0, q - 1])

    return {
        "eigen-solve, matrix-free float32": lambda: matrix_free(features),
        "eigen-solve, dense LAPACK float64": dense,
    }


def check_agreement(features: Float[Array, "n d"], *, q: int = 10) -> float:
    """Largest difference of the eigenvalues that the two solvers of a pair give."""
    calls = eigen_solves(features, q=q)
    ours, theirs = (call() for call in calls.values())
    return float(np.abs(1 - np.asarray(ours.values) - theirs[0]).max())
