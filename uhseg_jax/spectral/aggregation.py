"""Attention maps of several resolutions as one walk on the finest of them.

Tian et al., "Diffuse, Attend, and Segment" (DiffSeg, CVPR 2024), section 3.2.
"""

import math
from collections.abc import Mapping

import jax
import jax.numpy as jnp

from uhseg_jax.spectral import walk
from uhseg_jax.types import Array, Float

__all__ = ["aggregate"]

Grid = tuple[int, int]


def aggregate(
    maps: Mapping[Grid, Float[Array, "_ _"]],
    *,
    weights: Mapping[Grid, float] | None = None,
) -> Float[Array, "n n"]:
    """The weighted sum of attention maps at the resolution of the finest.

    The attention of a coarse cell is interpolated to the fine cells and made a
    distribution again; it is that of every fine cell within the coarse one.

    Args:
      maps: attention ``[h * w, h * w]`` by its grid (h, w), cells counted row by row.
      weights: by grid, in any unit, at least 0; those of grids without a map are not
        used. None: in proportion to the height of the grid (DiffSeg: 0.533, 0.267,
        0.133 and 0.067 of 64, 32, 16 and 8).

    Returns:
      ``[n, n]`` for the n cells of the finest grid, its rows summing to one.

    Raises:
      ValueError: there are no maps, one does not fit its grid, a grid does not divide
        the finest, or there is no weight for it.
    """
    if not maps:
        raise ValueError("expected attention maps of one grid or more, but got none.")
    finest = max(maps, key=lambda grid: grid[0] * grid[1])
    if weights is None:
        weights = {grid: float(grid[0]) for grid in maps}
    _check(maps, finest, weights)
    total = sum(weights[grid] for grid in maps)
    result = jnp.zeros((finest[0] * finest[1],) * 2, maps[finest].dtype)
    for grid in sorted(maps, reverse=True):
        share = weights[grid] / total
        result = result + share * _at(finest, walk.transition_matrix(maps[grid]), grid)
    return walk.transition_matrix(result)


def _check(
    maps: Mapping[Grid, Array], finest: Grid, weights: Mapping[Grid, float]
) -> None:
    for grid, attention in maps.items():
        cells = grid[0] * grid[1]
        if attention.shape != (cells, cells):
            raise ValueError(
                f"expected attention {cells} x {cells} between the cells of a grid "
                f"{grid[0]} x {grid[1]}, but got {attention.shape}."
            )
        if finest[0] % grid[0] or finest[1] % grid[1]:
            raise ValueError(
                f"expected grids that divide the finest, {finest[0]} x {finest[1]}, "
                f"but got {grid[0]} x {grid[1]}."
            )
        if not 0 <= weights.get(grid, -1.0) < math.inf:
            raise ValueError(
                "expected a finite weight of at least 0 for the grid "
                f"{grid[0]} x {grid[1]}, but got {weights.get(grid)}."
            )
    if not sum(weights[grid] for grid in maps) > 0:
        raise ValueError("expected a weight above 0 for one grid, but all are 0.")


def _at(finest: Grid, attention: Float[Array, "m m"], grid: Grid) -> Array:
    """One map between the cells of the finest grid."""
    if grid == finest:
        return attention
    h, w = grid
    down, right = finest[0] // h, finest[1] // w
    fine = jax.image.resize(
        attention.reshape(h * w, h, w), (h * w, *finest), "bilinear"
    )
    rows = fine / jnp.sum(fine, axis=(1, 2), keepdims=True)
    rows = rows.reshape(h, 1, w, 1, -1)
    spread = jnp.broadcast_to(rows, (h, down, w, right, rows.shape[-1]))
    return spread.reshape(finest[0] * finest[1], -1)
