"""Agglomeration of touching regions in large sparse graphs, cheapest pair first.

The merges are those of `agglomerate` within one group, of regions that touch, but what
is kept of pairs are the borders alone: O(n d + e) memory and about O(n log n) time, on
the host, where the matrices of `agglomerate` need the square of n. So a graph of a
hundred thousand vertices becomes one of a few thousand, on which a method then works.
"""

import heapq
import math
from collections.abc import Collection

import numpy as np

from uhseg_jax.hierarchy.equal_regions import equal_regions
from uhseg_jax.hierarchy.hub import Hub
from uhseg_jax.types import Float, Int, Integer

__all__ = ["condense"]

_MANY = 64  # neighbours, from which on not all of them are looked at again

# A bound, the lowest vertices of the two regions, the lower first, and the region whose
# bound it is.
_Entry = tuple[float, int, int, int]


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
      vertices; more than ``num_regions`` where there are more components (see
      `scattered.join_scattered`).
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

    Every region has a bound and the neighbour that attained it. Of two that touch, the
    bound of one at least is not above their dissimilarity. A merge makes some bounds
    stale; those are computed anew when they come up as the lowest.
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
        self._hubs: dict[int, Hub] = {}
        # In merges so far: when a region last merged, and when a bound was computed.
        self._merges = 0
        self._merged_at = np.zeros(n, np.int64)
        self._found_at = np.zeros(n, np.int64)
        self._heap: list[_Entry] = []
        self._entries: list[_Entry | None] = [None] * n  # those that hold

    def run(self, num_regions: int) -> None:
        """Merges until so many regions are left, or no two touch."""
        left = len(self._above)
        for region in range(left):
            self._find_nearest(region)
        while left > num_regions and self._heap:
            entry = heapq.heappop(self._heap)
            region = entry[3]
            if entry is not self._entries[region]:
                continue
            nearest = int(self._nearest[region])
            if self._found_at[region] < self._merged_at[nearest]:
                self._find_nearest(region)
                continue
            self._merge(region, nearest)
            left -= 1

    def labels(self) -> Int[np.ndarray, " n"]:
        """The region of every vertex, in the order of their lowest vertices."""
        above = self._above
        while (above != above[above]).any():
            above = above[above]
        _, numbers = np.unique(self._lowest[above], return_inverse=True)
        return numbers.astype(np.int32)

    def _find_nearest(self, region: int) -> None:
        if len(self._borders[region]) > _MANY:
            self._find_nearest_of_hub(region)
        else:
            self._set_nearest(region, *self._keys(region))

    def _find_nearest_of_hub(self, region: int) -> None:
        """Looks at few neighbours, if no other can be nearer, or else at all."""
        hub, vector = self._hubs.get(region), self._vectors[region]
        if hub is not None:
            borders = self._borders[region]
            hub.near = {x for x in hub.near if x in borders}
            if 0 < len(hub.near) < len(borders) // 2:
                near, keys = self._keys(region, hub.near)
                if keys.min() < hub.bound(vector):
                    self._set_nearest(region, near, keys)
                    return
        neighbours, keys = self._keys(region)
        self._set_nearest(region, neighbours, keys)
        # So that looking at few, again and again, costs as much as looking at all.
        count = max(_MANY // 4, math.isqrt(len(keys)))
        order = np.argpartition(keys, count)
        near, others = np.split(order, [count])
        self._hubs[region] = Hub(
            near=set(neighbours[near].tolist()),
            least=float(keys[others].min()),
            factor=float(self._factors(region, neighbours[others]).max()),
            vector=vector.copy(),
        )

    def _keys(
        self, region: int, some: Collection[int] | None = None
    ) -> tuple[Int[np.ndarray, " k"], Float[np.ndarray, " k"]]:
        """Neighbours of a region, some or all, and the dissimilarity to each."""
        borders = self._borders[region]
        if some is None:
            some, pairs = borders, list(borders.values())
        else:
            pairs = [borders[x] for x in some]
        neighbours = np.fromiter(some, np.int64, len(some))
        values = np.array(pairs).reshape(-1, 2)
        apart = self._vectors[neighbours] - self._vectors[region]
        keys = np.einsum("kd,kd->k", apart, apart).astype(np.float64)
        keys += self._edge_weight * values[:, 1] / values[:, 0]
        return neighbours, keys * self._factors(region, neighbours)

    def _factors(
        self, region: int, neighbours: Int[np.ndarray, " k"]
    ) -> Float[np.ndarray, " k"]:
        """What the areas multiply the dissimilarities by."""
        area, others = self._areas[region], self._areas[neighbours]
        factors: np.ndarray = (area * others / (area + others)) ** self._exponent
        return factors

    def _set_nearest(
        self,
        region: int,
        neighbours: Int[np.ndarray, " k"],
        keys: Float[np.ndarray, " k"],
    ) -> None:
        if not keys.size:
            self._bounds[region], self._entries[region] = np.inf, None
            return
        least = keys.min()
        ties = neighbours[keys == least]
        self._push(region, int(ties[self._lowest[ties].argmin()]), float(least))

    def _push(self, region: int, nearest: int, bound: float) -> None:
        self._bounds[region], self._nearest[region] = bound, nearest
        self._found_at[region] = self._merges
        ends = int(self._lowest[region]), int(self._lowest[nearest])
        entry = bound, min(ends), max(ends), region
        self._entries[region] = entry
        heapq.heappush(self._heap, entry)

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
        self._merges += 1
        self._merged_at[[kept, gone]] = self._merges
        del borders[kept][gone], borders[gone][kept]
        for neighbour, (length, total) in borders[gone].items():
            del borders[neighbour][gone]
            before = borders[kept].get(neighbour, (0.0, 0.0))
            joined = before[0] + length, before[1] + total
            borders[kept][neighbour] = borders[neighbour][kept] = joined
        changed, borders[gone] = borders[gone], {}
        self._hubs.pop(gone, None)
        self._entries[gone] = None
        if len(borders[kept]) > _MANY:
            self._after_growth_of_hub(kept, changed)
        else:
            self._hubs.pop(kept, None)
            self._after_growth(kept, gone)

    def _after_growth(self, kept: int, gone: int) -> None:
        """Finds the nearest of a union, and tells its neighbours where it is theirs.

        Those that lost their nearest keep its dissimilarity as a bound: no other
        neighbour is below it.
        """
        neighbours, keys = self._keys(kept)
        self._set_nearest(kept, neighbours, keys)
        bounds, nearest = self._bounds[neighbours], self._nearest[neighbours]
        lost = (nearest == kept) | (nearest == gone)
        first = self._lowest[kept] <= self._lowest[nearest]
        closer = (keys < bounds) | ((keys == bounds) & (first | lost))
        for neighbour, key in zip(
            neighbours[closer].tolist(), keys[closer].tolist(), strict=True
        ):
            self._push(neighbour, kept, key)
        for neighbour in neighbours.tolist():
            if neighbour in self._hubs:
                self._hubs[neighbour].near.add(kept)

    def _after_growth_of_hub(self, kept: int, changed: Collection[int]) -> None:
        """Finds the nearest of a union with many neighbours, and tells none of them.

        What comes nearer is known at the union alone, and so is every pair with it.

        Args:
          kept: the union.
          changed: neighbours with which its border is another now.
        """
        if kept in self._hubs:
            self._hubs[kept].near.update(changed)
        self._find_nearest(kept)
        for region, hub in self._hubs.items():
            if kept in self._borders[region]:
                hub.near.add(kept)
