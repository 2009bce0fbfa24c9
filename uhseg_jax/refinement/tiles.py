"""Images in tiles of one size, so that one program reads grids for images of any size.

What a tile reads is two `Taps`, of its rows and its columns. Tiles at the lower and the
right border reach beyond the image, where they repeat its last row or column.
"""

import dataclasses
from collections.abc import Iterator, Sequence

import jax
import numpy as np

from uhseg_jax.interpolation import MARGIN, NUM_TAPS, Taps, make_taps, read_taps
from uhseg_jax.refinement.label_columns import best_label
from uhseg_jax.types import Array, Float, Int

__all__ = ["TILE", "Span", "best_at_size", "spans", "write"]

TILE = 128  # pixels along either axis


@dataclasses.dataclass(frozen=True)
class Span:
    """The part of a tile along one axis.

    Attributes:
      pixels: those of the image.
      places: the pixels of the image that the tile's are, to its end.
      taps: one or more sets of taps, for the whole side of the tile.
    """

    pixels: slice
    places: Int[np.ndarray, " t"]
    taps: tuple[Taps, ...]

    @property
    def inside(self) -> slice:
        """The pixels of the image within the tile."""
        return slice(self.pixels.stop - self.pixels.start)


def spans(cells: int, pixels: int, *kernels: str) -> Iterator[Span]:
    """The tiles along one axis, and what they read of a grid of so many cells."""
    every = [make_taps(cells, pixels, kernel=kernel) for kernel in kernels]
    for start in range(0, pixels, TILE):
        stop = min(start + TILE, pixels)
        part = np.minimum(np.arange(start, start + TILE), pixels - 1)
        yield Span(
            slice(start, stop),
            part,
            tuple(
                Taps(x.first[part].astype(np.int32), x.weights[part].astype(np.float32))
                for x in every
            ),
        )


def best_at_size(
    columns: Sequence[Float[np.ndarray, "h w c"]], size: tuple[int, ...]
) -> Int[np.ndarray, "H W"]:
    """The label of the largest value at each pixel, of values interpolated bilinearly.

    Args:
      columns: the values of all labels on a coarser grid.
      size: (H, W), no less than those of the grid.
    """
    height, width, _ = columns[0].shape
    labels = np.empty(size, np.int32)
    for rows in spans(height, size[0], "bilinear"):
        row_cells, row_taps = _window(rows.taps[0], height)
        for across in spans(width, size[1], "bilinear"):
            column_cells, column_taps = _window(across.taps[0], width)
            window = row_cells[:, None], column_cells[None, :]
            found = [_interpolated(x[window], row_taps, column_taps) for x in columns]
            write(labels, rows, across, best_label(found))
    return labels


def write(image: np.ndarray, rows: Span, columns: Span, tile: Array) -> None:
    """Puts the part of a tile that is in the image there."""
    part = np.asarray(tile)[rows.inside, columns.inside]
    image[rows.pixels, columns.pixels] = part


_interpolated = jax.jit(read_taps)


def _window(taps: Taps, cells: int) -> tuple[Int[np.ndarray, " n"], Taps]:
    """The cells around those of a tile, as many for every tile, and taps in them."""
    first = int(taps.first[0])
    own = np.clip(np.arange(first, first + TILE + NUM_TAPS), 0, cells - 1)
    # Taps count from the cell behind the margin.
    return own, Taps((taps.first - first - MARGIN).astype(np.int32), taps.weights)
