"""Tiles of a raster through the backbone, and their features over superpixels."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

from uhseg_jax.interpolation import label_taps
from uhseg_jax.rasters.label_raster import NO_DATA
from uhseg_jax.rasters.windows import Window, blending, starts
from uhseg_jax.types import Float, Int

__all__ = ["Tile", "Tiling", "pooled"]


@dataclasses.dataclass(frozen=True)
class Tile:
    """A tile.

    Attributes:
      window: its pixels.
      down: what each of its rows counts beside those of the tiles above and below.
      right: what each of its columns counts beside those of the tiles at its sides.
    """

    window: Window
    down: Float[np.ndarray, " h"]
    right: Float[np.ndarray, " w"]


@dataclasses.dataclass(frozen=True)
class Tiling:
    """Tiles of one size all over a raster, which overlap.

    Attributes:
      size: pixels (height, width) of the raster.
      side: of a tile; where the raster is less high or wide, so are the tiles.
      overlap: pixels that neighbouring tiles share at the least.
    """

    size: tuple[int, int]
    side: int
    overlap: int

    @property
    def shape(self) -> tuple[int, int]:
        """Pixels (height, width) of a tile."""
        height, width = (min(self.side, x) for x in self.size)
        return height, width

    def tiles(self) -> Iterator[Tile]:
        """Row by row."""
        down, right = (
            list(
                zip(
                    starts(length, side, self.overlap),
                    blending(length, side, self.overlap),
                    strict=True,
                )
            )
            for length, side in zip(self.size, self.shape, strict=True)
        )
        for top, rows in down:
            for left, columns in right:
                yield Tile(Window(top, left, *self.shape), rows, columns)


def pooled(
    features: Float[np.ndarray, "h w d"], labels: Int[np.ndarray, "H W"], tile: Tile
) -> tuple[Int[np.ndarray, " n"], Float[np.ndarray, "n d"]]:
    """What a tile adds to the features of the superpixels in it.

    A pixel reads the patches around it (`label_taps`), and a patch counts as the tile
    does at its centre beside the others that hold it.

    Args:
      features: of the patches.
      labels: superpixels of the tile's pixels; -1 where there is no data.
      tile: where it lies.

    Returns:
      The superpixels, rising, and weighted sums of features over their pixels.
    """
    from scipy.sparse import coo_array

    h, w, d = features.shape
    numbers, local = np.unique(labels, return_inverse=True)
    label, patch, weights = label_taps(local.reshape(labels.shape), (h, w))
    shape = (len(numbers), h * w)
    counts = np.outer(_at_centres(tile.down, h), _at_centres(tile.right, w)).ravel()
    weights = (weights * counts[patch]).astype(np.float32)
    sums = coo_array((weights, (label, patch)), shape=shape) @ features.reshape(-1, d)
    there = numbers != NO_DATA
    return numbers[there], sums[there]


def _at_centres(weights: Float[np.ndarray, " H"], cells: int) -> np.ndarray:
    """Weights of pixels at the centres of cells."""
    centres = (np.arange(cells) + 0.5) * len(weights) / cells - 0.5
    return np.interp(centres, np.arange(len(weights)), weights)
