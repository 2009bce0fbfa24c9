"""Which regions of a tree somebody wants.

A `RegionChoice` says it: those of the whole tree or of a cut, all nested ones or
disjoint ones only, by size, in one piece, without the background. `choose` finds them,
and `united` those that somebody selected by hand.
"""

import dataclasses
from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np

from uhseg_jax.hierarchy import host_cuts
from uhseg_jax.hierarchy.cuts import NO_PARENT, ROOT, resolve_criterion
from uhseg_jax.hierarchy.lattice import require_cells
from uhseg_jax.hierarchy.pieces import components, find_pieces
from uhseg_jax.hierarchy.regions import NO_NODE, Regions
from uhseg_jax.types import Bool, Int
from uhseg_jax.validators import (
    NON_NEGATIVE,
    SHARE,
    Validated,
    integer,
    one_of,
    optional,
)

__all__ = ["RegionChoice", "choose", "pruned", "united"]

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
        most pixels on the frame of the image. On 160 training images of VOC2012 it was
        mostly background in 91 % (two regions) to 94 % (four). Of a clip the frames of
        all its images count.
      root: unless ``flat``, the whole image is a region too. It is one in any case
        where the tree, or what the cut leaves of it, has no other.
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
    return Regions.numbered(pieces.labels, contains[wanted], nodes[wanted])


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

    Raises:
      ValueError: nodes of a region have no pixel.
    """
    parents = np.asarray(tree.parents)[: int(tree.num_nodes)]
    pieces = find_pieces(np.asarray(tree.labels), connected=False)
    held = host_cuts.ancestry(parents)[:, pieces.leaves]
    rows = [held[list(nodes)].any(0) for nodes in groups]
    contains = np.array(rows, bool).reshape(-1, len(pieces.leaves))
    if not contains.any(1).all():
        empty = groups[int(contains.any(1).argmin())]
        raise ValueError(
            "expected regions with pixels, but there are none in node "
            f"{', '.join(map(str, empty))} of the tree; leave that out."
        )
    nodes = [x[0] if len(set(x)) == 1 else NO_NODE for x in groups]
    found = Regions.numbered(pieces.labels, contains, np.array(nodes, np.int32))
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
    """The node of the cut that has the most pixels on the frame of its images."""
    require_cells(np.shape(tree.labels), "A search for the background")
    if not choice.criterion:
        choice = RegionChoice(num_regions=2)
    _, visible, _ = _cut(tree, choice)
    seen = visible[np.asarray(tree.labels)]
    inner = seen[..., 1:-1, 1:-1]
    counts = np.bincount(seen.ravel()) - np.bincount(
        inner.ravel(), minlength=int(seen.max()) + 1
    )
    return int(counts.argmax())
