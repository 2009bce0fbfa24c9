"""Ultrametric contour maps: how strongly neighbouring pixels are parted.

A hierarchy is a distance between pixels, large where they part early; drawn on the
edges between neighbours it is a map whose every threshold gives closed contours
(Arbelaez, "Boundary Extraction in Natural Images Using Ultrametric Contour Maps",
2006). The layout is that of the BSDS code, `ucm2`: a grid of pixels, the edges between
them and the vertices where edges meet. Pixels of two frames of a clip, or of two slices
of a volume, have an edge between them too.
"""

import dataclasses
import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from uhseg_jax.hierarchy import host_cuts
from uhseg_jax.hierarchy.lattice import require_cells
from uhseg_jax.registry import suggest
from uhseg_jax.types import Bool, Float, Int

__all__ = ["SCALES", "Ultrametric", "of_tree", "strengths"]

SCALES = ("cost", "order")
"""What contours are as strong as: costs of splits, or their order."""

Pairs = Int[np.ndarray, " e"]


@dataclasses.dataclass(frozen=True)
class Ultrametric:
    """The contours of a hierarchy with their strengths.

    Attributes:
      edges: float64 ``[2 H + 1, 2 W + 1]``, or ``[2 T + 1, 2 H + 1, 2 W + 1]`` of a
        clip: strengths from 0 (no contour) to 1. The pixel in row r and column c lies
        at (2 r + 1, 2 c + 1) and holds 0; between two pixels lies their edge, and
        where two or more places are even are the vertices, with the strongest of the
        edges that meet there. The frame around the image holds 0 but for its vertices.

    Raises:
      ValueError: the array has another form.
    """

    edges: Float[np.ndarray, "..."]

    def __post_init__(self) -> None:
        shape = np.shape(self.edges)
        is_odd = all(side >= 3 and side % 2 for side in shape)
        if len(shape) not in (2, 3) or not is_odd:
            raise ValueError(
                "expected strengths of the edges of an image, [2 H + 1, 2 W + 1], or "
                f"of a clip, but found shape {list(shape)}; `RegionTree.ultrametric` "
                "makes them."
            )

    @classmethod
    def mean(cls, maps: Sequence["Ultrametric"]) -> "Ultrametric":
        """The mean of several maps of one image, whatever their order.

        The mean of ultrametrics is none: its contours may end within a region. Each
        edge is therefore lowered to the least that a way from one of its pixels to the
        other must cross: of all ways the one whose strongest contour is weakest. That
        is the largest ultrametric nowhere above the mean (single linkage).

        Args:
          maps: at least one, all of the same size.

        Raises:
          ValueError: there is none, or their sizes differ.
        """
        shapes = sorted({x.edges.shape for x in maps})
        if len(shapes) != 1:
            raise ValueError(
                "expected one or more contour maps of the same size, but found "
                f"{' and '.join(str(list(x)) for x in shapes) or 'none'}; the trees "
                "must be of one image, with labels at one size."
            )
        # Sorted, so that the last digit does not depend on the order of the maps.
        stack = np.sort([x.edges for x in maps], axis=0)
        return cls(_closed(stack.sum(axis=0) / len(stack)))

    def image(self) -> Float[np.ndarray, "..."]:
        """The contours as an image: every pixel holds the vertex to its lower right.

        The benchmark's ``ucm2(3:2:end, 3:2:end)``. Where it is above a threshold lie
        the boundaries that the cut at this threshold has, before they are thinned.
        """
        return self.edges[(slice(2, None, 2),) * self.edges.ndim].copy()

    def cut(self, threshold: float) -> Int[np.ndarray, "..."]:
        """The regions between the contours that are stronger than a threshold.

        Args:
          threshold: from 0 on; of a map of costs, ``1 - c`` is `RegionTree.cut` of
            ``cost=c`` (a float32), whose regions are told apart where they lie in
            several pieces.

        Returns:
          int32 ``[H, W]``, regions from 0 in reading order, connected along edges;
          of a clip ``[T, H, W]``.
        """
        return _basins(self.edges > threshold)


def of_tree(tree: Any, scale: str) -> Ultrametric:
    """The map of one tree; see `RegionTree.ultrametric`."""
    of_splits = strengths(tree, scale)
    parents, labels = np.asarray(tree.parents), np.asarray(tree.labels)
    require_cells(labels.shape, "RegionTree.ultrametric")
    edges = np.zeros([2 * side + 1 for side in labels.shape])
    at, first, second = _borders(labels)
    low, high, pair = _unordered_pairs(first, second, parents.size)
    edges[at] = of_splits[_lowest_above(low, high, parents)][pair]
    return Ultrametric(_with_vertices(edges))


def strengths(tree: Any, scale: str) -> Float[np.ndarray, " n"]:
    """How strongly every node parts its children, 0 for leaves and padding.

    No node does more strongly than its parent; `RegionTree.ultrametric` tells the
    scales.

    Raises:
      ValueError: there is no scale of that name.
    """
    if scale not in SCALES:
        raise ValueError(
            f"unknown scale {scale!r}; expected one of {', '.join(SCALES)}."
            f"{suggest(scale, SCALES)}"
        )
    kind = "cost" if scale == "cost" else "num_regions"
    parents, count = np.asarray(tree.parents), int(tree.num_nodes)
    arrays = parents, np.asarray(tree.depths), np.asarray(tree.costs)
    bounds = host_cuts.opening_bounds(*arrays, count, kind)
    bounds = bounds.astype(np.float64)  # up to which a node stays whole
    found = np.clip(1 - bounds, 0, 1) if scale == "cost" else 1 / (bounds + 1)
    divides = np.zeros(parents.size, bool)
    divides[parents[1:count]] = True
    return np.where(divides, found, 0)


def _borders(
    labels: Int[np.ndarray, "..."],
) -> tuple[tuple[Pairs, ...], Pairs, Pairs]:
    """Where neighbours have different labels, as a place of a map, and both labels."""
    places, first, second = [], [], []
    for axis in range(labels.ndim)[::-1]:
        one, other = _sides(labels, axis)
        at = np.nonzero(one != other)
        # A pixel r lies at 2 r + 1, the edge to the next one behind it.
        behind = (np.arange(labels.ndim) == axis)[:, None]
        places.append(2 * np.stack(at) + 1 + behind)
        first.append(one[at])
        second.append(other[at])
    return (
        tuple(np.concatenate(places, axis=1)),
        np.concatenate(first),
        np.concatenate(second),
    )


def _sides(cells: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """All cells but the last along an axis, and those that follow them."""
    along = np.moveaxis(cells, axis, 0)
    return np.moveaxis(along[:-1], 0, axis), np.moveaxis(along[1:], 0, axis)


def _unordered_pairs(
    first: Pairs, second: Pairs, n: int
) -> tuple[Int[np.ndarray, " d"], Int[np.ndarray, " d"], Pairs]:
    """Pairs of numbers below n, each once and in order, and the place of every pair."""
    low, high = np.minimum(first, second), np.maximum(first, second)
    keys, place = np.unique(low.astype(np.int64) * n + high, return_inverse=True)
    return *np.divmod(keys, n), place


def _lowest_above(low: Pairs, high: Pairs, parents: Int[np.ndarray, " n"]) -> Pairs:
    """The lowest node above both of each pair, whose first number is the lower."""
    while (low != high).any():
        # The higher number is no ancestor of the lower; where they meet they stay.
        above = np.where(low == high, low, parents[high])
        low, high = np.minimum(low, above), np.maximum(low, above)
    return low


def _with_vertices(edges: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """A map whose vertices are set to the strongest of the edges around them."""
    # Of two even places first, whose neighbours are edges, then of three.
    for even in sorted(itertools.product((0, 1), repeat=edges.ndim), key=sum):
        if sum(even) < 2:
            continue
        vertices = edges[_every_other(even)]
        vertices[...] = 0
        for axis in np.flatnonzero(even).tolist():
            between = edges[_every_other(x and i != axis for i, x in enumerate(even))]
            for ends in _sides(vertices, axis):
                np.maximum(ends, between, out=ends)
    return edges


def _every_other(even: Iterable[int | bool]) -> tuple[slice, ...]:
    """The places of a map that are even along some of the axes, and odd elsewhere."""
    return tuple(slice(0 if x else 1, None, 2) for x in even)


def _basins(walls: Bool[np.ndarray, "..."]) -> Int[np.ndarray, "..."]:
    """The pixels that no walls part, numbered from 0 in reading order."""
    from scipy import ndimage

    inner, odd = (slice(1, -1),) * walls.ndim, (slice(None, None, 2),) * walls.ndim
    # Pixels are free, and vertices are not: there is no way through a corner.
    places: list[np.ndarray] = list(np.indices(walls[inner].shape, sparse=True))
    free = ~walls[inner] & (sum(x % 2 for x in places) < 2)
    free[odd] = True
    labels = np.empty(free.shape, np.int32)
    ndimage.label(free, output=labels)
    return labels[odd] - 1


def _closed(edges: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """The largest ultrametric map nowhere above one that need not be one."""
    basins = _basins(edges > 0)
    at, first, second = _borders(basins)
    low, high, pair = _unordered_pairs(first, second, int(basins.max()) + 1)
    weakest = np.full(low.size, np.inf)
    np.minimum.at(weakest, pair, edges[at])
    closed = np.zeros_like(edges)
    closed[at] = _single_linkage(low, high, weakest, int(basins.max()) + 1)[pair]
    return _with_vertices(closed)


def _single_linkage(
    first: Pairs, second: Pairs, weights: Float[np.ndarray, " e"], n: int
) -> Float[np.ndarray, " e"]:
    """Of every edge the weight at which its two vertices are joined by lighter ones.

    Regions join by size, so that chains of them stay short (Kruskal).
    """
    above, sizes = list(range(n)), [1] * n
    time = np.full(n, np.inf)  # when each vertex went under the one above it
    order = np.argsort(weights, kind="stable")
    for step, (one, other) in enumerate(
        zip(first[order].tolist(), second[order].tolist(), strict=True)
    ):
        while above[one] != one:
            one = above[one]
        while above[other] != other:
            other = above[other]
        if one == other:
            continue
        if sizes[one] < sizes[other]:
            one, other = other, one
        above[other] = one
        sizes[one] += sizes[other]
        time[other] = step
    pointers = np.array(above)
    joined = np.zeros(first.size)
    one, other = first, second
    while (one != other).any():
        # Whichever joined first goes up; the last step on the way is where they met.
        swap = time[one] > time[other]
        one, other = np.where(swap, other, one), np.where(swap, one, other)
        apart = one != other
        joined = np.where(apart, np.maximum(joined, time[one]), joined)
        one = np.where(apart, pointers[one], one)
    return weights[order][joined.astype(np.intp)]
