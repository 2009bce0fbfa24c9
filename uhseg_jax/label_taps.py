"""What labels of pixels read of a coarser grid, such as that of patches.

A pixel reads the four cells around it bilinearly, centres aligned, as `images.resize`
does; beyond the outermost centres it reads those.
"""

import numpy as np

from uhseg_jax.interpolation import bilinear_cells
from uhseg_jax.types import Float, Int, Integer

__all__ = ["label_taps"]


def label_taps(
    labels: Integer[np.ndarray, "H W"], grid: tuple[int, ...]
) -> tuple[Int[np.ndarray, " t"], Int[np.ndarray, " t"], Float[np.ndarray, " t"]]:
    """The cells that the pixels of every label read, and with which weights.

    Args:
      labels: labels of the pixels, from 0.
      grid: cells (rows, columns) over the whole image.

    Returns:
      A label, a cell (row after row) and a float64 weight each. A pair of label and
      cell may occur several times; the weights of a label sum to its pixels.
    """
    rows, columns = (
        bilinear_cells(cells, pixels)
        for cells, pixels in zip(grid, labels.shape, strict=True)
    )
    row, first, end = _runs(labels, columns[0][0] + columns[1][0])
    right = np.append(0, np.cumsum(columns[1][1]))
    right = right[end] - right[first]  # sums of the weights over the pixels of a run
    label = labels[row, first].astype(np.intp)
    cells, weights = [], []
    for cell_row, down in rows:
        start = cell_row[row] * grid[1]
        for (cell_column, _), across in zip(
            columns, (end - first - right, right), strict=True
        ):
            cells.append(start + cell_column[first])
            weights.append(down[row] * across)
    return np.tile(label, 4), np.concatenate(cells), np.concatenate(weights)


def _runs(
    labels: Integer[np.ndarray, "H W"], columns: Integer[np.ndarray, " W"]
) -> tuple[Integer[np.ndarray, " r"], ...]:
    """The runs of pixels of a row that share a label and a value of their columns.

    Returns:
      Of every run its row, its first column and the one behind its last.
    """
    starts = np.ones(labels.shape, bool)
    starts[:, 1:] = (labels[:, 1:] != labels[:, :-1]) | (columns[1:] != columns[:-1])
    row, first = np.divmod(np.flatnonzero(starts), labels.shape[1])
    end = np.append(first[1:], 0)
    return row, first, np.where(end == 0, labels.shape[1], end)
