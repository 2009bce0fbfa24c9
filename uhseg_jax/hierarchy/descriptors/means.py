"""Descriptors: the mean of an image's features over every region of its tree."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from uhseg_jax.features.checks import checked_features
from uhseg_jax.hierarchy.cuts import ROOT
from uhseg_jax.interpolation import label_taps
from uhseg_jax.types import Float, Int

__all__ = ["describe"]


def describe(
    labels: Int[np.ndarray, "H W"],
    parents: Int[np.ndarray, " n"],
    features: npt.ArrayLike,
) -> Float[np.ndarray, "n d"]:
    """The mean feature of every node, float32; 0 for nodes without a cell.

    Args:
      labels: the leaf of every cell.
      parents: of the nodes, without padding.
      features: ``[h, w, d]``, real numbers; see `features.checked_features`.
    """
    from scipy import sparse

    features = checked_features(features, batched=False, integers=True)
    rows, columns, channels = features.shape
    labels = _at_least(labels, (rows, columns))
    count, cells = parents.size, rows * columns
    label, cell, weights = label_taps(labels, (rows, columns))
    pairs = sparse.csr_array((weights, (label, cell)), shape=(count, cells))
    sums = pairs @ features.reshape(cells, channels).astype(np.float64)
    areas = np.bincount(labels.ravel(), minlength=count)
    for node in range(count - 1, ROOT, -1):  # children come first
        sums[parents[node]] += sums[node]
        areas[parents[node]] += areas[node]
    return (sums / np.maximum(areas, 1)[:, None]).astype(np.float32)


def _at_least(
    labels: Int[np.ndarray, "H W"], size: tuple[int, int]
) -> Int[np.ndarray, "h w"]:
    """The labels, or along an axis where they are fewer those at so many centres."""
    for axis, (there, wanted) in enumerate(zip(labels.shape, size, strict=True)):
        if there < wanted:
            centres = (2 * np.arange(wanted) + 1) * there // (2 * wanted)
            labels = labels.take(centres, axis)
    return labels
