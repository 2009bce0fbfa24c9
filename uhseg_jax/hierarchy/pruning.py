"""Fewer nodes: the tree above a cut, and one whose leaves have lost their cells."""

import functools

import jax
import jax.numpy as jnp

from uhseg_jax.hierarchy.cuts import (
    NO_PARENT,
    ROOT,
    Nodes,
    ancestry,
    is_visible,
    nearest_marked,
)
from uhseg_jax.types import Array, Bool, Int

__all__ = ["collapse_empty", "prune"]

Numbered = tuple[Nodes, Int[Array, " n"]]


@functools.partial(jax.jit, static_argnames="kind")
def prune(nodes: Nodes, bound: Array | float, *, kind: str) -> Numbered:
    """Keeps the nodes at or above a cut, in their order.

    Returns:
      The tree that remains, and for every old node the number of the new one as which
      it is seen.
    """
    is_node = jnp.arange(nodes.parents.shape[0]) < nodes.num_nodes
    return _keep(nodes, nodes.depths, is_visible(nodes, bound, kind=kind) & is_node)


@jax.jit
def collapse_empty(nodes: Nodes, areas: Int[Array, " n"]) -> Numbered:
    """Removes nodes without cells, and nodes that are all that is left of their parent.

    An only child is the same region as its parent, so the parent takes its place and
    its children. What remains keeps its order and its cost; every inner node has two
    children or more, and depths are counted anew.

    Args:
      nodes: the nodes of one tree.
      areas: cells of every leaf; those of inner nodes and of padding must be 0.

    Returns:
      The tree that remains, and for every old node the number of the new one that holds
      its cells; the root always stays.
    """
    parents = nodes.parents
    n = parents.shape[0]
    ids = jnp.arange(n, dtype=jnp.int32)
    contains = ancestry(parents)
    occupied = areas > 0
    alive = jnp.any(contains & occupied[None, :], axis=1) & (ids < nodes.num_nodes)
    slots = jnp.where(alive & (parents != NO_PARENT), parents, n)
    alive_children = jnp.zeros((n,), jnp.int32).at[slots].add(1, mode="drop")
    above = jnp.where(parents == NO_PARENT, ROOT, parents)
    kept = (alive & (alive_children[above] > 1)) | (ids == ROOT)
    depths = jnp.sum(contains & kept[:, None], axis=0, dtype=jnp.int32) - 1
    return _keep(nodes, depths, kept)


def _keep(nodes: Nodes, depths: Int[Array, " n"], kept: Bool[Array, " n"]) -> Numbered:
    """Some of the nodes, in their order and without gaps.

    Each hangs from its nearest ancestor that is kept, and those that are not are seen
    as theirs.

    Args:
      nodes: the nodes of one tree.
      depths: int32 ``[n]``, in the tree that remains.
      kept: ``[n]``; true for the root, false for padding.
    """
    parents = nodes.parents
    n = parents.shape[0]
    number = jnp.cumsum(kept).astype(jnp.int32) - 1
    holder = nearest_marked(parents, kept)
    slots = jnp.where(kept, number, n)

    def moved(values: Array, fill: int) -> Array:
        empty = jnp.full((n,), fill, values.dtype)
        return empty.at[slots].set(values, mode="drop")

    above = jnp.where(parents == NO_PARENT, NO_PARENT, number[holder[parents]])
    kept_nodes = Nodes(
        parents=moved(above, NO_PARENT),
        depths=moved(depths, 0),
        costs=moved(nodes.costs, 0),
        num_nodes=jnp.sum(kept).astype(jnp.int32),
    )
    return kept_nodes, number[holder]
