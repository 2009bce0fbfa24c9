"""The best node of a tree for every ground-truth region, by intersection over union.

An oracle: each region may take any candidate, one node may serve several regions, and
nodes that serve none cost nothing. Finer trees can only score higher, so these scores
belong beside the number of nodes.
"""

import dataclasses

import numpy as np

from uhseg_jax.hierarchy.tree import ROOT
from uhseg_jax.metrics.contingency import ious
from uhseg_jax.metrics.tallies import Tally
from uhseg_jax.types import Bool, Float, Int

__all__ = ["BestMatches", "best_matches", "candidates", "candidates_within"]


@dataclasses.dataclass(frozen=True)
class BestMatches:
    """For each of ``c`` ground-truth regions the node that fits it best.

    Attributes:
      nodes: ``[c]``, id of the best node; the first candidate for an absent region.
      ious: ``[c]``, its intersection over union, in [0, 1]; 0 for an absent region.
      tally: of the regions with their nodes; 0 if absent.
    """

    nodes: Int[np.ndarray, " c"]
    ious: Float[np.ndarray, " c"]
    tally: Tally


def candidates(num_nodes: int) -> Bool[np.ndarray, " n"]:
    """The nodes that may be matched: all but the root, or the root if it is alone."""
    chosen = np.ones(num_nodes, bool)
    chosen[ROOT] = num_nodes == 1
    return chosen


def candidates_within(
    ranks: Int[np.ndarray, " n"], budget: int
) -> Bool[np.ndarray, " n"]:
    """The first ``budget`` nodes in the order in which splits open, low cost first.

    The children of one split enter together: a split whose children would exceed the
    budget does not count and ends the sequence, even if a later one would fit. The
    root is not counted and is a candidate only if no split fits.

    Args:
      ranks: when each node enters (`RegionTree.entry_ranks`), without padding.
      budget: how many nodes may count.
    """
    entered = np.cumsum(np.bincount(ranks, minlength=1)) - 1  # without the root
    last = np.flatnonzero(entered <= budget)[-1]
    return (ranks <= last) & (ranks > 0 if last else ranks == ROOT)


def best_matches(
    counts: Int[np.ndarray, "n c"],
    areas: Int[np.ndarray, " n"],
    chosen: Bool[np.ndarray, " n"],
) -> BestMatches:
    """Gives every region its best node; ties go to the lowest node id.

    Regions may overlap (the classes of a hierarchy do), nodes too.

    Args:
      counts: pixels that node and region share; the root's row holds
        the regions' sizes.
      areas: pixels of the nodes, those that count.
      chosen: the nodes that may be taken; at least one.
    """
    totals = counts[ROOT]
    ids = np.flatnonzero(chosen)
    scores = ious(counts[ids], areas[ids], totals)
    best = np.argmax(scores, axis=0)  # the first of equals
    nodes, regions = ids[best], np.arange(totals.size)
    shared = counts[nodes, regions]
    return BestMatches(
        nodes=nodes,
        ious=scores[best, regions],
        tally=Tally(
            shared, np.where(totals > 0, areas[nodes] - shared, 0), totals - shared
        ),
    )
