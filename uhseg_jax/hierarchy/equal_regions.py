"""Regions of equal vectors in a sparse graph: the merges that cost nothing."""

import heapq

import numpy as np

from uhseg_jax.types import Bool, Float, Int, Integer

__all__ = ["equal_regions"]

_COLUMNS = 64  # that are compared at once


def equal_regions(
    vectors: Float[np.ndarray, "n d"],
    edges: Integer[np.ndarray, "e 2"],
    costs: Float[np.ndarray, " e"],
    *,
    num_regions: int,
) -> Int[np.ndarray, " n"]:
    """Regions after the merges of dissimilarity 0 that come first in `condense`.

    A union of equal vectors is equal to them, so these merges need no arithmetic: in
    the order of ties, a region grows by its lowest neighbour until there is none. A
    merging that computes every dissimilarity anew would need the square of the
    perimeter for a large region. Left out are components with an edge of another cost
    inside, whose unions cost something.

    Args:
      vectors: of the vertices.
      edges: pairs of vertices that touch.
      costs: of the edges, beside the distance of the vectors; not negative.
      num_regions: to stop at, at least 1.

    Returns:
      int32, the region of every vertex, numbered from 0 in the order of their lowest
      vertices; at least ``num_regions``, or every vertex if there are fewer.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = len(vectors)
    costless = _costless(vectors, edges, costs)
    one, other = edges[costless].T
    graph = coo_array((np.ones(len(one), bool), (one, other)), shape=(n, n)).tocsr()
    count, components = connected_components(graph, directed=False)
    is_mixed = np.zeros(count, bool)
    ends = components[edges[~costless]]
    is_mixed[ends[ends[:, 0] == ends[:, 1], 0]] = True
    budget = max(n - num_regions, 0)
    if is_mixed.any() and n - count > budget:
        # Where the merging ends, these have to be taken in turn with the others.
        return np.arange(n, dtype=np.int32)
    graph = (graph + graph.T).tocsr()
    can_grow = (np.diff(graph.indptr) > 0) & ~is_mixed[components]
    return _grown(graph.indptr, graph.indices, can_grow, budget)


def _costless(
    vectors: Float[np.ndarray, "n d"],
    edges: Integer[np.ndarray, "e 2"],
    costs: Float[np.ndarray, " e"],
) -> Bool[np.ndarray, " e"]:
    """Which edges join equal vectors and cost nothing."""
    left = np.flatnonzero(costs == 0)
    for start in range(0, vectors.shape[1], _COLUMNS):
        block = vectors[:, start : start + _COLUMNS]
        same = block[edges[left, 0]] == block[edges[left, 1]]
        left = left[same.all(axis=1)]
    found = np.zeros(len(edges), bool)
    found[left] = True
    return found


def _grown(
    starts: Integer[np.ndarray, " m"],
    neighbours: Integer[np.ndarray, " k"],
    can_grow: Bool[np.ndarray, " n"],
    budget: int,
) -> Int[np.ndarray, " n"]:
    """Grows regions from the lowest vertex, one after the other."""
    lowest = np.arange(len(can_grow))
    is_taken = ~can_grow
    for seed in np.flatnonzero(can_grow).tolist():
        waiting = [] if is_taken[seed] else [seed]
        is_taken[seed] = True
        while waiting:
            vertex = heapq.heappop(waiting)
            if vertex != seed:
                if not budget:
                    break
                budget -= 1
                lowest[vertex] = seed
            for x in neighbours[starts[vertex] : starts[vertex + 1]].tolist():
                if not is_taken[x]:
                    is_taken[x] = True
                    heapq.heappush(waiting, x)
        if not budget:
            break
    _, numbers = np.unique(lowest, return_inverse=True)
    return numbers.astype(np.int32)
