"""Dividing an image into superpixels, each about a cell of a regular lattice."""

import math
from collections.abc import Callable, Mapping

import numpy as np

from uhseg_jax.types import Float, Int

__all__ = ["PARTITIONS", "grid_superpixels", "lattice", "watershed_superpixels"]

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
    rows, columns = (
        ((np.arange(pixels) + 0.5) * cells / pixels).astype(np.int32)
        for pixels, cells in zip(
            gradient.shape, lattice(gradient.shape, count), strict=True
        )
    )
    return rows[:, None] * (columns[-1] + 1) + columns


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
    from skimage.segmentation import watershed

    markers = np.zeros(gradient.shape, np.int32)
    places = _marker_places(gradient, lattice(gradient.shape, count))
    markers.ravel()[places] = np.arange(1, places.size + 1)
    return watershed(gradient, markers) - 1


PARTITIONS: Mapping[str, Callable[..., Int[np.ndarray, "H W"]]] = {
    "watershed": watershed_superpixels,
    "grid": grid_superpixels,
}
"""Ways to divide an image into superpixels, by name."""


def _marker_places(
    gradient: Float[np.ndarray, "H W"], cells: tuple[int, int]
) -> Int[np.ndarray, " n"]:
    """The pixel of least gradient in the window of every cell, numbered row by row.

    Windows of different cells share no pixel.
    """
    size = gradient.shape
    radius = _MARKER_RADIUS * math.sqrt(math.prod(size) / math.prod(cells))
    (rows, no_row), (columns, no_column) = (
        _windows(*sides, radius) for sides in zip(size, cells, strict=True)
    )
    heights = gradient[rows[:, None, :, None], columns[None, :, None, :]]
    outside = no_row[:, None, :, None] | no_column[None, :, None, :]
    least = np.where(outside, np.inf, heights).reshape(*cells, -1).argmin(axis=-1)
    row, column = np.divmod(least, columns.shape[1])
    return (
        np.take_along_axis(rows, row, 1) * size[1]
        + np.take_along_axis(columns, column.T, 1).T
    ).ravel()


def _windows(
    pixels: int, cells: int, radius: float
) -> tuple[Int[np.ndarray, "n k"], np.ndarray]:
    """Along one axis, the pixels of every cell whose centres lie near that of the cell.

    Returns:
      For every cell its pixels, at least the one that holds the cell's centre, with
      repetitions up to a common number, and where the repetitions are.
    """
    centres = (np.arange(cells) + 0.5) * pixels / cells
    middle = centres.astype(np.intp)
    first = np.ceil(centres - radius - 0.5).astype(np.intp).clip(0, middle)
    last = np.floor(centres + radius - 0.5).astype(np.intp).clip(middle, pixels - 1)
    window = first[:, None] + np.arange((last - first).max() + 1)
    return np.minimum(window, last[:, None]), window > last[:, None]
