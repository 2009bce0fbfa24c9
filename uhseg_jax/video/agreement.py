"""The cut of a tree that agrees with regions that are known of a part of its cells.

Windows of a clip are segmented one after the other, and neighbouring windows share
frames. Two windows open other splits where costs are close, and regions would come and
go with them. So a window is not cut by its costs alone but also by how well the regions
cover those that were found in the shared frames.
"""

from __future__ import annotations

import numpy as np

from uhseg_jax.hierarchy import host_cuts
from uhseg_jax.hierarchy.cuts import NO_PARENT, ROOT
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.metrics.contingency import ious, node_counts
from uhseg_jax.types import Float, Int

__all__ = ["agreeing_cut", "agreements", "cut_of_most"]


def agreeing_cut(
    tree: RegionTree,
    known: Int[np.ndarray, "n c"],
    num_regions: int,
    *,
    weight: float,
) -> Int[np.ndarray, " n"]:
    """The nodes that divide all cells, of low cost and in agreement with what is known.

    Of all cuts with as many regions it is the one with the least

        sum of the costs of the splits that are opened - weight * agreement,

    where the agreement is the covering of the known cells by regions of the cut: the
    mean over these cells of the intersection over union of the region there with the
    known region that fits it best. A split into more than two counts as so many splits
    into two.

    Args:
      tree: in numpy, over any lattice.
      known: pixels of every leaf, by its node, in each of the known regions.
      num_regions: of the cut at most; as many as the tree has, up to these.
      weight: of the agreement.

    Returns:
      int32, the node of the cut that holds each node; those above it hold themselves.
    """
    parents = np.asarray(tree.parents)[: int(tree.num_nodes)]
    costs = np.asarray(tree.costs)[: len(parents)]
    gains = weight * agreements(tree, known)
    return cut_of_most(parents, costs, gains, num_regions)


def agreements(
    tree: RegionTree, known: Int[np.ndarray, "n c"]
) -> Float[np.ndarray, " m"]:
    """What every node adds to the agreement of a cut that it is a region of.

    Args:
      tree: in numpy.
      known: pixels of every leaf, by its node, in each of the known regions.

    Returns:
      float64, the share of the known cells that the node holds, times its highest
      intersection over union with a known region; zeros where nothing is known.
    """
    counts, _ = node_counts(tree, known)
    sizes = counts.sum(axis=1)
    best = ious(counts, sizes, counts[ROOT]).max(axis=1, initial=0)
    return best * sizes / max(1, int(sizes[ROOT]))


def cut_of_most(
    parents: Int[np.ndarray, " n"],
    costs: Float[np.ndarray, " n"],
    gains: Float[np.ndarray, " n"],
    num_regions: int,
) -> Int[np.ndarray, " n"]:
    """The cut with the most gain of its nodes, less the costs of what is opened.

    By dynamic programming from the leaves up, over the number of regions below each
    node: exact, in O(n num_regions^2).

    Args:
      parents: of the nodes, without padding.
      costs: of the nodes; that of a split is the mean of its children's.
      gains: of the nodes.
      num_regions: at most; the cut has the largest number up to it that can be had.

    Returns:
      int32, the node of the cut that holds each node; those above it hold themselves.
    """
    children: list[list[int]] = [[] for _ in parents]
    for node, parent in enumerate(parents.tolist()):
        if parent != NO_PARENT:
            children[parent].append(node)
    opening = host_cuts.split_costs(parents, costs)
    # Of every node and number of regions, from 0: the most that can be had below it.
    most = np.full((len(parents), num_regions + 1), -np.inf)
    shares: list[list[np.ndarray]] = [[] for _ in parents]
    for node in range(len(parents) - 1, -1, -1):
        if children[node]:
            found, shares[node] = _joined(most[children[node]])
            most[node] = found - opening[node] * (len(children[node]) - 1)
        most[node, 0] = -np.inf
        most[node, 1] = gains[node]
    count = int(np.flatnonzero(np.isfinite(most[ROOT]))[-1])
    return _chosen(children, shares, count)


def _joined(
    most: Float[np.ndarray, "c k"],
) -> tuple[Float[np.ndarray, " k"], list[Int[np.ndarray, " k"]]]:
    """The most that some siblings have together, for every number of regions.

    And of how many regions the last of them has then, for the first sibling, the first
    two and so on.
    """
    size = most.shape[1]
    total = np.full(size, -np.inf)
    total[0] = 0
    shares = []
    before = np.arange(size)[:, None] - np.arange(size)  # regions of those before
    for one in most:
        sums = np.where(before >= 0, total[before.clip(0)] + one, -np.inf)
        share = sums.argmax(axis=1)
        total = sums[np.arange(size), share]
        shares.append(share)
    return total, shares


def _chosen(
    children: list[list[int]], shares: list[list[np.ndarray]], count: int
) -> Int[np.ndarray, " n"]:
    """Goes down the tree by the numbers of regions that were found the best."""
    held = np.arange(len(children), dtype=np.int32)
    waiting = [(ROOT, count)]
    while waiting:
        node, regions = waiting.pop()
        if held[node] != node or regions == 1:  # closed, or below what is closed
            for child in children[node]:
                held[child] = held[node]
                waiting.append((child, 1))
            continue
        for child, share in zip(
            reversed(children[node]), reversed(shares[node]), strict=True
        ):
            waiting.append((child, int(share[regions])))
            regions -= int(share[regions])
    return held
