"""Regions out of a tree: those that somebody wants, as masks with numbers.

A `RegionChoice` says which: of the whole tree or of a cut, all nested ones or disjoint
ones only, by size, in one piece, without the background. `choose` finds them.
"""

import dataclasses
from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np

from uhseg_jax.hierarchy import host_cuts
from uhseg_jax.hierarchy.cuts import NO_PARENT, ROOT, resolve_criterion
from uhseg_jax.hierarchy.pieces import components, find_pieces
from uhseg_jax.hierarchy.proposals import NO_NODE
from uhseg_jax.outlines.polygons import Polygon, outlines_of
from uhseg_jax.run_lengths import RLE, compress, counts_of, runs_of
from uhseg_jax.types import Bool, Int
from uhseg_jax.validators import (
    NON_NEGATIVE,
    SHARE,
    Validated,
    integer,
    one_of,
    optional,
)

__all__ = ["NO_NODE", "VOID", "RegionChoice", "Regions", "choose", "pruned", "united"]

VOID = -1
_CRITERIA = ("num_regions", "cost", "depth")
_FLAG = one_of(False, True)


@dataclasses.dataclass(frozen=True)
class RegionChoice(Validated):
    """Which regions of a tree are wanted.

    At most one of the first three is given; without any, the whole tree counts.

    Attributes:
      num_regions: the tree above the cut of at most so many regions.
      cost: the tree above the cut at this cost.
      depth: the tree above this depth.
      flat: only the regions of the cut, or the leaves, which are disjoint; otherwise
        all regions around them too.
      min_area: share of the image below which a region is left out.
      max_area: share of the image above which a region is left out.
      connected: every connected component, by sides or corners of pixels, is a region.
      background: False leaves out the background, the regions around it and those in
        it. It is a guess: the region of the cut, or else of the cut into two, with the
        most pixels on the frame of the image.
      root: the whole image is a region too. It is one in any case where the tree, or
        what the cut leaves of it, has no other.
    """

    num_regions: Annotated[int | None, optional(integer(1))] = None
    cost: Annotated[float | None, optional(NON_NEGATIVE)] = None
    depth: Annotated[int | None, optional(integer(0))] = None
    flat: Annotated[bool, _FLAG] = False
    min_area: Annotated[float, SHARE] = 0.0
    max_area: Annotated[float, SHARE] = 1.0
    connected: Annotated[bool, _FLAG] = False
    background: Annotated[bool, _FLAG] = True
    root: Annotated[bool, _FLAG] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        given = [x for x in _CRITERIA if getattr(self, x) is not None]
        if len(given) > 1:
            raise ValueError(
                "expected at most one of num_regions, cost and depth, but got "
                f"{' and '.join(given)}."
            )
        if self.min_area > self.max_area:
            raise ValueError(
                f"min_area must be at most max_area, {self.max_area}, but is "
                f"{self.min_area}."
            )

    @property
    def criterion(self) -> dict[str, Any]:
        """The one of `RegionTree.cut` that is given; empty if none is."""
        values = {x: getattr(self, x) for x in _CRITERIA}
        return {name: x for name, x in values.items() if x is not None}


@dataclasses.dataclass(frozen=True)
class Regions:
    """Some regions of an image, numbered from 0 without gaps.

    Attributes:
      pieces: int32 ``[h, w]``, the piece of every pixel, from 0; ``VOID`` where no
        region is.
      contains: ``[k, m]``, whether a region holds a piece.
      nodes: int32 ``[k]``, the node of the whole tree that a region is, or is a
        component of; ``NO_NODE`` where it is a union of several.
      parents: int32 ``[k]``, the smallest of these regions around each; ``NO_PARENT``
        if there is none.
    """

    pieces: Int[np.ndarray, "h w"]
    contains: Bool[np.ndarray, "k m"]
    nodes: Int[np.ndarray, " k"]
    parents: Int[np.ndarray, " k"]

    def __len__(self) -> int:
        return len(self.nodes)

    def only(self, wanted: Bool[np.ndarray, " k"]) -> "Regions":
        """Some of these regions, numbered anew."""
        return _numbered(self.pieces, self.contains[wanted], self.nodes[wanted])

    def areas(self) -> Int[np.ndarray, " k"]:
        """Number of pixels of every region."""
        inside = self.pieces[self.pieces != VOID]
        return self.contains @ np.bincount(inside, minlength=self.contains.shape[1])

    def mask(self, index: int) -> Bool[np.ndarray, "h w"]:
        """The pixels of one region."""
        return self._with_void(index)[self.pieces]

    def masks(self) -> Bool[np.ndarray, "k h w"]:
        """One boolean mask for every region."""
        return self._with_void(slice(None))[:, self.pieces]

    def polygons(self, tolerance: float = 0.0) -> list[list[Polygon]]:
        """The outlines of every region, with holes; see `RegionTree.polygons`.

        Borders are simplified once, so regions that are disjoint stay so without gaps,
        and nested ones nested. They may differ a little from those of other choices.

        Args:
          tolerance: how far, in pixels, they may be from the sides of pixels.

        Raises:
          ValueError: the tolerance is negative.
        """
        outlines = outlines_of(self.pieces, tolerance)
        return [outlines.polygons(x) for x in self.contains]

    def boxes(self) -> Int[np.ndarray, "k 4"]:
        """x, y, width and height of every region, in pixels."""
        from scipy import ndimage

        found = ndimage.find_objects(self.pieces + 1)
        ends = np.array(
            [(x.start, y.start, -x.stop, -y.stop) for y, x in found], np.int64
        ).reshape(-1, 4)
        # The lowest of each among the pieces of a region; others count as infinite.
        far = np.iinfo(np.int64).max
        lowest = [
            np.where(self.contains, end, far).min(1, initial=far) for end in ends.T
        ]
        left, top, right, bottom = lowest
        return np.stack([left, top, -right - left, -bottom - top], axis=1)

    def rles(self) -> list[RLE]:
        """Every region as pycocotools has masks, compressed."""
        held = self._with_void(slice(None))
        pieces, lengths = runs_of(self.pieces)
        size = self.pieces.shape
        return [compress(counts_of(x[pieces], lengths), size) for x in held]

    def labels(self) -> Int[np.ndarray, "h w"]:
        """The region of every pixel; ``VOID`` where there is none.

        Raises:
          ValueError: regions overlap, as nested ones do.
        """
        holders = self.contains.sum(0)
        if (holders > 1).any():
            raise ValueError(
                "expected disjoint regions, since a pixel of a label map has one "
                "number, but some lie in others; choose them with flat=True."
            )
        numbers = np.full(len(holders) + 1, VOID, np.int32)
        index, piece = np.nonzero(self.contains)
        numbers[piece] = index
        return numbers[self.pieces]

    def _with_void(self, index: Any) -> Bool[np.ndarray, "*k m1"]:
        """Which pieces are held, with one more that stands for the void."""
        held = np.pad(self.contains, [(0, 0), (0, 1)])
        return held[index]


def choose(tree: Any, choice: RegionChoice) -> Regions:
    """The chosen regions of one tree, by their nodes and then by their areas.

    Components of one node come from the largest to the smallest.

    Args:
      tree: a `RegionTree`.
      choice: which regions.
    """
    parents, visible, shown = _cut(tree, choice)
    leaves = np.flatnonzero(_is_leaf(parents, shown))
    nodes = leaves if choice.flat else np.flatnonzero(shown)
    if not (choice.root or choice.flat) and len(nodes) > 1:
        nodes = nodes[nodes != ROOT]
    pieces = find_pieces(visible[np.asarray(tree.labels)], connected=choice.connected)
    above = host_cuts.ancestry(parents)
    if not choice.background:
        background = _background(tree, choice)
        nodes = nodes[~(above[nodes, background] | above[background, nodes])]
    contains = above[np.ix_(nodes, pieces.leaves)]
    if choice.connected:
        _, groups = components(contains, pieces)
        order = np.lexsort((-groups.areas, groups.owners))
        nodes = nodes[groups.owners[order]]
        contains = groups.contains(order, len(pieces.leaves))
    shares = contains @ pieces.areas / pieces.labels.size
    wanted = (choice.min_area <= shares) & (shares <= choice.max_area) & (shares > 0)
    return _numbered(pieces.labels, contains[wanted], nodes[wanted])


def pruned(tree: Any, choice: RegionChoice) -> tuple[Any, Int[np.ndarray, " n"]]:
    """The tree above the cut of a choice, and what its nodes are in the whole tree.

    Args:
      tree: a `RegionTree`.
      choice: of which only the criterion counts.

    Returns:
      A tree in numpy arrays without padding, and int32 ``[n]``.
    """
    parents, visible, shown = _cut(tree, choice)
    nodes = np.flatnonzero(shown).astype(np.int32)
    numbers = np.full(len(parents), NO_PARENT, np.int32)
    numbers[nodes] = np.arange(len(nodes))
    smaller = dataclasses.replace(
        tree,
        labels=numbers[visible][np.asarray(tree.labels)],
        parents=np.where(nodes == ROOT, NO_PARENT, numbers[parents[nodes]]),
        num_nodes=np.asarray(len(nodes), np.int32),
        depths=np.asarray(tree.depths)[nodes],
        costs=np.asarray(tree.costs)[nodes],
    )
    return smaller, nodes


def united(tree: Any, groups: Sequence[Sequence[int]]) -> Regions:
    """Regions that are unions of nodes, in their order.

    Args:
      tree: a `RegionTree`.
      groups: of every region its nodes, at least one.
    """
    parents = np.asarray(tree.parents)[: int(tree.num_nodes)]
    pieces = find_pieces(np.asarray(tree.labels), connected=False)
    held = host_cuts.ancestry(parents)[:, pieces.leaves]
    rows = [held[list(nodes)].any(0) for nodes in groups]
    contains = np.array(rows, bool).reshape(-1, len(pieces.leaves))
    nodes = [x[0] if len(set(x)) == 1 else NO_NODE for x in groups]
    found = _numbered(pieces.labels, contains, np.array(nodes, np.int32))
    return dataclasses.replace(found, parents=_parents(contains, pieces.areas))


def _parents(
    contains: Bool[np.ndarray, "k m"], weights: Int[np.ndarray, " m"]
) -> Int[np.ndarray, " k"]:
    """The smallest region around each, of regions in any order."""
    sizes = contains @ weights
    parents = np.full(len(contains), NO_PARENT, np.int32)
    for index, own in enumerate(contains):
        around = (contains | ~own).all(1) & (sizes > sizes[index])
        if around.any():
            parents[index] = np.where(around, sizes, np.iinfo(np.int64).max).argmin()
    return parents


def _cut(
    tree: Any, choice: RegionChoice
) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " n"], Bool[np.ndarray, " n"]]:
    """Parents, the node as which each is seen in the cut, and whether it is itself."""
    count = int(tree.num_nodes)
    parents = np.asarray(tree.parents)[:count]
    ids = np.arange(count, dtype=np.int32)
    if not choice.criterion:
        return parents, ids, np.ones(count, bool)
    kind, bound = resolve_criterion("cut", choice.criterion, num_nodes=count)
    depths, costs = (np.asarray(x)[:count] for x in (tree.depths, tree.costs))
    visible = host_cuts.visible_nodes(parents, depths, costs, count, bound, kind)
    return parents, visible, visible == ids


def _is_leaf(
    parents: Int[np.ndarray, " n"], shown: Bool[np.ndarray, " n"]
) -> Bool[np.ndarray, " n"]:
    """Which nodes are shown and have no child that is."""
    has_child = np.zeros(len(parents), bool)
    below = shown & (parents != NO_PARENT)
    has_child[parents[below]] = True
    return shown & ~has_child


def _background(tree: Any, choice: RegionChoice) -> int:
    """The node of the cut that has the most pixels on the frame of the image."""
    if not choice.criterion:
        choice = RegionChoice(num_regions=2)
    _, visible, _ = _cut(tree, choice)
    seen = visible[np.asarray(tree.labels)]
    inner = seen[1:-1, 1:-1]
    counts = np.bincount(seen.ravel()) - np.bincount(
        inner.ravel(), minlength=int(seen.max()) + 1
    )
    return int(counts.argmax())


def _numbered(
    pieces: Int[np.ndarray, "h w"],
    contains: Bool[np.ndarray, "k m"],
    nodes: Int[np.ndarray, " k"],
) -> Regions:
    """Regions with the pieces that they hold, numbered anew."""
    held = contains.any(0)
    numbers = np.where(held, np.cumsum(held) - 1, VOID).astype(np.int32)
    numbers = np.append(numbers, np.int32(VOID))  # of pixels of no piece
    contains = contains[:, held]
    parents = np.full(len(nodes), NO_PARENT, np.int32)
    if nodes.size:
        # Regions around one of its pieces are a chain, the outer ones first.
        around = contains[:, contains.argmax(1)].T
        np.fill_diagonal(around, False)
        around = np.tril(around)
        last = len(nodes) - 1 - around[:, ::-1].argmax(1)
        parents = np.where(around.any(1), last, NO_PARENT).astype(np.int32)
    return Regions(numbers[pieces], contains, nodes.astype(np.int32), parents)
