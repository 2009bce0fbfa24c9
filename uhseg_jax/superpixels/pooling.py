"""Means over superpixels: of colours, and of features that live on the patch grid."""

import numpy as np

from uhseg_jax.interpolation import bilinear_cells
from uhseg_jax.types import Float, Integer

__all__ = ["mean_colors", "patch_weights"]


def mean_colors(
    labels: Integer[np.ndarray, "H W"], planes: Float[np.ndarray, "c H W"], count: int
) -> Float[np.ndarray, "n c"]:
    """The mean colour of every label below ``count``, float32; 0 where it has no pixel.

    Args:
      labels: labels of the pixels, from 0.
      planes: channels of the pixels.
      count: rows of the result.
    """
    flat = labels.ravel()
    sums = [np.bincount(flat, plane.ravel(), count) for plane in planes]
    areas = np.bincount(flat, minlength=count)
    return (np.stack(sums, axis=-1) / np.maximum(areas, 1)[:, None]).astype(np.float32)


def patch_weights(
    labels: Integer[np.ndarray, "H W"], grid: tuple[int, ...], count: int
) -> Float[np.ndarray, "n hw"]:
    """What every superpixel reads of the patches: the mean over its pixels.

    A pixel reads the four patches around it bilinearly, centres aligned, as `resize`
    does; beyond the outermost centres it reads those. So ``patch_weights(...) @
    features`` are the means of the interpolated features, without these.

    The matrix is dense. A superpixel reads few patches, but how many follows from no
    config, and one product of static shape serves every image.

    Args:
      labels: labels of the pixels, from 0.
      grid: patches (rows, columns) over the whole image.
      count: rows of the result.

    Returns:
      float32 ``[count, rows * columns]``; rows sum to one, or are 0 where the label has
      no pixel.
    """
    rows, columns = (
        bilinear_cells(cells, pixels)
        for cells, pixels in zip(grid, labels.shape, strict=True)
    )
    row, first, end = _runs(labels, columns[0][0] + columns[1][0])
    right = np.append(0, np.cumsum(columns[1][1]))
    right = right[end] - right[first]  # sums of the weights over the pixels of a run
    label = labels[row, first].astype(np.intp)
    taps, weights = [], []
    for patch_row, down in rows:
        start = (label * grid[0] + patch_row[row]) * grid[1]
        for (patch_column, _), across in zip(
            columns, (end - first - right, right), strict=True
        ):
            taps.append(start + patch_column[first])
            weights.append(down[row] * across)
    sums = np.bincount(
        np.concatenate(taps), np.concatenate(weights), count * grid[0] * grid[1]
    ).reshape(count, -1)
    areas = np.bincount(labels.ravel(), minlength=count)
    return (sums / np.maximum(areas, 1)[:, None]).astype(np.float32)


def _runs(
    labels: Integer[np.ndarray, "H W"], columns: Integer[np.ndarray, " W"]
) -> tuple[Integer[np.ndarray, " r"], ...]:
    """The runs of pixels of a row that share a label and a value of their columns.

    Returns:
      Of every run its row, its first column and the one behind its last.
    """
    starts = np.ones(labels.shape, bool)
    starts[:, 1:] = (labels[:, 1:] != labels[:, :-1]) | (columns[1:] != columns[:-1])
    row, first = np.divmod(np.flatnonzero(starts), labels.shape[1])
    end = np.append(first[1:], 0)
    return row, first, np.where(end == 0, labels.shape[1], end)
