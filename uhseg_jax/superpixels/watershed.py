"""Dividing an image into superpixels, each about a cell of a regular lattice."""

import math
from collections.abc import Callable, Mapping

import numpy as np

from uhseg_jax.types import Bool, Float, Int

__all__ = [
    "PARTITIONS",
    "cell_labels",
    "flooded",
    "grid_superpixels",
    "lattice",
    "watershed_superpixels",
]

# A marker lies within this share of the cells' mean side of the cell's centre.
_MARKER_RADIUS = 1 / 3


def lattice(size: tuple[int, int], count: int) -> tuple[int, int]:
    """Rows and columns of nearly square cells over an image, at most ``count`` cells.

    Neither side has more cells than pixels. On images so thin that one row of square
    cells would be too many, cells are longer than they are wide.

    Args:
      size: pixels (height, width).
      count: cells at most.
    """
    side = math.sqrt(math.prod(size) / count)
    short, long = sorted(size)
    fewer = min(max(1, round(short / side)), short, count)
    more = min(max(1, round(long / side)), long, count // fewer)
    return (fewer, more) if size[0] <= size[1] else (more, fewer)


def grid_superpixels(
    gradient: Float[np.ndarray, "H W"], count: int
) -> Int[np.ndarray, "H W"]:
    """The cells of the lattice themselves; of the gradient only the size counts.

    Returns:
      int32 labels from 0, row by row; none is without pixels.
    """
    size = gradient.shape
    return cell_labels(size, lattice(size, count), (0, 0), size)


def cell_labels(
    size: tuple[int, int],
    cells: tuple[int, int],
    corner: tuple[int, int],
    shape: tuple[int, int],
) -> Int[np.ndarray, "h w"]:
    """The cell of a lattice that every pixel of a window lies in, row by row.

    Args:
      size: pixels (height, width) of the whole.
      cells: rows and columns of the lattice.
      corner: first row and column of the window.
      shape: its pixels (height, width).
    """
    rows, columns = (
        ((first + np.arange(length) + 0.5) * number / pixels).astype(np.int32)
        for first, length, number, pixels in zip(
            corner, shape, cells, size, strict=True
        )
    )
    return rows[:, None] * np.int32(cells[1]) + columns


def watershed_superpixels(
    gradient: Float[np.ndarray, "H W"], count: int
) -> Int[np.ndarray, "H W"]:
    """The watershed of a gradient, flooded from one marker in each cell of the lattice.

    A marker is the pixel of least gradient near the centre of its cell, so that it lies
    off the edges; of equal ones the first, row by row. Basins meet on the ridges of the
    gradient (Meyer's flooding; the even spacing of markers is that of the waterpixels
    of Machairas et al., 2015, without their regularisation).

    Args:
      gradient: the height of the pixels' surface.
      count: superpixels at most; see `lattice` for how many.

    Returns:
      int32 labels from 0, row by row of the cells. Every superpixel has pixels, which
      are connected by their sides.
    """
    return flooded(gradient, gradient.shape, lattice(gradient.shape, count))


def flooded(
    gradient: Float[np.ndarray, "h w"],
    size: tuple[int, int],
    cells: tuple[int, int],
    *,
    corner: tuple[int, int] = (0, 0),
    known: Bool[np.ndarray, "h w"] | None = None,
) -> Int[np.ndarray, "h w"]:
    """The watershed of a window of an image, as it is in the whole but for its rim.

    Markers are where they are in the whole, so windows that overlap agree some cells
    away from their rims. Those too near the rim to be known are left out.

    Args:
      gradient: the height of the surface in the window.
      size: pixels (height, width) of the whole.
      cells: rows and columns of the lattice over the whole.
      corner: first row and column of the window.
      known: where there is something to divide; None: everywhere. What no basin
        reaches, as an island without a marker, belongs to the cell that it lies in.

    Returns:
      int32, the cell of the whole whose marker each pixel belongs to, row by row from
      0; -1 where nothing is known.
    """
    from skimage.segmentation import watershed

    heights = gradient if known is None else np.where(known, gradient, np.inf)
    places, numbers = _markers(heights, size, cells, corner)
    markers = np.zeros(gradient.shape, np.int32)
    markers.ravel()[places] = numbers + 1
    labels = watershed(gradient, markers, mask=known) - 1
    if known is None:
        return labels
    own = cell_labels(size, cells, corner, gradient.shape)
    labels = np.where((labels < 0) & known, own, labels)
    return labels.astype(np.int32)


PARTITIONS: Mapping[str, Callable[..., Int[np.ndarray, "H W"]]] = {
    "watershed": watershed_superpixels,
    "grid": grid_superpixels,
}
"""Ways to divide an image into superpixels, by name."""


def _markers(
    heights: Float[np.ndarray, "h w"],
    size: tuple[int, int],
    cells: tuple[int, int],
    corner: tuple[int, int],
) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " n"]]:
    """The pixel of least height near the centre of every cell within a window.

    What is near the centres of different cells shares no pixel.

    Args:
      heights: infinite where no marker may lie.
      size: pixels (height, width) of the whole.
      cells: rows and columns of the lattice over the whole.
      corner: first row and column of the window.

    Returns:
      Pixels of the window and the cells they are the markers of, row by row.
    """
    radius = _MARKER_RADIUS * math.sqrt(math.prod(size) / math.prod(cells))
    (down, rows, no_row), (right, columns, no_column) = (
        _near_centres(*axis, radius)
        for axis in zip(size, cells, corner, heights.shape, strict=True)
    )
    near = heights[rows[:, None, :, None], columns[None, :, None, :]]
    outside = no_row[:, None, :, None] | no_column[None, :, None, :]
    near = np.where(outside, np.inf, near).reshape(len(down), len(right), -1)
    if not near.size:
        return np.zeros(0, np.int64), np.zeros(0, np.int32)
    row, column = np.divmod(near.argmin(axis=-1), columns.shape[1])
    places = (
        np.take_along_axis(rows, row, 1) * heights.shape[1]
        + np.take_along_axis(columns, column.T, 1).T
    )
    numbers = (down[:, None] * cells[1] + right).astype(np.int32)
    found = np.isfinite(near.min(axis=-1))
    return places[found], numbers[found]


def _near_centres(
    pixels: int, cells: int, first: int, length: int, radius: float
) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, "n k"], Bool[np.ndarray, "n k"]]:
    """Along one axis, the pixels of every cell whose centres lie near that of the cell.

    Args:
      pixels: of the whole.
      cells: over these.
      first: pixel of a window.
      length: pixels of the window.
      radius: that is near.

    Returns:
      The cells of which all these pixels are in the window; for each its pixels,
      counted from ``first``: at least the one that holds the cell's centre, with
      repetitions up to a common number; and where the repetitions are.
    """
    centres = (np.arange(cells) + 0.5) * pixels / cells
    middle = centres.astype(np.intp)
    start = np.ceil(centres - radius - 0.5).astype(np.intp).clip(0, middle)
    last = np.floor(centres + radius - 0.5).astype(np.intp).clip(middle, pixels - 1)
    window = start[:, None] + np.arange((last - start).max() + 1)
    near = np.minimum(window, last[:, None]) - first
    inside = np.flatnonzero((start >= first) & (last < first + length))
    return inside, near[inside], (window > last[:, None])[inside]
