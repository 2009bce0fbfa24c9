"""Cuts of a tree: which splits to open, and the node each leaf is then seen as.

Pure functions of the node arrays of a `RegionTree`; all of them jit and vmap. A split
belongs to the node that it divides; it is open when that node is seen as its children.
"""

import math

import jax
import jax.numpy as jnp

from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.types import Array, Bool, Float, Int

__all__ = [
    "NO_PARENT",
    "ROOT",
    "PrunedNodes",
    "ancestry",
    "entry_ranks",
    "is_leaf",
    "keep_nodes",
    "num_children",
    "open_by_cost",
    "open_by_depth",
    "open_by_num_regions",
    "prune",
    "split_costs",
    "visible_ancestors",
]

ROOT = 0
NO_PARENT = -1


@jax.jit
def num_children(parents: Int[Array, " n"]) -> Int[Array, " n"]:
    """Number of children of every node; padding has none and is nobody's child."""
    n = parents.shape[0]
    slots = jnp.where(parents == NO_PARENT, n, parents)
    return jnp.zeros((n,), jnp.int32).at[slots].add(1, mode="drop")


def split_costs(
    parents: Int[Array, " n"], costs: Float[Array, " n"]
) -> Float[Array, " n"]:
    """Price of splitting each node, the mean cost of its children; inf for leaves."""
    n = parents.shape[0]
    slots = jnp.where(parents == NO_PARENT, n, parents)
    total = jnp.zeros((n,), costs.dtype).at[slots].add(costs, mode="drop")
    count = num_children(parents)
    mean = total / jnp.maximum(count, 1).astype(costs.dtype)
    return jnp.where(count > 0, mean, jnp.inf)


@jax.jit
def is_leaf(parents: Int[Array, " n"], num_nodes: Int[Array, ""]) -> Bool[Array, " n"]:
    """True for the nodes without children; False for inner nodes and padding."""
    return (jnp.arange(parents.shape[0]) < num_nodes) & (num_children(parents) == 0)


@jax.jit
def ancestry(parents: Int[Array, " n"]) -> Bool[Array, "n n"]:
    """``[i, j]``: node i is node j or one of j's ancestors."""
    n = parents.shape[0]

    def body_fn(j: Int[Array, ""], contains: Bool[Array, "n n"]) -> Bool[Array, "n n"]:
        parent = parents[j]
        above = contains[:, parent] & (parent != NO_PARENT)
        return contains.at[:, j].set(contains[:, j] | above)

    # Parents precede children, so one pass in order completes every column.
    return jax.lax.fori_loop(0, n, body_fn, jnp.eye(n, dtype=bool))


@jax.jit
def entry_ranks(
    parents: Int[Array, " n"], costs: Float[Array, " n"], num_nodes: Int[Array, ""]
) -> Int[Array, " n"]:
    """Number of splits opened, from cheap to dear, when each node enters.

    At every step the cheapest split whose ancestors are open is opened next (ties: the
    lower node id). The root enters at 0, its children at 1; padding holds ``n``.
    """
    n = parents.shape[0]
    prices = split_costs(parents, costs)
    ids = jnp.arange(n, dtype=jnp.int32)
    first = jnp.where((ids == ROOT) & (num_nodes > 0), 0, n).astype(jnp.int32)

    def body_fn(
        step: Int[Array, ""], state: tuple[Int[Array, " n"], Bool[Array, " n"]]
    ) -> tuple[Int[Array, " n"], Bool[Array, " n"]]:
        ranks, opened = state
        candidates = jnp.where((ranks < n) & ~opened, prices, jnp.inf)
        cheapest = jnp.argmin(candidates)
        found = jnp.isfinite(candidates[cheapest])
        enters = found & (parents == cheapest)
        ranks = jnp.where(enters, step + 1, ranks).astype(jnp.int32)
        return ranks, opened.at[cheapest].set(opened[cheapest] | found)

    # A tree of n nodes has fewer than n / 2 + 1 splits with two or more children.
    steps = n // 2 + 1
    ranks, _ = jax.lax.fori_loop(0, steps, body_fn, (first, jnp.zeros((n,), bool)))
    return ranks


@jax.jit
def open_by_num_regions(
    parents: Int[Array, " n"],
    costs: Float[Array, " n"],
    depths: Int[Array, " n"],
    num_nodes: Int[Array, ""],
    num_regions: Int[Array, ""],
) -> Bool[Array, " n"]:
    """Opens the cheapest splits in turn while at most ``num_regions`` regions result.

    It stops at the first split that does not fit, so cuts are nested across calls.
    """
    del depths
    n = parents.shape[0]
    ranks = entry_ranks(parents, costs, num_nodes)
    children = num_children(parents)
    entered = jnp.zeros((n + 1,), jnp.int32).at[ranks].add(1)
    # After r splits, the nodes of rank <= r have entered and r of them are divided.
    regions = jnp.cumsum(entered[:n]) - jnp.arange(n, dtype=jnp.int32)
    num_splits = jnp.sum(children > 0)
    steps = jnp.arange(n, dtype=jnp.int32)
    fits = (regions <= num_regions) & (steps <= num_splits)
    opened = jnp.max(jnp.where(fits, steps, 0))
    first_child = (
        jnp.full((n,), n, jnp.int32)
        .at[jnp.where(parents == NO_PARENT, n, parents)]
        .min(ranks, mode="drop")
    )
    return (children > 0) & (first_child <= opened)


@jax.jit
def open_by_depth(
    parents: Int[Array, " n"],
    costs: Float[Array, " n"],
    depths: Int[Array, " n"],
    num_nodes: Int[Array, ""],
    depth: Int[Array, ""],
) -> Bool[Array, " n"]:
    """Opens every split of a node above ``depth``."""
    del costs, num_nodes
    return (num_children(parents) > 0) & (depths < depth)


@jax.jit
def open_by_cost(
    parents: Int[Array, " n"],
    costs: Float[Array, " n"],
    depths: Int[Array, " n"],
    num_nodes: Int[Array, ""],
    cost: Float[Array, ""],
) -> Bool[Array, " n"]:
    """Opens every split cheaper than ``cost`` whose ancestors are open."""
    del depths, num_nodes
    cheap = split_costs(parents, costs) < cost
    # A node is open if no node from the root down to it is dear.
    contains = ancestry(parents)
    return ~jnp.any(contains & ~cheap[:, None], axis=0)


@jax.jit
def visible_ancestors(
    parents: Int[Array, " n"], open_nodes: Bool[Array, " n"]
) -> Int[Array, " n"]:
    """The node as which each node is seen: itself, or its highest ancestor not open.

    ``open_nodes`` must hold the ancestors of each of its members.
    """
    above = jnp.where(parents == NO_PARENT, ROOT, parents)
    return nearest_marked(parents, (parents == NO_PARENT) | open_nodes[above])


def nearest_marked(
    parents: Int[Array, " n"], marked: Bool[Array, " n"]
) -> Int[Array, " n"]:
    """Each node itself if it is marked, or else its nearest ancestor that is.

    A node without a marked one above it stands for itself if it has no parent.
    """
    n = parents.shape[0]
    ids = jnp.arange(n, dtype=jnp.int32)
    target = jnp.where(marked | (parents == NO_PARENT), ids, parents)
    for _ in range(max(1, math.ceil(math.log2(n + 1)))):  # pointer doubling
        target = target[target]
    return target


@pytree_dataclass
class PrunedNodes:
    """Node arrays of a tree above a cut, with the numbers of old nodes in it.

    Attributes:
      numbers: int32 ``[n]``, new number of the node as which each old one is seen.
      parents: int32 ``[n]``; padding holds ``NO_PARENT``.
      depths: int32 ``[n]``.
      costs: ``[n]``.
      num_nodes: int32 ``[]``.
    """

    numbers: Int[Array, " n"]
    parents: Int[Array, " n"]
    depths: Int[Array, " n"]
    costs: Float[Array, " n"]
    num_nodes: Int[Array, ""]


@jax.jit
def prune(
    parents: Int[Array, " n"],
    costs: Float[Array, " n"],
    depths: Int[Array, " n"],
    num_nodes: Int[Array, ""],
    open_nodes: Bool[Array, " n"],
) -> PrunedNodes:
    """Keeps the nodes at or above a cut, in their order and without gaps."""
    ids = jnp.arange(parents.shape[0], dtype=jnp.int32)
    seen = (ids == ROOT) | open_nodes[jnp.where(parents == NO_PARENT, ROOT, parents)]
    return keep_nodes(parents, costs, depths, seen & (ids < num_nodes))


def keep_nodes(
    parents: Int[Array, " n"],
    costs: Float[Array, " n"],
    depths: Int[Array, " n"],
    kept: Bool[Array, " n"],
) -> PrunedNodes:
    """Some of the nodes, in their order and without gaps.

    Each hangs from its nearest ancestor that is kept, and those that are not are seen
    as theirs.

    Args:
      parents: int32 ``[n]``; padding holds ``NO_PARENT``.
      costs: ``[n]``.
      depths: int32 ``[n]``, in the tree that remains.
      kept: ``[n]``; true for the root, false for padding.
    """
    n = parents.shape[0]
    number = jnp.cumsum(kept).astype(jnp.int32) - 1
    holder = nearest_marked(parents, kept)
    slots = jnp.where(kept, number, n)

    def moved(values: Array, fill: int) -> Array:
        empty = jnp.full((n,), fill, values.dtype)
        return empty.at[slots].set(values, mode="drop")

    above = jnp.where(parents == NO_PARENT, NO_PARENT, number[holder[parents]])
    return PrunedNodes(
        numbers=number[holder],
        parents=moved(above, NO_PARENT),
        depths=moved(depths, 0),
        costs=moved(costs, 0),
        num_nodes=jnp.sum(kept).astype(jnp.int32),
    )
