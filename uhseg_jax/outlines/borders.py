"""The borders between the regions of a label map, as arcs between junctions.

A border is a chain of edges of pixels. It is divided where three or more regions meet,
so that every arc parts the same two regions along its whole length, and two neighbours
have the very same arcs. Coordinates are corners of pixels: the pixel in row r and
column c lies between (x, y) = (c, r) and (c + 1, r + 1).
"""

import dataclasses
from collections.abc import Iterable

import numpy as np

from uhseg_jax.types import Bool, Int

__all__ = ["Borders", "find_borders", "ranges"]

# Directions of edges, clockwise from the one to the right, as x and y grow.
_STEPS = np.array([(1, 0), (0, 1), (-1, 0), (0, -1)])
_RIGHT, _DOWN = 0, 1


@dataclasses.dataclass(frozen=True)
class Borders:
    """All arcs of a label map, one after the other.

    Attributes:
      points: ``[v, 2]``, x and y of the first and the last point of every arc, and of
        those between where it turns.
      starts: ``[a + 1]``, the first point of every arc, and how many there are.
      ends: ``[a, 2]``, numbers of the corners where every arc begins and ends; equal
        for an arc around an island.
      directions: ``[a, 2]``, in which every arc leaves its first and reaches its last
        point: 0 to the right, 1 down, 2 to the left, 3 up.
      sides: ``[a, 2]``, the regions to the left and to the right of every arc.
    """

    points: Int[np.ndarray, "v 2"]
    starts: Int[np.ndarray, " a1"]
    ends: Int[np.ndarray, "a 2"]
    directions: Int[np.ndarray, "a 2"]
    sides: Int[np.ndarray, "a 2"]


def find_borders(strips: Iterable[Int[np.ndarray, "_ w"]], width: int) -> Borders:
    """The arcs between the regions of a label map, and around it.

    Memory is that of a strip and of all edges between pixels of two regions.

    Args:
      strips: rows of the label map from top to bottom, some at a time: the region of
        every pixel; -1 where there is none, as outside the image.
      width: how many columns each has.
    """
    origins, directions, sides, height = _edges(strips, width)
    if not origins.size:
        nothing = np.zeros((0, 2), np.int64)
        return Borders(nothing, np.zeros(1, np.int64), nothing, nothing, nothing)
    count = len(origins) // 2  # an edge and the same backwards are as far apart
    twins = (np.arange(2 * count) + count) % (2 * count)
    following = _following(origins, twins, _corners((height, width)))
    last, steps = _lasts(following)
    order = np.lexsort((-steps, last))
    begins = np.flatnonzero(np.diff(last[order], prepend=-1))
    first, last = order[begins], last[order[begins]]
    # Of an arc and the same backwards one is enough.
    wanted = first < twins[last]
    lengths = np.diff(begins, append=2 * count)
    index = ranges(begins[wanted], lengths[wanted])
    first, last, lengths = first[wanted], last[wanted], lengths[wanted]

    # Every edge gives its origin if it turns there, and the last one its end too.
    edges = order[index]
    is_first = np.zeros(len(edges), bool)
    is_first[np.cumsum(lengths) - lengths] = True
    turns = is_first | (np.diff(directions[edges], prepend=-1) != 0)
    arcs = np.repeat(np.arange(len(first)), lengths)[turns]
    corners = np.concatenate([origins[edges[turns]], origins[twins[last]]])
    by_arc = np.argsort(np.concatenate([arcs, np.arange(len(first))]), kind="stable")
    y, x = np.divmod(corners[by_arc], width + 1)
    sizes = np.bincount(arcs, minlength=len(first)) + 1
    return Borders(
        points=np.stack([x, y], axis=1),
        starts=np.concatenate([[0], np.cumsum(sizes)]),
        ends=np.stack([origins[first], origins[twins[last]]], axis=1),
        directions=np.stack([directions[first], directions[last]], axis=1),
        sides=np.stack([sides[twins[first]], sides[first]], axis=1),
    )


def ranges(
    starts: Int[np.ndarray, " r"], lengths: Int[np.ndarray, " r"]
) -> Int[np.ndarray, " n"]:
    """All numbers of several ranges, one range after the other."""
    before = np.cumsum(lengths) - lengths
    return np.arange(lengths.sum()) + np.repeat(starts - before, lengths)


def _edges(
    strips: Iterable[Int[np.ndarray, "_ w"]], width: int
) -> tuple[Int[np.ndarray, " e2"], Int[np.ndarray, " e2"], Int[np.ndarray, " e2"], int]:
    """Edges between pixels of two regions, and then all of them backwards.

    Returns:
      The corner where each begins, its direction, the region to its right, and how many
      rows there are.
    """
    across, down = [], []
    last, row = np.full((1, width), -1, np.int32), 0
    for strip in strips:
        padded = np.concatenate([last, strip])
        across.append(_between(padded[:-1], strip, row, width))
        sides = np.pad(strip, ((0, 0), (1, 1)), constant_values=-1)
        down.append(_between(sides[:, :-1], sides[:, 1:], row, width))
        last, row = padded[-1:], row + len(strip)
    across.append(_between(last, np.full_like(last, -1), row, width))
    begins, above, below = map(np.concatenate, zip(*across, strict=True))
    tops, west, east = map(np.concatenate, zip(*down, strict=True))
    kinds = np.repeat([_RIGHT, _DOWN], [len(begins), len(tops)])
    begins = np.concatenate([begins, tops])
    ends = begins + _STEPS[kinds, 0] + (width + 1) * _STEPS[kinds, 1]
    return (
        np.concatenate([begins, ends]),
        np.concatenate([kinds, kinds + 2]),
        np.concatenate([below, west, above, east]).astype(np.int64),
        row,
    )


def _between(
    first: Int[np.ndarray, "h w"],
    second: Int[np.ndarray, "h w"],
    row: int,
    width: int,
) -> tuple[Int[np.ndarray, " e"], Int[np.ndarray, " e"], Int[np.ndarray, " e"]]:
    """Where two arrays differ: the corner at that place, and both values there.

    Args:
      first: above or to the left.
      second: below or to the right.
      row: of the corners at their first row.
      width: columns of pixels; there is a corner more.
    """
    y, x = np.nonzero(first != second)
    return (y + row) * (width + 1) + x, first[y, x], second[y, x]


def _corners(shape: tuple[int, ...]) -> Int[np.ndarray, " 4"]:
    """The corners of the image, where arcs end so that its outline stays."""
    height, width = shape
    right, bottom = width, height * (width + 1)
    return np.array([0, right, bottom, bottom + right])


def _following(
    origins: Int[np.ndarray, " e2"],
    twins: Int[np.ndarray, " e2"],
    corners: Int[np.ndarray, " c"],
) -> Int[np.ndarray, " e2"]:
    """The next edge of the arc of every edge; itself where the arc ends."""
    order = np.argsort(origins, kind="stable")
    begins = np.flatnonzero(np.diff(origins[order], prepend=-1))
    degrees = np.diff(begins, append=len(order))
    corner = np.searchsorted(origins[order[begins]], origins)
    passed = (degrees == 2) & ~np.isin(origins[order[begins]], corners)
    passed &= ~_islands(corner, twins, passed)
    one, other = order[begins[passed]], order[begins[passed] + 1]
    following = np.arange(len(origins))
    following[twins[one]], following[twins[other]] = other, one
    return following


def _islands(
    corner: Int[np.ndarray, " e2"],
    twins: Int[np.ndarray, " e2"],
    passed: Bool[np.ndarray, " c"],
) -> Bool[np.ndarray, " c"]:
    """The first corner of every border that meets no junction.

    Args:
      corner: where every edge begins, numbered without gaps.
      twins: the same edges backwards.
      passed: corners that are no junctions.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    shape = (len(passed), len(passed))
    pairs = corner, corner[twins]
    graph = coo_array((np.ones(len(corner), bool), pairs), shape)
    count, found = connected_components(graph, directed=False)
    has_junction = np.zeros(count, bool)
    has_junction[found[~passed]] = True
    first = np.zeros(count, np.int64)
    first[found[::-1]] = np.arange(len(passed))[::-1]  # the last of equals stays
    islands = np.zeros(len(passed), bool)
    islands[first[~has_junction]] = True
    return islands


def _lasts(
    following: Int[np.ndarray, " e2"],
) -> tuple[Int[np.ndarray, " e2"], Int[np.ndarray, " e2"]]:
    """The last edge of the arc of every edge, and how many edges on it lies."""
    indices = np.arange(len(following))
    steps = (following != indices).astype(np.int64)
    last = following
    while True:  # twice as far every time
        further = last[last]
        if (further == last).all():
            return last, steps
        steps, last = steps + steps[last], further
