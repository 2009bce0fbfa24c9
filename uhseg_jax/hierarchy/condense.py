"""Agglomeration of touching regions in large sparse graphs, cheapest pair first.

The merges are those of `agglomerate` within one group, of regions that touch, but what
is kept of pairs are the borders alone: O(n d + e) memory and about O(n log n) time, on
the host, where the matrices of `agglomerate` need the square of n. So a graph of a
hundred thousand vertices becomes one of a few thousand, on which a method then works.
"""

import heapq

import numpy as np

from uhseg_jax.hierarchy.equal_regions import equal_regions
from uhseg_jax.types import Float, Int, Integer

__all__ = ["condense"]


def condense(
    vectors: Float[np.ndarray, "n d"],
    areas: Float[np.ndarray, " n"],
    edges: Integer[np.ndarray, "e 2"],
    lengths: Float[np.ndarray, " e"],
    evidence: Float[np.ndarray, " e"],
    *,
    num_regions: int,
    edge_weight: float = 0.0,
    exponent: float = 1.0,
) -> Int[np.ndarray, " n"]:
    """Merges touching regions, the lowest dissimilarity first, until few are left.

    The dissimilarity is that of `hierarchy.agglomerate`; ties go to the pair with the
    lowest vertices. The graph need not be planar nor connected: regions of different
    components never merge.

    Args:
      vectors: of the vertices.
      areas: their shares of the whole, positive.
      edges: pairs of vertices that touch, each at most once.
      lengths: of their borders, positive.
      evidence: of an edge along each border.
      num_regions: to stop at, at least 1.
      edge_weight: of the evidence beside the squared distance.
      exponent: of the areas; the larger, the sooner small regions merge.

    Returns:
      int32, the region of every vertex, numbered from 0 in the order of their lowest
      vertices; more than ``num_regions`` where there are more components.
    """
    regions = equal_regions(
        vectors, edges, edge_weight * evidence, num_regions=num_regions
    )
    first = np.unique(regions, return_index=True)[1]
    merging = _Merging(
        vectors[first],
        np.bincount(regions, areas),
        regions[edges],
        lengths,
        lengths * evidence,
        edge_weight,
        exponent,
    )
    merging.run(num_regions)
    labels: np.ndarray = merging.labels()[regions]
    return labels


class _Merging:
    """Regions so far, each at the vertex whose row of borders was the longest.

    Every region has a lower bound on the dissimilarities to its neighbours and the
    neighbour that attains it. A merge makes some bounds stale; those are computed anew
    when they come up as the lowest.
    """

    def __init__(
        self,
        vectors: Float[np.ndarray, "n d"],
        areas: Float[np.ndarray, " n"],
        edges: Integer[np.ndarray, "e 2"],
        lengths: Float[np.ndarray, " e"],
        sums: Float[np.ndarray, " e"],
        edge_weight: float,
        exponent: float,
    ):
        n = len(areas)
        self._vectors = vectors.astype(np.float32)
        self._areas = areas.astype(np.float64)
        self._edge_weight, self._exponent = edge_weight, exponent
        # Of every region its neighbours, with the length and the summed evidence of
        # the common border.
        self._borders: list[dict[int, tuple[float, float]]] = [{} for _ in range(n)]
        for (a, b), length, total in zip(
            edges.tolist(), lengths.tolist(), sums.tolist(), strict=True
        ):
            if a != b:
                before = self._borders[a].get(b, (0.0, 0.0))
                joined = before[0] + length, before[1] + total
                self._borders[a][b] = self._borders[b][a] = joined
        self._above = np.arange(n, dtype=np.int32)  # what absorbed a region; itself
        self._lowest = np.arange(n, dtype=np.int32)  # vertex of a region
        self._bounds = np.full(n, np.inf)
        self._nearest = np.zeros(n, np.int64)
        self._stale = np.zeros(n, bool)
        self._heap: list[tuple[float, int, int]] = []  # bound, lowest vertex, region

    def run(self, num_regions: int) -> None:
        """Merges until so many regions are left, or no two touch."""
        left = len(self._above)
        for region in range(left):
            self._find_nearest(region)
        while left > num_regions and self._heap:
            bound, _, region = heapq.heappop(self._heap)
            if self._above[region] != region or bound != self._bounds[region]:
                continue
            if self._stale[region]:
                self._find_nearest(region)
                continue
            self._merge(region, int(self._nearest[region]))
            left -= 1

    def labels(self) -> Int[np.ndarray, " n"]:
        """The region of every vertex, in the order of their lowest vertices."""
        above = self._above
        while (above != above[above]).any():
            above = above[above]
        _, numbers = np.unique(self._lowest[above], return_inverse=True)
        return numbers.astype(np.int32)

    def _find_nearest(self, region: int) -> None:
        neighbours, keys = self._keys(region)
        self._set_nearest(region, neighbours, keys)

    def _keys(
        self, region: int
    ) -> tuple[Int[np.ndarray, " k"], Float[np.ndarray, " k"]]:
        """The neighbours of a region, and the dissimilarity to each."""
        borders = self._borders[region]
        neighbours = np.fromiter(borders, np.int64, len(borders))
        values = np.array(list(borders.values())).reshape(-1, 2)
        apart = self._vectors[neighbours] - self._vectors[region]
        keys = np.einsum("kd,kd->k", apart, apart).astype(np.float64)
        keys += self._edge_weight * values[:, 1] / values[:, 0]
        area, others = self._areas[region], self._areas[neighbours]
        return neighbours, keys * (area * others / (area + others)) ** self._exponent

    def _set_nearest(
        self,
        region: int,
        neighbours: Int[np.ndarray, " k"],
        keys: Float[np.ndarray, " k"],
    ) -> None:
        self._stale[region] = False
        if not keys.size:
            self._bounds[region] = np.inf
            return
        least = keys.min()
        ties = neighbours[keys == least]
        self._nearest[region] = ties[self._lowest[ties].argmin()]
        self._push(region, least)

    def _push(self, region: int, bound: float) -> None:
        self._bounds[region] = bound
        heapq.heappush(self._heap, (float(bound), int(self._lowest[region]), region))

    def _merge(self, one: int, other: int) -> None:
        """Makes one region of two, at the one with more neighbours."""
        borders = self._borders
        kept, gone = (one, other)
        if len(borders[other]) > len(borders[one]):
            kept, gone = (other, one)
        area = self._areas[kept] + self._areas[gone]
        share = self._areas[gone] / area
        self._vectors[kept] += share * (self._vectors[gone] - self._vectors[kept])
        self._areas[kept] = area
        self._above[gone] = kept
        self._lowest[kept] = min(self._lowest[kept], self._lowest[gone])
        del borders[kept][gone], borders[gone][kept]
        for neighbour, (length, total) in borders[gone].items():
            del borders[neighbour][gone]
            before = borders[kept].get(neighbour, (0.0, 0.0))
            joined = before[0] + length, before[1] + total
            borders[kept][neighbour] = borders[neighbour][kept] = joined
        borders[gone] = {}
        neighbours, keys = self._keys(kept)
        self._set_nearest(kept, neighbours, keys)
        self._tell(kept, gone, neighbours, keys)

    def _tell(
        self,
        kept: int,
        gone: int,
        neighbours: Int[np.ndarray, " k"],
        keys: Float[np.ndarray, " k"],
    ) -> None:
        """Gives the neighbours of a union its dissimilarity where that is the lowest.

        Those that lost their nearest keep its dissimilarity as a bound: no other
        neighbour is below it.
        """
        bounds, nearest = self._bounds[neighbours], self._nearest[neighbours]
        lost = (nearest == kept) | (nearest == gone)
        first = self._lowest[kept] <= self._lowest[nearest]
        closer = (keys < bounds) | ((keys == bounds) & (first | lost))
        self._stale[neighbours[lost & ~closer]] = True
        for neighbour, key in zip(
            neighbours[closer].tolist(), keys[closer].tolist(), strict=True
        ):
            self._nearest[neighbour] = kept
            self._stale[neighbour] = False
            self._push(neighbour, key)
