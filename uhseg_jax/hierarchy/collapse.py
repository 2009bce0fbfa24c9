"""Closing a tree up after some of its leaves have lost all their cells."""

import jax
import jax.numpy as jnp

from uhseg_jax.hierarchy.cuts import (
    NO_PARENT,
    ROOT,
    PrunedNodes,
    ancestry,
    keep_nodes,
)
from uhseg_jax.types import Array, Float, Int

__all__ = ["collapse_empty"]


@jax.jit
def collapse_empty(
    parents: Int[Array, " n"],
    costs: Float[Array, " n"],
    num_nodes: Int[Array, ""],
    areas: Int[Array, " n"],
) -> PrunedNodes:
    """Removes nodes without cells, and nodes that are all that is left of their parent.

    An only child is the same region as its parent, so the parent takes its place and
    its children. What remains keeps its order and its cost; every inner node has two
    children or more, and depths are counted anew.

    Args:
      parents: int32 ``[n]``, as in a `RegionTree`.
      costs: float ``[n]``.
      num_nodes: int32 ``[]``.
      areas: cells of every leaf; those of inner nodes and of padding must be 0.

    Returns:
      The tree that remains. ``numbers`` gives for every old node the new one that holds
      its cells; the root always stays.
    """
    n = parents.shape[0]
    ids = jnp.arange(n, dtype=jnp.int32)
    contains = ancestry(parents)
    occupied = areas > 0
    alive = jnp.any(contains & occupied[None, :], axis=1) & (ids < num_nodes)
    slots = jnp.where(alive & (parents != NO_PARENT), parents, n)
    alive_children = jnp.zeros((n,), jnp.int32).at[slots].add(1, mode="drop")
    above = jnp.where(parents == NO_PARENT, ROOT, parents)
    kept = (alive & (alive_children[above] > 1)) | (ids == ROOT)

    depths = jnp.sum(contains & kept[:, None], axis=0, dtype=jnp.int32) - 1
    return keep_nodes(parents, costs, depths, kept)
