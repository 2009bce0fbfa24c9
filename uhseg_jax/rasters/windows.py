"""Rectangles of a raster: how it is divided, and how what overlaps is blended."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from uhseg_jax.types import Float, Int

__all__ = ["Window", "blending", "cores", "starts", "thinned"]


class Window(NamedTuple):
    """A rectangle of pixels.

    Attributes:
      top: first row.
      left: first column.
      height: rows.
      width: columns.
    """

    top: int
    left: int
    height: int
    width: int

    @property
    def bottom(self) -> int:
        """The row behind the last."""
        return self.top + self.height

    @property
    def right(self) -> int:
        """The column behind the last."""
        return self.left + self.width

    @property
    def slices(self) -> tuple[slice, slice]:
        """Its rows and columns in an array of the whole."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.height, self.width

    def within(self, other: Window) -> tuple[slice, slice]:
        """Its rows and columns in an array of another window, which contains it."""
        top, left = self.top - other.top, self.left - other.left
        return slice(top, top + self.height), slice(left, left + self.width)

    def common(self, other: Window) -> Window:
        """What lies in both; of height or width 0 where nothing does."""
        top, left = max(self.top, other.top), max(self.left, other.left)
        bottom, right = min(self.bottom, other.bottom), min(self.right, other.right)
        return Window(top, left, max(0, bottom - top), max(0, right - left))

    def grown(self, margin: int, size: tuple[int, int]) -> Window:
        """Larger on every side, as far as a raster of a size goes."""
        top, left = max(0, self.top - margin), max(0, self.left - margin)
        bottom = min(size[0], self.bottom + margin)
        right = min(size[1], self.right + margin)
        return Window(top, left, bottom - top, right - left)


def starts(length: int, tile: int, overlap: int) -> list[int]:
    """Where tiles of one side begin along an axis: evenly, from end to end.

    Tiles are all of one size whatever the length; the last ends where the raster does.

    Args:
      length: of the axis, in pixels.
      tile: of a tile, at most the length.
      overlap: of neighbouring tiles at the least; below ``tile`` where that is below
        the length.
    """
    if tile == length:
        return [0]
    count = 1 + math.ceil((length - tile) / (tile - overlap))
    return [round(i * (length - tile) / (count - 1)) for i in range(count)]


def blending(length: int, tile: int, overlap: int) -> list[Float[np.ndarray, " tile"]]:
    """What every tile of `starts` counts at its pixels; of all together one.

    The weight of a tile falls linearly from its middle to its ends, so it is least
    where its features know least of what is around.
    """
    first = starts(length, tile, overlap)
    middle = (np.arange(tile) + 0.5) / tile
    hat = np.minimum(middle, 1 - middle)
    total = np.zeros(length)
    for start in first:
        total[start : start + tile] += hat
    return [hat / total[start : start + tile] for start in first]


def cores(size: tuple[int, int], side: int) -> Iterator[tuple[tuple[int, int], Window]]:
    """Divides a raster into windows, row by row; those at the ends may be smaller.

    Args:
      size: pixels (height, width).
      side: of a window.

    Yields:
      Row and column among the windows, and the window.
    """
    for top in range(0, size[0], side):
        for left in range(0, size[1], side):
            height, width = min(side, size[0] - top), min(side, size[1] - left)
            yield (top // side, left // side), Window(top, left, height, width)


def thinned(
    size: tuple[int, int], longest: int
) -> tuple[Int[np.ndarray, " h"], Int[np.ndarray, " w"]]:
    """The rows and columns of a smaller copy: those in the middle of equal blocks.

    Args:
      size: pixels (height, width).
      longest: of the rows and of the columns that are left, at the most.
    """
    step = math.ceil(max(size) / longest)
    rows, columns = (np.arange(min(step // 2, x - 1), x, step) for x in size)
    return rows, columns
