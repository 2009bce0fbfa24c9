"""Ultrametric contour maps: how strongly neighbouring pixels are parted.

A hierarchy is a distance between pixels, large where they part early; drawn on the
edges between neighbours it is a map whose every threshold gives closed contours
(Arbelaez, "Boundary Extraction in Natural Images Using Ultrametric Contour Maps",
2006). The layout is that of the BSDS code, `ucm2`: a grid of pixels, the edges between
them and the vertices where edges meet.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from uhseg_jax.hierarchy import host_cuts
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
      edges: float64 ``[2 H + 1, 2 W + 1]``, strengths from 0 (no contour) to 1. The
        pixel in row r and column c lies at (2 r + 1, 2 c + 1) and holds 0; between two
        pixels lies their edge, at even rows and columns the vertices, with the
        strongest of the edges that meet there. The frame around the image holds 0 but
        for its vertices.

    Raises:
      ValueError: the array has another form.
    """

    edges: Float[np.ndarray, "H2 W2"]

    def __post_init__(self) -> None:
        shape = np.shape(self.edges)
        if len(shape) != 2 or any(side < 3 or side % 2 == 0 for side in shape):
            raise ValueError(
                "expected strengths of the edges of an image, [2 H + 1, 2 W + 1], but "
                f"found shape {list(shape)}; `RegionTree.ultrametric` makes them."
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

    def image(self) -> Float[np.ndarray, "H W"]:
        """The contours as an image: every pixel holds the vertex to its lower right.

        The benchmark's ``ucm2(3:2:end, 3:2:end)``. Where it is above a threshold lie
        the boundaries that the cut at this threshold has, before they are thinned.
        """
        return self.edges[2::2, 2::2].copy()

    def cut(self, threshold: float) -> Int[np.ndarray, "H W"]:
        """The regions between the contours that are stronger than a threshold.

        Args:
          threshold: from 0 on; of a map of costs, ``1 - c`` is `RegionTree.cut` of
            ``cost=c`` (a float32), whose regions are told apart where they lie in
            several pieces.

        Returns:
          int32 ``[H, W]``, regions from 0 in reading order, connected along edges.
        """
        return _basins(self.edges > threshold)


def of_tree(tree: Any, scale: str) -> Ultrametric:
    """The map of one tree; see `RegionTree.ultrametric`."""
    of_splits = strengths(tree, scale)
    parents, labels = np.asarray(tree.parents), np.asarray(tree.labels)
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
    labels: Int[np.ndarray, "H W"],
) -> tuple[tuple[Pairs, Pairs], Pairs, Pairs]:
    """Where neighbours have different labels, as a place of a map, and both labels."""
    right = np.nonzero(labels[:, :-1] != labels[:, 1:])
    below = np.nonzero(labels[:-1] != labels[1:])
    rows = np.concatenate([2 * right[0] + 1, 2 * below[0] + 2])
    columns = np.concatenate([2 * right[1] + 2, 2 * below[1] + 1])
    first = np.concatenate([labels[:, :-1][right], labels[:-1][below]])
    second = np.concatenate([labels[:, 1:][right], labels[1:][below]])
    return (rows, columns), first, second


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


def _with_vertices(edges: Float[np.ndarray, "H2 W2"]) -> Float[np.ndarray, "H2 W2"]:
    """A map whose vertices are set to the strongest of the edges around them."""
    vertices, across, down = edges[::2, ::2], edges[::2, 1::2], edges[1::2, ::2]
    vertices[...] = 0
    for ends, meeting in (
        *((vertices[:, :-1], across), (vertices[:, 1:], across)),
        *((vertices[:-1], down), (vertices[1:], down)),
    ):
        np.maximum(ends, meeting, out=ends)
    return edges


def _basins(walls: Bool[np.ndarray, "H2 W2"]) -> Int[np.ndarray, "H W"]:
    """The pixels that no walls part, numbered from 0 in reading order."""
    from scipy import ndimage

    free = ~walls[1:-1, 1:-1]
    free[::2, ::2] = True
    free[1::2, 1::2] = False  # vertices: there is no way through a corner
    labels = np.empty(free.shape, np.int32)
    ndimage.label(free, output=labels)
    return labels[::2, ::2] - 1


def _closed(edges: Float[np.ndarray, "H2 W2"]) -> Float[np.ndarray, "H2 W2"]:
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
