"""Cuts of a tree: which splits to open, and the node that each leaf is then seen as.

Pure functions of the node arrays of a `RegionTree`; all of them jit and vmap. A split
belongs to the node that it divides; it is open when that node is seen as its children.
Of every kind of cut a node has a bound up to which it stays whole, so that a cut is one
comparison: `opening_bounds`.
"""

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from uhseg_jax.derivatives import constant
from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.types import Array, Bool, Float, Int

__all__ = [
    "NO_PARENT",
    "ROOT",
    "Nodes",
    "ancestry",
    "entry_ranks",
    "is_leaf",
    "nearest_marked",
    "num_children",
    "opening_bounds",
    "opening_costs",
    "resolve_criterion",
    "split_costs",
    "visible_nodes",
]

ROOT = 0
"""The node of the whole image."""

NO_PARENT = -1
"""Parent of the root, and of padding."""

_MAX_COST = float(np.finfo(np.float32).max)


@pytree_dataclass
class Nodes:
    """The node arrays of a `RegionTree`, padded or not.

    Attributes:
      parents: int32 ``[n]``; padding holds ``NO_PARENT``.
      depths: int32 ``[n]``.
      costs: ``[n]``.
      num_nodes: int32 ``[]``.
    """

    parents: Int[Array, " n"]
    depths: Int[Array, " n"]
    costs: Float[Array, " n"]
    num_nodes: Int[Array, ""]


@jax.jit
def num_children(parents: Int[Array, " n"]) -> Int[Array, " n"]:
    """Number of children of every node; padding has none and is nobody's child."""
    n = parents.shape[0]
    slots = jnp.where(parents == NO_PARENT, n, parents)
    return jnp.zeros((n,), jnp.int32).at[slots].add(1, mode="drop")


@jax.jit
def is_leaf(nodes: Nodes) -> Bool[Array, " n"]:
    """True for the nodes without children; False for inner nodes and padding."""
    is_node = jnp.arange(nodes.parents.shape[0]) < nodes.num_nodes
    return is_node & (num_children(nodes.parents) == 0)


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


def split_costs(
    parents: Int[Array, " n"], costs: Float[Array, " n"]
) -> Float[Array, " n"]:
    """Cost of splitting each node, the mean cost of its children; inf for leaves."""
    n = parents.shape[0]
    slots = jnp.where(parents == NO_PARENT, n, parents)
    total = jnp.zeros((n,), costs.dtype).at[slots].add(costs, mode="drop")
    count = num_children(parents)
    mean = total / jnp.maximum(count, 1).astype(costs.dtype)
    return jnp.where(count > 0, mean, jnp.inf)


def opening_costs(
    parents: Int[Array, " n"], costs: Float[Array, " n"]
) -> Float[Array, " n"]:
    """The cost at which each node divides: that of the costliest split down to it.

    inf for leaves and padding.
    """
    above = ancestry(parents)
    costs = split_costs(parents, costs)
    return jnp.max(jnp.where(above, costs[:, None], -jnp.inf), axis=0)


@jax.jit
def entry_ranks(nodes: Nodes) -> Int[Array, " n"]:
    """Number of splits opened, from low to high cost, when each node enters.

    At every step the split of lowest cost whose ancestors are open is opened next
    (ties: the lower node id). The root enters at 0, its children at 1; padding holds
    ``n``.
    """
    n = nodes.parents.shape[0]
    costs = split_costs(nodes.parents, nodes.costs)
    is_root = (jnp.arange(n) == ROOT) & (nodes.num_nodes > 0)

    def body_fn(
        step: Int[Array, ""], state: tuple[Int[Array, " n"], Bool[Array, " n"]]
    ) -> tuple[Int[Array, " n"], Bool[Array, " n"]]:
        ranks, opened = state
        candidates = jnp.where((ranks < n) & ~opened, costs, jnp.inf)
        lowest = jnp.argmin(candidates)
        found = jnp.isfinite(candidates[lowest])
        enters = found & (nodes.parents == lowest)
        ranks = jnp.where(enters, step + 1, ranks).astype(jnp.int32)
        return ranks, opened.at[lowest].set(opened[lowest] | found)

    # A tree of n nodes has fewer than n / 2 + 1 splits with two or more children.
    first = jnp.where(is_root, 0, n).astype(jnp.int32)
    ranks, _ = jax.lax.fori_loop(0, n // 2 + 1, body_fn, (first, jnp.zeros((n,), bool)))
    return ranks


def opening_bounds(nodes: Nodes, kind: str) -> Array:
    """The bound up to which each node stays whole in cuts of a kind; beyond it divides.

    Leaves and padding never divide. A bound is never below that of the parent, so cuts
    of one kind are nested.

    Args:
      nodes: the nodes of one tree.
      kind: "num_regions", "depth" or "cost", see `RegionTree.cut`.
    """
    if kind == "cost":
        return opening_costs(nodes.parents, nodes.costs)
    if kind == "depth":
        bounds = nodes.depths
    else:
        n = nodes.parents.shape[0]
        ranks = entry_ranks(nodes)
        # After r splits, the nodes of rank <= r have entered and r of them are divided.
        entered = jnp.zeros((n + 1,), jnp.int32).at[ranks].add(1)
        regions = jnp.cumsum(entered[:n]) - jnp.arange(n, dtype=jnp.int32)
        slots = jnp.where(nodes.parents == NO_PARENT, n, nodes.parents)
        opened = jnp.full((n,), n, jnp.int32).at[slots].min(ranks, mode="drop")
        bounds = jnp.where(opened < n, regions[jnp.minimum(opened, n - 1)] - 1, n)
    never = jnp.iinfo(bounds.dtype).max
    return jnp.where(num_children(nodes.parents) > 0, bounds, never)


@functools.partial(jax.jit, static_argnames="kind")
def visible_nodes(nodes: Nodes, bound: Array | float, *, kind: str) -> Int[Array, " n"]:
    """The node as which each node is seen in a cut; padding as itself.

    Itself if every node above it is open, or else its highest ancestor that is not.
    """
    nodes, bound = constant("A cut of a tree has no derivative", (nodes, bound))
    return nearest_marked(nodes.parents, is_visible(nodes, bound, kind=kind))


def is_visible(nodes: Nodes, bound: Array | float, *, kind: str) -> Bool[Array, " n"]:
    """Which nodes lie at or above a cut: all that are above each are open."""
    opened = opening_bounds(nodes, kind) < bound
    above = jnp.where(nodes.parents == NO_PARENT, ROOT, nodes.parents)
    return (nodes.parents == NO_PARENT) | opened[above]


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


def resolve_criterion(
    caller: str, criteria: dict[str, Any], *, num_nodes: int
) -> tuple[str, Any]:
    """The one criterion given, and its value.

    Args:
      caller: name of the method, for messages.
      criteria: values of ``num_regions``, ``depth`` and ``cost``; None if not given.
      num_nodes: length of the tree's arrays; more regions or levels there are not.

    Returns:
      Its name and its value, a Python number no larger than can make a difference; a
      traced value as it is.

    Raises:
      ValueError: not exactly one is given, or it is no number in its range.
    """
    given = {kind: x for kind, x in criteria.items() if x is not None}
    if len(given) != 1:
        raise ValueError(
            f"{caller} takes exactly one of num_regions, depth and cost, but got "
            f"{' and '.join(given) or 'none'}; for example "
            f"tree.{caller}(num_regions=8)."
        )
    ((kind, value),) = given.items()
    if isinstance(value, jax.core.Tracer):
        return kind, jnp.floor(value) if kind == "num_regions" else value
    number = np.asarray(value).item() if np.ndim(value) == 0 else value
    if not isinstance(number, (int, float)):
        raise ValueError(f"{kind} must be a number, but is {value!r}.")
    lowest = 1 if kind == "num_regions" else 0
    if not number >= lowest:
        raise ValueError(f"{kind} must be at least {lowest}, but is {value}.")
    if kind == "cost":
        return kind, float(min(number, _MAX_COST))
    number = min(number, num_nodes)
    return kind, math.floor(number) if kind == "num_regions" else number
