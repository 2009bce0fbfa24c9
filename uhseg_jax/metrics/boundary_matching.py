"""Thin boundary maps, and their one-to-one matching within a distance.

Imports no JAX: processes that match (`workers`) start in less time and memory so.
"""

import dataclasses
from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float, Int, Integer
from scipy import sparse
from scipy.sparse.csgraph import (
    connected_components,
    min_weight_full_bipartite_matching,
)

from uhseg_jax.metrics.thinning import thin

__all__ = ["boundary_map", "boundary_maps", "count_matches", "match_boundaries"]

_CANDIDATES_AT_ONCE = 2**21  # neighbours that are looked up, of discs of some hundreds


def boundary_map(labels: Integer[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """The thin boundaries between regions, as the BSDS500 ground truth draws them.

    A boundary runs between pixels; it is drawn on the pixel to its upper left (the
    benchmark's `seg2bdry` at image size), then thinned until nothing changes.
    """
    return thin(_edges(labels))


def _edges(labels: Integer[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    below, right = (np.zeros(labels.shape, bool) for _ in range(2))
    below[:-1] = labels[:-1] != labels[1:]
    right[:, :-1] = labels[:, :-1] != labels[:, 1:]
    edges = below | right
    # The corner at the lower right of a pixel also joins the edges that meet there.
    edges[:-1] |= right[1:]
    edges[:, :-1] |= below[:, 1:]
    return edges


def boundary_maps(
    segmentations: Integer[np.ndarray, "t h w"],
) -> tuple[Bool[np.ndarray, "u h w"], Int[np.ndarray, " t"]]:
    """The different boundary maps of flat segmentations, and which each has."""
    numbers: dict[bytes, int] = {}
    maps: list[Bool[np.ndarray, "h w"]] = []
    shown = []
    for labels in segmentations:
        edges = _edges(labels)
        key = np.packbits(edges).tobytes()
        if key not in numbers:
            numbers[key] = len(maps)
            maps.append(thin(edges))
        shown.append(numbers[key])
    return np.array(maps).reshape(-1, *segmentations.shape[1:]), np.array(shown, int)


def count_matches(
    maps: Bool[np.ndarray, "t h w"], others: Bool[np.ndarray, "a h w"], radius: float
) -> Int[np.ndarray, "t 3"]:
    """Matches every map with every other one, as `match_boundaries` does.

    Returns:
      For every map: pixels of the others that it matches, summed over them; pixels of
      its own that match any of them; pixels of its own.
    """
    precise = np.zeros_like(maps)
    recalled = np.zeros(len(maps), np.int64)
    for other in others:
        for t, (mine, theirs) in enumerate(_matches(maps, other, radius)):
            precise[t] |= mine
            recalled[t] += theirs.sum()
    return np.stack([recalled, precise.sum((1, 2)), maps.sum((1, 2))], axis=1)


def match_boundaries(
    first: Bool[np.ndarray, "h w"], second: Bool[np.ndarray, "h w"], radius: float
) -> tuple[Bool[np.ndarray, "h w"], Bool[np.ndarray, "h w"]]:
    """Pairs boundary pixels one to one: as many as possible, then as near as possible.

    The benchmark's `correspondPixels` approximates the same optimum: its CSA solver
    minimises summed distances in rounded integers, with a cost of 100 times the radius
    for a pixel without a partner, which it can leave only over a few random edges. Here
    the assignment is exact (scipy's sparse LAPJV), every pixel may stay unpaired, and
    the number of pairs comes first whatever the distances. Where several assignments
    are as good, scipy takes one: the number of pairs does not depend on which, but the
    pixels that match one of several annotators do (one pixel in a million of BSDS500).

    Args:
      first: boundary pixels.
      second: boundary pixels of another map of the same size.
      radius: largest distance of a pair, pixels.

    Returns:
      The matched pixels of both maps.
    """
    return next(_matches(first[None], second, radius))


def _matches(
    maps: Bool[np.ndarray, "t h w"], other: Bool[np.ndarray, "h w"], radius: float
) -> Iterator[tuple[Bool[np.ndarray, "h w"], Bool[np.ndarray, "h w"]]]:
    """`match_boundaries` of many maps with one.

    Pixels that could change partners with each other, through others, make a component;
    each is solved apart, and once where several maps have the same.
    """
    anywhere = np.asarray(maps.any(axis=0))
    near = _near(anywhere, other, radius)
    pixels = np.flatnonzero(anywhere), np.flatnonzero(other)
    solved: dict[bytes, tuple[np.ndarray, np.ndarray]] = {}
    for one in maps:
        matched = np.zeros_like(one), np.zeros_like(other)
        for block in _blocks(near.of(one.ravel()[pixels[0]])):
            key = block.rows.tobytes()
            if key not in solved:
                solved[key] = _assign(block)
            for map_, at, found in zip(matched, pixels, solved[key], strict=True):
                map_.ravel()[at[found]] = True
        yield matched


@dataclasses.dataclass(frozen=True)
class _Pairs:
    """Pixels of two maps that lie within the radius, by row and then by column.

    Attributes:
      rows: ``[e]``, number of the pixel in the first map.
      columns: ``[e]``, number of the pixel in the second.
      distances: ``[e]``, pixels.
      sizes: pixels of both maps.
    """

    rows: Int[np.ndarray, " e"]
    columns: Int[np.ndarray, " e"]
    distances: Float[np.ndarray, " e"]
    sizes: tuple[int, int]

    def of(self, rows: Bool[np.ndarray, " n"]) -> "_Pairs":
        """The pairs of some rows, under the same numbers."""
        kept = rows[self.rows]
        return _Pairs(
            self.rows[kept], self.columns[kept], self.distances[kept], self.sizes
        )


def _near(
    first: Bool[np.ndarray, "h w"], second: Bool[np.ndarray, "h w"], radius: float
) -> _Pairs:
    """Looks up all neighbours of every pixel in a map of the other's numbers."""
    margin = int(radius)
    line = np.arange(-margin, margin + 1)
    squares = line[:, None] ** 2 + line**2
    is_near = squares <= radius**2
    numbers = np.full(second.shape, -1, np.int32)
    numbers[second] = np.arange(second.sum())
    numbers = np.pad(numbers, margin, constant_values=-1)
    width = numbers.shape[1]
    dy, dx = np.nonzero(is_near)
    y, x = np.nonzero(first)
    corners, steps = y * width + x, dy * width + dx
    distances = np.sqrt(squares[is_near])
    at_once = max(1, _CANDIDATES_AT_ONCE // steps.size)
    parts = []
    for begin in range(0, max(corners.size, 1), at_once):
        candidates = corners[begin : begin + at_once, None] + steps
        found = numbers.ravel()[candidates]
        rows, which = np.nonzero(found >= 0)
        parts.append(
            ((begin + rows).astype(np.int32), found[rows, which], distances[which])
        )
    rows, columns, away = (np.concatenate(x) for x in zip(*parts, strict=True))
    return _Pairs(rows, columns, away, (corners.size, int(second.sum())))


@dataclasses.dataclass(frozen=True)
class _Block:
    """One component of the pairs.

    Attributes:
      rows: ``[n]``, of the first map.
      columns: ``[m]``, of the second.
      ends: ``[n]``, where each row's pairs end.
      partners: ``[e]``, the column of each pair as a position in `columns`.
      distances: ``[e]``, of each pair.
    """

    rows: Int[np.ndarray, " n"]
    columns: Int[np.ndarray, " m"]
    ends: Int[np.ndarray, " n"]
    partners: Int[np.ndarray, " e"]
    distances: Float[np.ndarray, " e"]


def _blocks(pairs: _Pairs) -> Iterator[_Block]:
    """The connected components; pixels without a partner in reach are in none."""
    if pairs.rows.size == 0:
        return
    n, m = pairs.sizes
    degrees = np.bincount(pairs.rows, minlength=n + m)
    graph = sparse.csr_matrix(
        (
            np.ones(pairs.rows.size, np.int8),
            pairs.columns + n,
            np.concatenate([[0], np.cumsum(degrees)]),
        ),
        shape=(n + m, n + m),
    )
    _, component = connected_components(graph, directed=False)
    rows, columns = (
        np.flatnonzero(degrees[:n]),
        np.flatnonzero(np.bincount(pairs.columns)),
    )
    rows, row_ends = _grouped(rows, component[rows])
    columns, column_ends = _grouped(columns, component[n + columns])
    order = np.argsort(component[pairs.rows], kind="stable")
    ends = np.cumsum(degrees[rows])
    position = np.empty(m, np.int32)
    position[columns] = np.arange(columns.size)
    partners, distances = position[pairs.columns[order]], pairs.distances[order]
    r0 = c0 = e0 = 0
    for r1, c1 in zip(row_ends, column_ends, strict=True):
        e1 = ends[r1 - 1]
        yield _Block(
            rows[r0:r1],
            columns[c0:c1],
            ends[r0:r1] - e0,
            partners[e0:e1] - c0,
            distances[e0:e1],
        )
        r0, c0, e0 = r1, c1, e1


def _grouped(
    items: Int[np.ndarray, " n"], groups: Int[np.ndarray, " n"]
) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " g"]]:
    """The items group by group, and where each group ends."""
    order = np.argsort(groups, kind="stable")
    changes = np.flatnonzero(np.diff(groups[order])) + 1
    return items[order], np.append(changes, items.size)


def _assign(
    block: _Block,
) -> tuple[Int[np.ndarray, " p"], Int[np.ndarray, " p"]]:
    """The rows and the columns that have a partner."""
    n, m = block.rows.size, block.columns.size
    # A column of its own for every row stands for having no partner. It costs more
    # than all distances together; 1 is added since the solver drops zeros. Without
    # those of the rows that have a partner anyway, the solver's own check that all rows
    # can be paired, a search in depth, does not end on some components.
    high = (block.distances.max() + 2) * (n + 1)
    costs = sparse.csr_matrix(
        (
            np.insert(block.distances + 1, block.ends, high),
            np.insert(block.partners, block.ends, m + np.arange(n)),
            np.append(0, block.ends + np.arange(1, n + 1)),
        ),
        shape=(n, m + n),
    )
    rows, columns = min_weight_full_bipartite_matching(costs)
    paired = columns < m
    return block.rows[rows[paired]], block.columns[columns[paired]]
