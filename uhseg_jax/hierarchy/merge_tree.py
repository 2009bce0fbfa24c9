"""From the merges of regions to a tree, and from a tree to levels of its leaves."""

import jax
import jax.numpy as jnp

from uhseg_jax.hierarchy.cuts import (
    NO_PARENT,
    ROOT,
    Nodes,
    entry_ranks,
    split_costs,
)
from uhseg_jax.hierarchy.merges import Merges, doublings, holders
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.types import Array, Bool, Float, Int

__all__ = ["MergeTree", "level_costs", "levels_of", "tree_of"]


@pytree_dataclass
class MergeTree:
    """The last merges as a binary tree over the vertices.

    Attributes:
      leaves: int32 ``[m]``, leaf node of every vertex; ``NO_PARENT`` for padding.
      parents: int32 ``[n]``; padding holds ``NO_PARENT``.
      depths: int32 ``[n]``.
      costs: ``[n]``, of the split that made a node; 0 for the root and padding.
      stages: int32 ``[n]``, of the merge that this split undoes; 0 for the root and
        padding.
      num_nodes: int32 ``[]``.
    """

    leaves: Int[Array, " m"]
    parents: Int[Array, " n"]
    depths: Int[Array, " n"]
    costs: Float[Array, " n"]
    stages: Int[Array, " n"]
    num_nodes: Int[Array, ""]

    def tree(self, labels: Int[Array, "h w"]) -> RegionTree:
        """The tree over the cells of an image, by the leaf of every cell."""
        return RegionTree(labels, self.parents, self.num_nodes, self.depths, self.costs)


def tree_of(
    merges: Merges, costs: Float[Array, " t"], *, max_regions: int
) -> MergeTree:
    """The tree whose splits undo the last merges.

    The j-th split from the top, from 0, divides into nodes ``2j + 1`` and ``2j + 2``.
    Cuts open splits from low to high cost, so costs that fall as heights rise open them
    in the order of the heights; ties open the later merge first.

    Args:
      merges: of n vertices into one region.
      costs: of the split that undoes each merge.
      max_regions: most leaves, static; the arrays hold ``2 max_regions - 1`` nodes.
    """
    n = merges.members.shape[0]
    num_splits = jnp.minimum(merges.count, max_regions - 1)
    order = jnp.arange(max_regions - 1, dtype=jnp.int32)
    split = order < num_splits
    merge = jnp.where(split, merges.count - 1 - order, 0)

    # The node of every region that has one.
    pairs = jnp.stack([2 * order + 1, 2 * order + 2], axis=1)
    regions = jnp.where(split[:, None], _rows(merges.children, merge), 2 * n)
    nodes = jnp.full((2 * n - 1,), ROOT, jnp.int32).at[regions].set(pairs, mode="drop")
    parents = jnp.where(split, nodes[n + merge], NO_PARENT)
    parents = jnp.pad(jnp.repeat(parents, 2), (1, 0), constant_values=NO_PARENT)

    def of_splits(values: Array) -> Array:
        found = jnp.where(split, _rows(values, merge), 0)
        return jnp.pad(jnp.repeat(found, 2), (1, 0))

    leaves = nodes[holders(merges, merges.count - num_splits)]
    return MergeTree(
        leaves=jnp.where(merges.members, leaves, NO_PARENT),
        parents=parents,
        depths=_depths(parents),
        costs=of_splits(costs),
        stages=of_splits(merges.stages),
        num_nodes=(2 * num_splits + 1).astype(jnp.int32),
    )


def levels_of(nodes: Nodes) -> Float[Array, "n n"]:
    """Levels at which the leaves of a tree merge, for `agglomerate`.

    Two leaves merge the later, the sooner the split between them is opened from low to
    high cost: with the leaf of every vertex as its group, the merges of groups undo
    the tree.

    Args:
      nodes: those of one tree, as `grow` makes it.

    Returns:
      ``[n, n]``, from 1 to n for leaves; entries of inner nodes and padding mean
      nothing.
    """
    parents = nodes.parents
    n = parents.shape[0]
    ids = jnp.arange(n, dtype=jnp.int32)

    def body_fn(j: Int[Array, ""], common: Int[Array, "n n"]) -> Int[Array, "n n"]:
        # Nodes before j are no descendants of it, so they meet j where they meet its
        # parent.
        row = jnp.where(ids < j, common[parents[j]], common[j])
        row = row.at[j].set(j)
        common = common.at[j].set(row)
        return common.at[:, j].set(row)

    common = jnp.full((n, n), ROOT, jnp.int32)
    common = jax.lax.fori_loop(1, n, body_fn, common)
    slots = jnp.where(parents == NO_PARENT, n, parents)
    opened = jnp.full((n,), n, jnp.int32).at[slots].min(entry_ranks(nodes), mode="drop")
    return (n + 1 - opened[common]).astype(nodes.costs.dtype)


def level_costs(nodes: Nodes, levels: Float[Array, " t"]) -> Float[Array, " t"]:
    """Costs of the splits that lie at some levels of `levels_of`.

    Args:
      nodes: those of the tree that the levels are of.
      levels: levels; what is none of the tree's has no meaning here either.
    """
    n = nodes.parents.shape[0]
    is_child = nodes.parents != NO_PARENT
    above = jnp.where(is_child, nodes.parents, ROOT)
    costs = split_costs(nodes.parents, nodes.costs)[above]
    slots = jnp.where(is_child, n + 1 - entry_ranks(nodes), n + 2)
    by_level = jnp.zeros((n + 2,), costs.dtype).at[slots].set(costs, mode="drop")
    return by_level[jnp.clip(levels, 0, n + 1).astype(jnp.int32)]


def _depths(parents: Int[Array, " n"]) -> Int[Array, " n"]:
    """Edges between every node and the root; 0 for padding."""
    below: Bool[Array, " n"] = parents != NO_PARENT
    depths, above = below.astype(jnp.int32), jnp.where(below, parents, ROOT)
    for _ in range(doublings(parents.shape[0])):
        depths, above = depths + depths[above], above[above]
    return depths


def _rows(values: Array, index: Int[Array, " k"]) -> Array:
    """Entries of an array that may be empty; then nothing is taken of the result."""
    padding = [(0, 1)] + [(0, 0)] * (values.ndim - 1)
    return jnp.pad(values, padding)[index]
