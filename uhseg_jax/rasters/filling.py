"""Values where there are none: those of the nearest pixel that has one."""

from __future__ import annotations

import numpy as np

from uhseg_jax.types import Bool

__all__ = ["filled"]


def filled(values: np.ndarray, known: Bool[np.ndarray, "h w"]) -> np.ndarray:
    """An array ``[h, w]`` or ``[h, w, k]`` without holes.

    Args:
      values: of pixels.
      known: where they count; nowhere: they stay as they are.
    """
    from scipy.ndimage import distance_transform_edt

    if known.all() or not known.any():
        return values
    row, column = distance_transform_edt(
        ~known, return_distances=False, return_indices=True
    )
    found: np.ndarray = values[row, column]
    return found
