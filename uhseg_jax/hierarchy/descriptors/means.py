"""Descriptors: the mean of an image's features over every region of its tree."""

import numpy as np
import numpy.typing as npt

from uhseg_jax.hierarchy.cuts import ROOT
from uhseg_jax.label_taps import label_taps
from uhseg_jax.types import Float, Int

__all__ = ["checked_features", "describe", "unit_rows"]


def describe(
    labels: Int[np.ndarray, "H W"],
    parents: Int[np.ndarray, " n"],
    features: npt.ArrayLike,
) -> Float[np.ndarray, "n d"]:
    """The mean feature of every node, float32; 0 for nodes without a cell.

    Args:
      labels: the leaf of every cell.
      parents: of the nodes, without padding.
      features: see `checked_features`.
    """
    from scipy import sparse

    features = checked_features(features)
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


def checked_features(features: npt.ArrayLike) -> Float[np.ndarray, "h w d"]:
    """Features of an image as a numpy array.

    Raises:
      ValueError: they have another shape than ``[h, w, d]`` or an empty axis, are no
        real numbers, or hold NaN or infinity.
    """
    features = np.asarray(features)
    if features.ndim != 3 or 0 in features.shape:
        raise ValueError(
            "expected the features of one image, [h, w, d] with no empty axis, but got "
            f"shape {features.shape}."
        )
    if features.dtype.kind in "biu" or features.dtype.itemsize < 4:
        features = features.astype(np.float32)  # bfloat16 is of no kind of numpy's
    if features.dtype.kind != "f":
        raise ValueError(
            f"expected features that are real numbers, but got {features.dtype}."
        )
    wrong = int((~np.isfinite(features)).any(axis=-1).sum())
    if wrong:
        raise ValueError(
            f"expected finite features, but {wrong} of {features[..., 0].size} vectors "
            "hold NaN or infinity; check the backbone's input and dtype."
        )
    return features


def unit_rows(rows: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
    """Rows at unit length; those of zeros stay."""
    largest = np.max(np.abs(rows), axis=-1, keepdims=True, initial=0.0)
    scaled = rows / np.where(largest > 0, largest, 1)  # squares stay in range
    lengths = np.linalg.norm(scaled, axis=-1, keepdims=True)
    return scaled / np.where(lengths > 0, lengths, 1)


def _at_least(
    labels: Int[np.ndarray, "H W"], size: tuple[int, int]
) -> Int[np.ndarray, "h w"]:
    """The labels, or along an axis where they are fewer those at so many centres."""
    for axis, (there, wanted) in enumerate(zip(labels.shape, size, strict=True)):
        if there < wanted:
            centres = (2 * np.arange(wanted) + 1) * there // (2 * wanted)
            labels = labels.take(centres, axis)
    return labels
