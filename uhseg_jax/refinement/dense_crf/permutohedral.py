"""Gaussian filtering of points in a few dimensions on the permutohedral lattice.

Adams, Baek, Davis, "Fast High-Dimensional Filtering Using the Permutohedral Lattice",
Eurographics 2010. Points of d dimensions lie in simplices of a lattice. *Splat*: every
point spreads its value over the d + 1 vertices of its simplex, by barycentric weights;
*blur*: [1/2, 1, 1/2] along each of the d + 1 directions of the lattice; *slice*: every
point reads its value back from its vertices. Together about
``exp(-|f_i - f_j|^2 / 2)``, up to one factor for all pairs, in time linear in the
number of points.

Shapes are static, the number of vertices is not. Every table has a row for every vertex
that there can be (d + 1 of its own for every point), so none overflows; a filter works
on the shortest of a few beginnings of the tables that holds the vertices there are.
"""

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp

from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.refinement.dense_crf.vertices import (
    NO_KEY,
    VertexKeys,
    corners_of,
    stack,
)
from uhseg_jax.types import Array, Bool, Float, Int

__all__ = ["Lattice", "build_lattice", "filter_values"]

# Rows of a table that one step of a loop computes.
_BLOCK = 16384
# Points that one row of the splat adds up; a vertex of more points has more rows.
_FAN_IN = 4
# Values of vertices that a filter holds at once; of more, some columns after others.
_MAX_VALUES = 2**24

T = TypeVar("T")


class _Block(NamedTuple):
    """Some consecutive rows of every table."""

    start: Int[Array, ""]
    size: int

    @property
    def rows(self) -> Int[Array, " size"]:
        """Their numbers."""
        return self.start + jnp.arange(self.size, dtype=jnp.int32)

    def read(self, table: Array) -> Array:
        """Their part of a table that has them on its last axis."""
        return jax.lax.dynamic_slice_in_dim(table, self.start, self.size, -1)

    def write(self, values: Array, part: Array) -> Array:
        """Puts their part into an array that has them on its first axis."""
        return jax.lax.dynamic_update_slice_in_dim(values, part, self.start, 0)


@pytree_dataclass
class Lattice:
    """The lattice around ``n`` points of ``d`` dimensions.

    ``v`` rows stand for vertices: row 0 for none (it stays zero: absent neighbours are
    read there), the next `num_vertices` for those there are, in order of their keys.

    Attributes:
      vertices: int32 ``[d + 1, n]``, rows of the vertices of every point's simplex.
      barycentric: float32 ``[d + 1, n]``, the point's weights on them; zero for a point
        masked out.
      members: int32 ``[f, v]``, the first few points around every vertex.
      shares: float32 ``[f, v]``, their weights on it; zero where there is no more.
      more_members: int32 ``[f, e]``, the other points around vertices, in runs.
      more_shares: float32 ``[f, e]``, their weights.
      more_vertices: int32 ``[e]``, the vertex of every run.
      neighbours: int32 ``[d + 1, 2, v]``, vertices one step ahead and one back along
        every direction; 0 where there is none.
      num_vertices: int32 ``[]``.
      num_runs: int32 ``[]``.
    """

    vertices: Int[Array, "corners n"]
    barycentric: Float[Array, "corners n"]
    members: Int[Array, "f v"]
    shares: Float[Array, "f v"]
    more_members: Int[Array, "f e"]
    more_shares: Float[Array, "f e"]
    more_vertices: Int[Array, " e"]
    neighbours: Int[Array, "corners 2 v"]
    num_vertices: Int[Array, ""]
    num_runs: Int[Array, ""]


def build_lattice(
    points: Float[Array, "n d"],
    low: Sequence[float],
    high: Sequence[float],
    *,
    mask: Bool[Array, " n"] | None = None,
) -> Lattice:
    """The lattice around some points.

    Args:
      points: ``[n, d]``, in standard deviations of the kernel.
      low: lower bound of every dimension (static); points beyond are moved to it.
      high: upper bound of every dimension (static).
      mask: True where there is a point; everywhere if None.

    Raises:
      ValueError: the bounds are so wide that the vertices between them cannot be
        numbered in 32 bits.
    """
    n, d = points.shape
    box = VertexKeys(low, high)
    ends = (jnp.asarray(x, points.dtype)[None] for x in (low, high))
    points = jnp.clip(points, *ends)
    keys, weights = corners_of(box, points)
    if mask is not None:
        keys = jnp.where(mask[None], keys, NO_KEY)
        weights = jnp.where(mask[None], weights, 0)
    # An incidence is a point and one of its vertices; here they are sorted by vertex.
    total = n * (d + 1)
    positions = jnp.arange(total, dtype=jnp.int32)
    keys, order = jax.lax.sort((keys.reshape(-1), positions), num_keys=1)
    points_there, shares = order % n, weights.reshape(-1)[order]
    there = keys != NO_KEY
    num_there = jnp.sum(there, dtype=jnp.int32)
    first = there & jnp.concatenate([jnp.ones((1,), bool), keys[1:] != keys[:-1]])
    rows = jnp.where(there, jnp.cumsum(first, dtype=jnp.int32), 0)
    num_vertices = jnp.max(rows)

    num_rows = _round_up(total + 1)
    starts = _write(jnp.full((num_rows,), num_there), first, rows, positions)
    starts = starts.at[0].set(0)
    vertex_keys = _write(jnp.full((num_rows,), NO_KEY), first, rows, keys)
    counts = jnp.concatenate([starts[1:], num_there[None]]) - starts

    ranks = positions - starts[rows]
    begins = there & (ranks >= _FAN_IN) & (ranks % _FAN_IN == 0)
    runs = jnp.cumsum(begins, dtype=jnp.int32)
    more = jnp.zeros((_round_up(total // _FAN_IN + 1),), jnp.int32)
    more_starts, more_counts, more_vertices = (
        _write(table, begins, runs - 1, x)
        for table, x in (
            (more, positions),
            (more, counts[rows] - ranks),
            (more + num_rows, rows),  # beyond the last: sorted, and read by none
        )
    )

    def table(
        values: Array, starts: Int[Array, " rows"], counts: Int[Array, " rows"]
    ) -> Array:
        """The first few values from every start, zeros after the count."""
        return stack(
            [
                jnp.where(i < counts, values[jnp.where(i < counts, starts + i, 0)], 0)
                for i in range(_FAN_IN)
            ]
        )

    return Lattice(
        vertices=jnp.zeros((total,), jnp.int32).at[order].set(rows).reshape(d + 1, n),
        barycentric=weights,
        members=table(points_there, starts, counts),
        shares=table(shares, starts, counts),
        more_members=table(points_there, more_starts, more_counts),
        more_shares=table(shares, more_starts, more_counts),
        more_vertices=more_vertices,
        neighbours=_neighbours(box, vertex_keys, num_vertices),
        num_vertices=num_vertices,
        num_runs=runs[-1],
    )


def filter_values(lattice: Lattice, values: Float[Array, "n k"]) -> Float[Array, "n k"]:
    """Splats, blurs and slices ``k`` values of every point.

    A point's own value is among those that it reads. The scale is pydensecrf's.
    """
    num_rows = lattice.members.shape[1]
    sizes = [num_rows]
    sizes += [_round_up(num_rows // x) for x in (4, 16) if num_rows // x > _BLOCK]
    fitting = jnp.sum(
        jnp.asarray(sizes, jnp.int32) > lattice.num_vertices, dtype=jnp.int32
    )
    branches = [functools.partial(_filter_in_groups, size) for size in sizes]
    return jax.lax.switch(fitting - 1, branches, lattice, values)


def _filter_in_groups(
    size: int, lattice: Lattice, values: Float[Array, "n k"]
) -> Float[Array, "n k"]:
    """As `_filter`, some columns after others where memory wants it."""
    n, k = values.shape
    num_groups = min(k, -(-size * k // _MAX_VALUES))
    if num_groups < 2:
        return _filter(size, lattice, values)
    width = -(-k // num_groups)
    padded = jnp.pad(values, [(0, 0), (0, num_groups * width - k)])
    groups = jnp.swapaxes(padded.reshape(n, num_groups, width), 0, 1)
    filtered = jax.lax.map(functools.partial(_filter, size, lattice), groups)
    return jnp.swapaxes(filtered, 0, 1).reshape(n, -1)[:, :k]


def _filter(
    size: int, lattice: Lattice, values: Float[Array, "n k"]
) -> Float[Array, "n k"]:
    """As `filter_values`, for a lattice of fewer than ``size`` vertices."""

    def first_fn(block: _Block, rows: Float[Array, "rows k"]) -> Float[Array, "rows k"]:
        table = (block.read(x) for x in (lattice.members, lattice.shares))
        return block.write(rows, _weighted(values, *table))

    def more_fn(block: _Block, rows: Float[Array, "rows k"]) -> Float[Array, "rows k"]:
        table = (block.read(x) for x in (lattice.more_members, lattice.more_shares))
        vertices = block.read(lattice.more_vertices)
        sums = _weighted(values, *table)
        return rows.at[vertices].add(sums, indices_are_sorted=True)

    def blur_fn(
        near: Int[Array, "2 v"],
        rows: Float[Array, "rows k"],
        block: _Block,
        blurred: Float[Array, "rows k"],
    ) -> Float[Array, "rows k"]:
        ahead, back = block.read(near)
        own = jax.lax.dynamic_slice_in_dim(rows, block.start, block.size)
        return block.write(blurred, own + 0.5 * (rows[ahead] + rows[back]))

    used = lattice.num_vertices + 1
    num_runs = lattice.more_vertices.shape[0]
    rows, spare = (jnp.zeros((size, values.shape[1]), values.dtype) for _ in range(2))
    rows = _for_blocks(used, size, first_fn, rows)
    rows = _for_blocks(lattice.num_runs, num_runs, more_fn, rows)
    for near in lattice.neighbours:
        blur = functools.partial(blur_fn, near, rows)
        rows, spare = _for_blocks(used, size, blur, spare), rows
    corners = lattice.barycentric.shape[0]
    weights = lattice.barycentric / (1 + 2.0 ** (1 - corners))
    return _weighted(rows, lattice.vertices, weights)


def _weighted(
    values: Float[Array, "n k"],
    positions: Int[Array, "f r"],
    weights: Float[Array, "f r"],
) -> Float[Array, "r k"]:
    """Sums of f values each, with weights."""
    terms = [w[:, None] * values[i] for i, w in zip(positions, weights, strict=True)]
    return functools.reduce(jnp.add, terms)


def _neighbours(
    box: VertexKeys, keys: Array, num_vertices: Int[Array, ""]
) -> Int[Array, "corners 2 v"]:
    """Rows one step ahead of and behind every vertex, from the keys of the rows."""
    d = len(box.lows)
    (num_rows,) = keys.shape
    sorted_keys = keys[1:]
    directions = jnp.arange(d + 1, dtype=jnp.int32)[:, None]

    def body_fn(block: _Block, found: Array) -> Array:
        own = block.read(keys)
        coordinates = [x[None] for x in box.unpack(own)]
        wanted = box.pack(
            [x + jnp.where(directions == i, -d, 1) for i, x in enumerate(coordinates)]
        )
        place = jnp.searchsorted(sorted_keys, wanted).astype(jnp.int32)
        hit = (own != NO_KEY)[None] & (wanted != NO_KEY)
        hit = hit & (sorted_keys[place] == wanted)
        ahead = jnp.where(hit, place + 1, num_rows)
        behind = jnp.broadcast_to(block.rows, ahead.shape)
        found = found.at[directions, 1, ahead].set(behind, mode="drop")
        rows = jnp.where(hit, place + 1, 0)[:, None]
        return jax.lax.dynamic_update_slice_in_dim(found, rows, block.start, axis=2)

    found = jnp.zeros((d + 1, 2, num_rows), jnp.int32)
    return _for_blocks(num_vertices + 1, num_rows, body_fn, found)


def _for_blocks(
    count: Int[Array, ""], num_rows: int, body_fn: Callable[[_Block, T], T], init: T
) -> T:
    """Goes through the blocks of ``num_rows`` rows that hold the first ``count``."""
    size = min(_BLOCK, num_rows)
    return jax.lax.fori_loop(
        0,
        (count + size - 1) // size,
        lambda i, state: body_fn(_Block(i * size, size), state),
        init,
    )


def _round_up(rows: int) -> int:
    """The same rows, filled up to whole blocks."""
    size = min(_BLOCK, rows)
    return -(-rows // size) * size


def _write(
    table: Array, chosen: Bool[Array, " n"], rows: Int[Array, " n"], values: Array
) -> Array:
    """Writes the chosen values to their rows; no two have the same."""
    return table.at[jnp.where(chosen, rows, table.shape[0])].set(values, mode="drop")
