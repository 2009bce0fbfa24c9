"""Interpolation between the cells of a grid, as taps along one axis.

A separable kernel reads four neighbouring cells on either axis. Cells outside the grid
repeat the one at its border, so every kernel here is exact on constants.
"""

from __future__ import annotations

import functools

import jax.numpy as jnp
import numpy as np

from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.types import Array, Float, Int, Integer

__all__ = [
    "KERNELS",
    "MARGIN",
    "NUM_TAPS",
    "Taps",
    "bilinear_cells",
    "cubic",
    "label_taps",
    "make_taps",
    "read_along",
    "read_taps",
    "read_windows",
    "with_margin",
]

KERNELS = ("nearest", "bilinear", "bicubic", "gaussian")
"""Names of kernels."""

NUM_TAPS = 4
"""Cells along an axis that a value is read from."""

MARGIN = 2
"""Cells that taps may reach beyond the grid."""

# Torch's constant for bicubic interpolation; Keys' own is -0.5.
TORCH_CUBIC = -0.75


@pytree_dataclass
class Taps:
    """What each target cell of an axis reads.

    Attributes:
      first: ``[t]``, source cell of the first tap; from -2, and the last of the four
        may lie two cells past the end.
      weights: ``[t, 4]``, of the four taps; every row sums to one.
    """

    first: Int[Array | np.ndarray, " t"]
    weights: Float[Array | np.ndarray, "t 4"]


def cubic(x: Float[np.ndarray, "*s"], *, a: float) -> Float[np.ndarray, "*s"]:
    """Keys' cubic convolution kernel (1981, eq. 15) with free parameter ``a``."""
    x = np.abs(x)
    near = ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    far = a * (((x - 5.0) * x + 8.0) * x - 4.0)
    return np.where(x <= 1.0, near, np.where(x < 2.0, far, 0.0))


def make_taps(
    source: int, target: int, *, kernel: str, scale: float | None = None
) -> Taps:
    """The taps that bring ``source`` cells to ``target`` cells, centres aligned.

    As `torch.nn.functional.interpolate` with ``align_corners=False`` and without
    antialiasing: sampling points, so a smaller grid skips cells.

    Args:
      source: cells of the grid.
      target: cells wanted.
      kernel: "nearest" (the cell that holds the centre), "bilinear", "bicubic", or
        "gaussian" with a standard deviation of one source cell.
      scale: target cells to one source cell; None for ``target / source``.

    Returns:
      float64 taps.

    Raises:
      ValueError: a size is not positive, or the kernel is unknown.
    """
    if source < 1 or target < 1:
        raise ValueError(
            "expected at least one cell along each axis, but was asked to resize "
            f"{source} cells to {target}."
        )
    if kernel not in KERNELS:
        raise ValueError(f"unknown kernel {kernel!r}; expected {', '.join(KERNELS)}.")
    scale = target / source if scale is None else scale
    centres = (np.arange(target) + 0.5) / scale - 0.5
    first = np.floor(centres).astype(np.int64) - 1
    offsets = centres[:, None] - (first[:, None] + np.arange(NUM_TAPS))
    if kernel == "bicubic":
        weights = cubic(offsets, a=TORCH_CUBIC)
    elif kernel == "bilinear":
        weights = np.maximum(0.0, 1.0 - np.abs(offsets))
    elif kernel == "gaussian":
        weights = np.exp(-0.5 * offsets * offsets)
        weights /= weights.sum(axis=1, keepdims=True)
    else:  # of two that are equally near, the later
        weights = ((offsets >= -0.5) & (offsets < 0.5)).astype(np.float64)
    return Taps(first, weights)


def bilinear_cells(
    source: int, target: int
) -> list[tuple[Int[np.ndarray, " t"], Float[np.ndarray, " t"]]]:
    """The bilinear taps of `make_taps` as cells of the grid, for numpy.

    Returns:
      The two cells that every target cell reads, the lower one first, each with its
      float64 weights. Beyond the outermost centres both are the cell at the border.
    """
    taps = make_taps(source, target, kernel="bilinear")
    return [
        (np.clip(taps.first + tap, 0, source - 1), taps.weights[:, tap])
        for tap in (1, 2)  # the outer two of the four weigh nothing
    ]


def with_margin(grid: Float[Array, "h w k"]) -> Float[Array, "h4 w4 k"]:
    """A grid with its border cells repeated, as far as taps reach beyond them."""
    margin = (MARGIN, MARGIN)
    return jnp.pad(grid, (margin, margin, (0, 0)), mode="edge")


def read_taps(
    table: Float[Array, "h4 w4 k"], rows: Taps, columns: Taps
) -> Float[Array, "H W k"]:
    """Interpolates a grid that has its margin (`with_margin`) at rows and columns."""
    return read_along(read_along(table, rows, 0), columns, 1)


def read_along(
    table: Float[Array, "a b k"], taps: Taps, axis: int
) -> Float[Array, "c d k"]:
    """Interpolates a grid that has its margin along one of its first two axes."""
    shape = (-1, 1, 1) if axis == 0 else (1, -1, 1)
    terms = (
        jnp.take(table, taps.first + (MARGIN + tap), axis=axis, mode="clip")
        * taps.weights[:, tap].reshape(shape)
        for tap in range(NUM_TAPS)
    )
    return functools.reduce(jnp.add, terms)


def read_windows(
    table: Float[Array, "h4 w4 k"],
    rows: Taps,
    columns: Taps,
    weights: Float[Array, "H W 4 4"],
) -> Float[Array, "H W k"]:
    """As `read_taps`, with weights of its own for every point's four by four cells."""
    terms = (
        table[
            rows.first[:, None] + (MARGIN + down),
            columns.first[None, :] + (MARGIN + right),
        ]
        * weights[:, :, down, right, None]
        for down in range(NUM_TAPS)
        for right in range(NUM_TAPS)
    )
    return functools.reduce(jnp.add, terms)


def label_taps(
    labels: Integer[np.ndarray, "H W"], grid: tuple[int, ...]
) -> tuple[Int[np.ndarray, " t"], Int[np.ndarray, " t"], Float[np.ndarray, " t"]]:
    """The cells that the pixels of every label read, and with which weights.

    A pixel reads the four cells around it bilinearly, centres aligned, as
    `images.resize` does; beyond the outermost centres it reads those.

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
