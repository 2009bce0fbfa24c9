"""The stages of one image's segmentation, and the anchors they are paired with."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import scipy.linalg

from uhseg_jax import backbones, export, images, methods
from uhseg_jax.methods import recursive_spectral
from uhseg_jax.pipeline import Segmenter
from uhseg_jax.refinement.config import Refinement
from uhseg_jax.spectral import affinity, eigen
from uhseg_jax.types import Array, Float

__all__ = ["Calls", "check_agreement", "eigen_solves", "stages"]

Calls = dict[str, Callable[[], Any]]


def stages(
    segmenter: Segmenter,
    image: Path,
    scratch: Path,
    *,
    published: recursive_spectral.Config | None = None,
    anchor: recursive_spectral.Config | None = None,
) -> Calls:
    """Every stage of one image as a call of its own, on what the one before gave.

    Args:
      segmenter: the backbone and method; its config is that of the stage "cut".
      image: an image file.
      scratch: an existing folder to write to.
      published: parameters of the stage "cut, published rule", of recursive spectral
        segmentation; None for the release's.
      anchor: parameters of the recursive spectral segmentation that the whole is
        paired with; None for our two-way cuts.

    Returns:
      decode, prepare (of methods that want the pixels), forward, cut, refine, export;
      the whole from pixels to regions; and, on a Vision Transformer, cut by the
      published rule and the whole of recursive spectral segmentation with refined
      borders.
    """
    pixels = images.read_image(image)
    features = segmenter.features([pixels])
    shape = features.shape[1:3]
    prepared = segmenter.prepare(pixels, shape)
    grid = jax.device_get(segmenter.trees(features, [prepared]))[0]
    tree = segmenter.refine(grid, features[0], pixels, prepared)
    rivals: Calls = {}
    rule = published or recursive_spectral.release()
    if backbones.can_answer(segmenter.backbone.spec, rule.request):
        spectral = dataclasses.replace(
            segmenter,
            method=methods.METHODS.find("recursive_spectral"),
            config=rule,
            refinement=Refinement(),
        )
        tokens = spectral.features([pixels])
        rivals["cut, published rule"] = lambda: spectral.trees(tokens)
        two_way = dataclasses.replace(
            spectral, config=anchor or recursive_spectral.two_way()
        )
        rivals["whole, recursive_spectral"] = lambda: two_way([pixels])[0].tree.labels

    def write_files() -> None:
        options = export.ExportOptions()
        folder = export.Folder(scratch)
        with export.open_formats(export.DEFAULT_FORMATS, folder, options) as writer:
            writer.add(export.Result("image", "image", pixels, tree))

    preparation: Calls = {}
    if prepared is not None:
        preparation["prepare"] = lambda: segmenter.prepare(pixels, shape)
    calls: Calls = {
        "decode": lambda: images.read_image(image),
        **preparation,
        "forward": lambda: segmenter.features([pixels]),
        "cut": lambda: segmenter.trees(features, [prepared]),
        "refine": lambda: segmenter.refine(grid, features[0], pixels, prepared),
        "export": write_files,
        "whole": lambda: segmenter([pixels])[0].tree.labels,
        **rivals,
    }
    return calls


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
