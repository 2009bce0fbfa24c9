"""Resizing."""

import numpy as np
from PIL import Image

from uhseg_jax.images.sources import ImageError
from uhseg_jax.types import UInt8

__all__ = ["resize"]


def resize(
    image: UInt8[np.ndarray, "H W 3"], size: tuple[int, int]
) -> UInt8[np.ndarray, "h w 3"]:
    """Resizes to ``(height, width)`` by antialiased bilinear interpolation.

    The aspect is not kept. Reductions beyond sixfold first average whole blocks, which
    is many times faster on very large images and hardly visible.

    Raises:
      ImageError: a side of ``size`` is below one pixel, or the image is empty.
    """
    height, width = size
    if min(height, width) < 1 or 0 in image.shape:
        raise ImageError(
            f"cannot resize an image of {image.shape[0]} x {image.shape[1]} pixels to "
            f"{height} x {width}; every side must be at least 1."
        )
    if image.shape[:2] == (height, width):
        return image
    resized = Image.fromarray(image).resize(
        (width, height), Image.Resampling.BILINEAR, reducing_gap=3.0
    )
    return np.array(resized)
