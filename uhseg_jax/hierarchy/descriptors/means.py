"""Descriptors: the mean of an image's features over every region of its tree."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from uhseg_jax.features.checks import checked_features
from uhseg_jax.hierarchy import host_cuts
from uhseg_jax.hierarchy.lattice import require_cells
from uhseg_jax.interpolation import label_taps
from uhseg_jax.types import Float, Int

__all__ = ["describe"]


def describe(
    labels: Int[np.ndarray, "..."],
    parents: Int[np.ndarray, " n"],
    features: npt.ArrayLike,
) -> Float[np.ndarray, "n d"]:
    """The mean feature of every node, float32; 0 for nodes without a cell.

    Args:
      labels: the leaf of every cell, of an image or of the frames of a clip.
      parents: of the nodes, without padding.
      features: ``[h, w, d]``, or ``[t, h, w, d]`` of a clip, real numbers; see
        `features.checked_features`.

    Raises:
      ValueError: they are others, or those of another number of frames.
    """
    require_cells(labels.shape, "RegionTree.describe")
    features = _by_frames(features, labels.shape)
    count = parents.size
    sums, areas = np.zeros((count, features.shape[-1])), np.zeros(count, np.int64)
    frames = labels.reshape(-1, *labels.shape[-2:])
    for frame, cells in zip(frames, features, strict=True):
        found, sizes = _sums(frame, cells, count)
        sums, areas = sums + found, areas + sizes
    sums, areas = (host_cuts.gathered(parents, x) for x in (sums, areas))
    return (sums / np.maximum(areas, 1)[:, None]).astype(np.float32)


def _by_frames(
    features: npt.ArrayLike, shape: tuple[int, ...]
) -> Float[np.ndarray, "t h w d"]:
    """Features of every frame, of which an image is one."""
    if len(shape) == 2:
        return checked_features(features, batched=False, integers=True)[None]
    found = checked_features(features, integers=True)
    if found.ndim != 4 or len(found) != shape[0]:
        raise ValueError(
            f"expected features [t, h, w, d] of the {shape[0]} frames of the tree, but "
            f"got shape {found.shape}; extract them from every frame."
        )
    return found


def _sums(
    labels: Int[np.ndarray, "H W"], features: Float[np.ndarray, "h w d"], count: int
) -> tuple[Float[np.ndarray, "n d"], Int[np.ndarray, " n"]]:
    """Sums of the features over the cells of every label, and how many these are."""
    from scipy import sparse

    rows, columns, channels = features.shape
    labels = _at_least(labels, (rows, columns))
    cells = rows * columns
    label, cell, weights = label_taps(labels, (rows, columns))
    pairs = sparse.csr_array((weights, (label, cell)), shape=(count, cells))
    sums = pairs @ features.reshape(cells, channels).astype(np.float64)
    return sums, np.bincount(labels.ravel(), minlength=count)


def _at_least(
    labels: Int[np.ndarray, "H W"], size: tuple[int, int]
) -> Int[np.ndarray, "h w"]:
    """The labels, or along an axis where they are fewer those at so many centres."""
    for axis, (there, wanted) in enumerate(zip(labels.shape, size, strict=True)):
        if there < wanted:
            centres = (2 * np.arange(wanted) + 1) * there // (2 * wanted)
            labels = labels.take(centres, axis)
    return labels
