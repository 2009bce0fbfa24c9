"""Gaussian filtering of points in a few dimensions on the permutohedral lattice.

Adams, Baek, Davis, "Fast High-Dimensional Filtering Using the Permutohedral Lattice",
Eurographics 2010. Points of d dimensions lie in simplices of a lattice. *Splat*: every
point spreads its value over the d + 1 vertices of its simplex, by barycentric weights;
*blur*: [1/2, 1, 1/2] along each of the d + 1 directions of the lattice; *slice*: every
point reads its value back from its vertices. Together about
``exp(-|f_i - f_j|^2 / 2)``, up to one factor for all pairs, in time linear in the
number of points.

Sorting is done by numpy, which is several times faster at it than XLA on processors;
the rest are programs. Their shapes follow from the number of points and from that of
the vertices, rounded up to a multiple of half as many as there are points.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.refinement.dense_crf.vertices import NO_KEY, VertexKeys, corners_of
from uhseg_jax.types import Array, Bool, Float, Int

__all__ = ["Lattice", "build_lattice", "filter_values"]

# Runs of points that one step of a loop adds up.
_BLOCK = 16384
# Points that one row of the splat adds up; a vertex of more points has more rows.
_FAN_IN = 4


@pytree_dataclass
class Lattice:
    """The lattice around ``n`` points of ``d`` dimensions.

    ``v`` rows stand for vertices: row 0 for none (it stays zero: absent neighbours are
    read there), the next for those there are, in order of their keys; the rest is
    padding.

    Attributes:
      vertices: int32 ``[d + 1, n]``, rows of the vertices of every point's simplex.
      barycentric: float32 ``[d + 1, n]``, the point's weights on them; zero for a point
        masked out.
      members: int32 ``[f, v]``, the first few points around every vertex.
      shares: float32 ``[f, v]``, their weights on it; zero where there is no more.
      more_members: int32 ``[f, e]``, the other points around vertices, in runs.
      more_shares: float32 ``[f, e]``, their weights.
      more_vertices: int32 ``[e]``, the vertex of every run; beyond the last row for
        padding.
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
    points: Float[Array | np.ndarray, "n d"],
    low: Sequence[float],
    high: Sequence[float],
    *,
    mask: Bool[Array | np.ndarray, " n"] | None = None,
) -> Lattice:
    """The lattice around some points.

    Args:
      points: ``[n, d]``, in standard deviations of the kernel.
      low: lower bound of every dimension; points beyond are moved to it.
      high: upper bound of every dimension.
      mask: True where there is a point; everywhere if None.

    Raises:
      ValueError: the bounds are so wide that the vertices between them cannot be
        numbered in 32 bits.
    """
    n, d = points.shape
    box = VertexKeys.around(low, high)
    mask = np.ones(n, bool) if mask is None else mask
    keys, weights = (np.array(x) for x in _corners(box, points))
    # Not in the program, which would compute every corner many times (`stack`).
    out = ~np.asarray(mask)
    keys[:, out], weights[:, out] = NO_KEY, 0
    keys, order = _sorted(keys.ravel())
    # An incidence is a point and one of its vertices; here they are sorted by vertex.
    first = np.ones(keys.size, bool)
    np.not_equal(keys[1:], keys[:-1], out=first[1:])
    starts = np.flatnonzero(first)
    counts = np.diff(starts, append=keys.size)
    num_rows = _round_up(len(starts) + 1, -(-n // 2))

    vertices = np.zeros(weights.size, np.int32)
    vertices[order] = np.cumsum(first, dtype=np.int32)
    vertex_keys = np.full(num_rows, NO_KEY, np.uint32)
    vertex_keys[1 : len(starts) + 1] = keys[starts]

    # Runs of the points that are not among the first few.
    runs = -(-np.maximum(counts - _FAN_IN, 0) // _FAN_IN)
    owners = np.repeat(np.arange(len(starts), dtype=np.int32), runs)
    begun = _FAN_IN * (1 + np.arange(len(owners)) - (np.cumsum(runs) - runs)[owners])
    num_runs = _round_up(weights.size // _FAN_IN + 1, _BLOCK)
    more_vertices = np.full(num_runs, num_rows, np.int32)
    more_vertices[: len(owners)] = owners + 1

    incidences = order % n, weights.ravel()[order]
    members, shares = _table(incidences, starts, counts, 1, num_rows)
    more = _table(
        incidences, starts[owners] + begun, counts[owners] - begun, 0, num_runs
    )
    arrays = {
        "vertices": vertices.reshape(d + 1, n),
        "barycentric": weights,
        "members": members,
        "shares": shares,
        "more_members": more[0],
        "more_shares": more[1],
        "more_vertices": more_vertices,
        "neighbours": _neighbours(box, vertex_keys),
        "num_vertices": np.int32(len(starts)),
        "num_runs": np.int32(len(owners)),
    }
    return Lattice(**jax.device_put(arrays))


@jax.jit
def _corners(box: VertexKeys, points: Float[Array, "n d"]) -> tuple[Array, Array]:
    """Keys and weights of every point's vertices."""
    return corners_of(box, jnp.clip(points, box.low[None], box.high[None]))


def _sorted(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The keys that there are, ascending, and where they were."""
    both = keys.astype(np.uint64) << np.uint64(32)
    both |= np.arange(keys.size, dtype=np.uint64)
    both.sort()
    keys = (both >> np.uint64(32)).astype(np.uint32)
    there = slice(int(np.searchsorted(keys, NO_KEY)))
    return keys[there], both[there].astype(np.uint32).astype(np.int32)


def _table(
    incidences: tuple[np.ndarray, np.ndarray],
    starts: np.ndarray,
    counts: np.ndarray,
    first: int,
    num_rows: int,
) -> tuple[np.ndarray, np.ndarray]:
    """The first few points and weights from every start, zeros after the count.

    Those of the first start are row ``first`` of ``num_rows``.
    """
    points = np.zeros((_FAN_IN, num_rows), np.int32)
    shares = np.zeros((_FAN_IN, num_rows), np.float32)
    for i in range(_FAN_IN):
        there = np.flatnonzero(counts > i)
        place = starts[there] + i
        points[i, there + first] = incidences[0][place]
        shares[i, there + first] = incidences[1][place]
    return points, shares


@jax.jit
def filter_values(lattice: Lattice, values: Float[Array, "n k"]) -> Float[Array, "n k"]:
    """Splats, blurs and slices ``k`` values of every point.

    A point's own value is among those that it reads. The scale is pydensecrf's.
    """
    rows = _weighted(values, lattice.members, lattice.shares)

    def more_fn(i: Array, rows: Float[Array, "v k"]) -> Float[Array, "v k"]:
        block = (
            jax.lax.dynamic_slice_in_dim(x, i * _BLOCK, _BLOCK, -1)
            for x in (lattice.more_members, lattice.more_shares, lattice.more_vertices)
        )
        members, shares, vertices = block
        sums = _weighted(values, members, shares)
        return rows.at[vertices].add(sums, indices_are_sorted=True, mode="drop")

    num_blocks = (lattice.num_runs + _BLOCK - 1) // _BLOCK
    rows = jax.lax.fori_loop(0, num_blocks, more_fn, rows)
    for ahead, back in lattice.neighbours:
        beside = _read(rows, ahead) + _read(rows, back)
        # One direction after the other: fused, a row would be computed many times.
        rows = jax.lax.optimization_barrier(rows + 0.5 * beside)
    corners = lattice.barycentric.shape[0]
    weights = lattice.barycentric / (1 + 2.0 ** (1 - corners))
    return _weighted(rows, lattice.vertices, weights)


def _weighted(
    values: Float[Array, "n k"],
    positions: Int[Array, "f r"],
    weights: Float[Array, "f r"],
) -> Float[Array, "r k"]:
    """Sums of f values each, with weights."""
    terms = [
        w[:, None] * _read(values, i) for i, w in zip(positions, weights, strict=True)
    ]
    return functools.reduce(jnp.add, terms)


def _read(values: Float[Array, "n k"], rows: Int[Array, " r"]) -> Float[Array, "r k"]:
    """Rows that are there: checking every index takes longer than reading."""
    return values.at[rows].get(mode="promise_in_bounds", wrap_negative_indices=False)


@jax.jit
def _neighbours(box: VertexKeys, keys: Array) -> Int[Array, "corners 2 v"]:
    """Rows one step ahead of and behind every vertex, from the keys of the rows."""
    d = box.least.shape[0]
    (num_rows,) = keys.shape
    sorted_keys = keys[1:]
    coordinates = box.unpack(keys)
    own = jnp.arange(num_rows, dtype=jnp.int32)

    def along(direction: Int[Array, ""]) -> Int[Array, "2 v"]:
        wanted = box.pack(
            [x + jnp.where(direction == i, -d, 1) for i, x in enumerate(coordinates)]
        )
        place = jnp.searchsorted(sorted_keys, wanted).astype(jnp.int32)
        hit = (keys != NO_KEY) & (wanted != NO_KEY)
        hit = hit & (sorted_keys[place] == wanted)
        ahead = jnp.where(hit, place + 1, 0)
        target = jnp.where(hit, place + 1, num_rows)
        back = jnp.zeros((num_rows,), jnp.int32).at[target].set(own, mode="drop")
        return jnp.stack([ahead, back])

    return jax.lax.map(along, jnp.arange(d + 1, dtype=jnp.int32))


def _round_up(rows: int, step: int) -> int:
    """The same rows, filled up to whole steps."""
    return -(-rows // step) * step
