"""Rasters in the resolution that a backbone sees, and labels back at their pixels."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np

from uhseg_jax.rasters.tones import Colors
from uhseg_jax.rasters.windows import Window
from uhseg_jax.types import Bool, Pixels

__all__ = ["Reduced"]

_PIXELS = 2**21  # that are read at once, but a row of blocks at least
_MOST_16 = 65535 // 255  # tones whose sum 16 bits hold


@dataclasses.dataclass(frozen=True)
class Reduced:
    """A raster of which blocks of pixels are one pixel each: their mean.

    Windows are those of the reduced raster, so they agree wherever they overlap. Blocks
    at the end may be cut off.

    Attributes:
      colors: of the pixels.
      scale: pixels along a side of a block.
    """

    colors: Colors
    scale: int

    @property
    def size(self) -> tuple[int, int]:
        """Blocks (height, width)."""
        height, width = (-(-x // self.scale) for x in self.colors.size)
        return height, width

    def full(self, window: Window) -> Window:
        """The pixels of some blocks."""
        k = self.scale
        whole = Window(*(x * k for x in window))
        return whole.common(Window(0, 0, *self.colors.size))

    def read(
        self, window: Window
    ) -> tuple[Pixels, Bool[np.ndarray, "h w"], Bool[np.ndarray, "H W"]]:
        """The means of blocks, over those of their pixels that have data.

        Args:
          window: of the reduced raster.

        Returns:
          RGB, where a block has any data, and where its pixels have.
        """
        rows = max(1, _PIXELS // (self.full(window).width * self.scale))
        ends = range(window.top, window.bottom, rows)
        strips = (
            self._strip(window._replace(top=top, height=bottom - top))
            for top, bottom in itertools.pairwise([*ends, window.bottom])
        )
        pixels, known, valid = map(np.concatenate, zip(*strips, strict=True))
        return pixels, known, valid

    def _strip(
        self, window: Window
    ) -> tuple[Pixels, Bool[np.ndarray, "h w"], Bool[np.ndarray, "H W"]]:
        pixels, valid = self.colors.read(self.full(window))
        if self.scale == 1:
            return pixels, valid, valid
        counts = self._sums(valid.astype(np.uint16), window)
        sums = self._sums(pixels.astype(np.uint16), window)  # 0 where there is no data
        divisor = np.maximum(counts, 1)[..., None]
        means = ((sums + divisor // 2) // divisor).astype(np.uint8)
        return means, counts > 0, valid

    def _sums(self, values: np.ndarray, window: Window) -> np.ndarray:
        """Sums over the blocks of a window, also over those that are cut off."""
        for axis in (0, 1):
            starts = np.arange(window.shape[axis]) * self.scale
            is_little = axis == 0 and self.scale <= _MOST_16
            dtype = np.uint16 if is_little else np.uint32
            values = np.add.reduceat(values, starts, axis=axis, dtype=dtype)
        return values
