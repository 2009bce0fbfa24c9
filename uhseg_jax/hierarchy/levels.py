"""A tree of label maps, from a coarse one to fine ones."""

import numpy as np

from uhseg_jax.hierarchy.cuts import NO_PARENT, ROOT
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.types import Integer

__all__ = ["tree_of_levels"]


def tree_of_levels(levels: Integer[np.ndarray, "l ..."]) -> RegionTree:
    """The tree whose levels are label maps, numpy.

    A region of one level is divided by the labels of the next, so regions are nested
    whatever the maps are; one that no label divides stays one node. Level i costs
    i / l, so cuts open the coarse levels first.

    Args:
      levels: integers of any values, the coarsest map first.
    """
    nodes = np.full(levels[0].size, ROOT, np.int64)
    parents, depths, costs = [NO_PARENT], [0], [0.0]
    for number, level in enumerate(levels):
        pairs = np.stack([nodes, _ranks(level)])
        (above, _), inverse = np.unique(pairs, axis=1, return_inverse=True)
        is_divided = np.bincount(above)[above] > 1
        children = above.copy()
        children[is_divided] = len(parents) + np.arange(int(is_divided.sum()))
        parents += above[is_divided].tolist()
        depths += [depths[x] + 1 for x in above[is_divided]]
        costs += [number / len(levels)] * int(is_divided.sum())
        nodes = children[inverse.reshape(-1)]
    return RegionTree(
        labels=nodes.reshape(levels.shape[1:]).astype(np.int32),
        parents=np.array(parents, np.int32),
        num_nodes=np.asarray(len(parents), np.int32),
        depths=np.array(depths, np.int32),
        costs=np.array(costs, np.float32),
    )


def _ranks(level: Integer[np.ndarray, "..."]) -> Integer[np.ndarray, " n"]:
    """Labels as numbers from 0, of which int64 has room for all."""
    ranks: np.ndarray = np.unique(level, return_inverse=True)[1]
    return ranks.reshape(-1).astype(np.int64)
