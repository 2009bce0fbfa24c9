"""Frames segmented one by one and linked greedily: what other ways are compared with.

Nothing is carried from frame to frame but the regions of the one before. Pairs of
regions are taken by their intersection over union, the highest first, as simple
trackers do it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.metrics.contingency import contingency_table, ious, node_counts
from uhseg_jax.types import Float, Int, Integer

__all__ = ["greedy_pairs", "linked_cuts", "linked_trees"]

_LEAST = 0.1  # intersection over union of two regions that are linked


def greedy_pairs(
    scores: Float[np.ndarray, "r c"], least: float = _LEAST
) -> Int[np.ndarray, " r"]:
    """One-to-one pairs, the highest score first; ties by the lowest row and column.

    Args:
      scores: of every row with every column.
      least: pairs below it are not made.

    Returns:
      int32, the column of every row; -1 for none.
    """
    found = np.full(scores.shape[0], -1, np.int32)
    taken = np.zeros(scores.shape[1], bool)
    rows, columns = np.nonzero(scores >= least)
    order = np.argsort(-scores[rows, columns], kind="stable")
    for row, column in zip(rows[order], columns[order], strict=True):
        if found[row] < 0 and not taken[column]:
            found[row] = column
            taken[column] = True
    return found


def linked_cuts(
    cuts: Iterable[Integer[np.ndarray, "H W"]], least: float = _LEAST
) -> Iterator[Int[np.ndarray, "H W"]]:
    """Flat segmentations of frames with ids that go on where regions overlap.

    Args:
      cuts: any numbers from 0 for the regions of every frame, of one size.
      least: intersection over union of two regions that are linked.

    Yields:
      int32 ids from 1; a region that is linked to none gets the next.
    """
    before: np.ndarray | None = None
    count = 0
    for cut in cuts:
        _, flat = np.unique(cut, return_inverse=True)
        regions = flat.reshape(cut.shape)
        links = np.full(int(regions.max()) + 1, -1, np.int32)
        if before is not None:
            known, old = np.unique(before, return_inverse=True)
            table = contingency_table(regions, old.reshape(cut.shape))
            pairs = greedy_pairs(ious(table, table.sum(1), table.sum(0)), least)
            links = np.where(pairs >= 0, known[pairs], -1)
        links, count = _with_new(links, count)
        before = links[regions]
        yield before


def linked_trees(
    trees: Iterable[RegionTree], least: float = _LEAST
) -> Iterator[Int[np.ndarray, " n"]]:
    """Nodes of the trees of frames with the tubes that they belong to.

    Args:
      trees: one for every frame, over labels of one size.
      least: intersection over union of two nodes that are linked.

    Yields:
      int32, the tube of every node of a tree, from 0: two nodes of one tree have
      different tubes. The wholes of all frames are tube 0.
    """
    before: RegionTree | None = None
    tubes = np.zeros(0, np.int32)
    count = 0
    for tree in trees:
        links = np.full(int(tree.num_nodes), -1, np.int32)
        if before is not None:
            pairs = greedy_pairs(_node_ious(tree, before), least)
            links = np.where(pairs >= 0, tubes[pairs], -1)
        tubes, count = _with_new(links, count, first=0)
        before = tree
        yield tubes


def _with_new(
    links: Int[np.ndarray, " n"], count: int, first: int = 1
) -> tuple[Int[np.ndarray, " n"], int]:
    """Numbers those without a link behind the ``count`` that there are."""
    new = links < 0
    numbers = first + count + np.cumsum(new) - 1
    return np.where(new, numbers, links).astype(np.int32), count + int(new.sum())


def _node_ious(one: RegionTree, other: RegionTree) -> Float[np.ndarray, "n m"]:
    """Intersection over union of every node of one tree with every one of another."""
    table = contingency_table(
        np.asarray(one.labels),
        np.asarray(other.labels),
        num_rows=len(one.parents),
        num_columns=len(other.parents),
    )
    rows, _ = node_counts(one, table)
    both, _ = node_counts(other, np.ascontiguousarray(rows.T))
    shared = both.T
    return ious(shared, shared[:, 0], shared[0])
