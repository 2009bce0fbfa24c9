"""Connected components of regions, and the small ones among them."""

import numpy as np

from uhseg_jax.types import Int, Integer

__all__ = ["absorb_small_components", "label_components"]


def label_components(
    labels: Integer[np.ndarray, "H W"],
) -> Int[np.ndarray, "H W"]:
    """Numbers the connected pieces of equal labels, from 0, row by row.

    Pixels that touch at a corner belong together.
    """
    from skimage import measure

    found = measure.label(labels, background=-1, connectivity=2)
    return np.asarray(found, np.int64) - 1


def absorb_small_components(
    labels: Integer[np.ndarray, "H W"], min_area: int
) -> Integer[np.ndarray, "H W"]:
    """Gives every small connected piece to the regions around it.

    A pixel of a piece with fewer than ``min_area`` pixels takes the label of the
    nearest pixel of a larger piece. Where all pieces are small, the largest one counts
    as large.

    Args:
      labels: region of every pixel, not negative.
      min_area: pixels below which a piece is small.
    """
    if min_area <= 1:
        return labels
    from scipy import ndimage

    pieces = label_components(labels)
    areas = np.bincount(pieces.ravel())
    small = (areas < min(min_area, int(areas.max())))[pieces]
    if not small.any():
        return labels
    nearest = ndimage.distance_transform_edt(
        small, return_distances=False, return_indices=True
    )
    return labels[tuple(nearest)]
