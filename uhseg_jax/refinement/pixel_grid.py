"""The pixels of an image in a row, as many as images of many sizes share.

Programs are compiled for a number of pixels, not for a height and a width: those are
arguments, and there are few such numbers (`capacity`).
"""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np

from uhseg_jax.images import resize
from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.types import Array, Bool, Int, UInt8

__all__ = ["PixelGrid", "capacity", "working_copy"]

_STEPS = 3  # numbers of pixels up to the largest


@pytree_dataclass
class PixelGrid:
    """The pixels of an image, row by row, and behind them padding.

    Attributes:
      colors: RGB of the pixels; 0 for padding.
      height, width: of the image.
    """

    colors: UInt8[Array, "n 3"]
    height: Int[Array | np.ndarray, ""]
    width: Int[Array | np.ndarray, ""]

    @classmethod
    def of(cls, image: UInt8[np.ndarray, "H W 3"], length: int) -> PixelGrid:
        """All pixels of an image, and padding up to a length."""
        height, width, _ = image.shape
        colors = np.zeros((length, 3), np.uint8)
        colors[: height * width] = image.reshape(-1, 3)
        return cls(
            jnp.asarray(colors),
            np.asarray(height, np.int32),
            np.asarray(width, np.int32),
        )

    def inside(self) -> Bool[Array, " n"]:
        """Whether a pixel is one of the image."""
        return jnp.arange(self.colors.shape[0]) < self.height * self.width


def capacity(num_pixels: int, max_pixels: int) -> int:
    """The least of a few lengths that holds so many pixels: thirds of the most."""
    step = -(-max_pixels // _STEPS)
    return -(-num_pixels // step) * step


def working_copy(
    image: UInt8[np.ndarray, "H W 3"], max_megapixels: float
) -> UInt8[np.ndarray, "h w 3"]:
    """The image, or a smaller one of the same aspect if it has more pixels."""
    height, width = image.shape[:2]
    scale = math.sqrt(max_megapixels * 1e6 / (height * width))
    if scale >= 1:
        return image
    return resize(image, (max(1, int(height * scale)), max(1, int(width * scale))))
