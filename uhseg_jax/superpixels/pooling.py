"""Means over superpixels: of colours, and of features that live on the patch grid."""

import numpy as np

from uhseg_jax.interpolation import label_taps
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

    A pixel reads the patches around it (`label_taps`), so ``patch_weights(...) @
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
    label, patch, weights = label_taps(labels, grid)
    size = grid[0] * grid[1]
    sums = np.bincount(label * size + patch, weights, count * size).reshape(count, -1)
    areas = np.bincount(labels.ravel(), minlength=count)
    return (sums / np.maximum(areas, 1)[:, None]).astype(np.float32)
