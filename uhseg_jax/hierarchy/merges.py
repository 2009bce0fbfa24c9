"""How regions joined, pair by pair, and the flat regions in between."""

import math

import jax.numpy as jnp

from uhseg_jax.hierarchy.cuts import NO_PARENT
from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.types import Array, Bool, Float, Int

__all__ = [
    "APART",
    "GROUPS",
    "TOUCHING",
    "Merges",
    "doublings",
    "flat_regions",
    "holders",
]

TOUCHING = 0
"""The stage of merging in which regions of one group join that touch."""

APART = 1
"""The stage in which regions of one group join that lie apart."""

GROUPS = 2
"""The stage in which whole groups join."""


@pytree_dataclass
class Merges:
    """How regions joined, in order.

    Region ``i < n`` is a vertex, region ``n + t`` what merge ``t`` makes.

    Attributes:
      children: int32 ``[n - 1, 2]``, the regions that join, that of the lowest vertex
        first; ``NO_PARENT`` from ``count`` on.
      heights: ``[n - 1]``, the largest dissimilarity of the stage so far, so that they
        never fall within a stage; in stage ``GROUPS`` the level; inf from ``count`` on.
      stages: int32 ``[n - 1]``, never falling: ``TOUCHING`` regions of one group,
        regions of one group that lie ``APART``, whole ``GROUPS``, as from ``count`` on.
      count: int32 ``[]``, how many merges there are.
      members: ``[n]``, the vertices that are not padding.
    """

    children: Int[Array, "t 2"]
    heights: Float[Array, " t"]
    stages: Int[Array, " t"]
    count: Int[Array, ""]
    members: Bool[Array, " n"]


def flat_regions(
    merges: Merges, num_regions: int | Int[Array, ""]
) -> tuple[Int[Array, " n"], Int[Array, ""]]:
    """The regions before the last ``num_regions - 1`` merges.

    Args:
      merges: of n vertices.
      num_regions: at least 1.

    Returns:
      int32 ``[n]``, region of every vertex, numbered from 0 in the order of their
      lowest vertices, ``NO_PARENT`` for padding; and how many regions there are: fewer
      where there are fewer vertices, more where regions have no merge left.
    """
    n = merges.members.shape[0]
    vertices = jnp.arange(n, dtype=jnp.int32)
    found = holders(merges, merges.count - (num_regions - 1))
    lowest = jnp.full((2 * n - 1,), n, jnp.int32).at[found].min(vertices)
    lowest = lowest[found]
    first = merges.members & (lowest == vertices)
    numbers = jnp.cumsum(first).astype(jnp.int32) - 1
    labels = jnp.where(merges.members, numbers[lowest], NO_PARENT)
    return labels, jnp.sum(first).astype(jnp.int32)


def holders(merges: Merges, num_merges: int | Int[Array, ""]) -> Int[Array, " n"]:
    """The region that holds every vertex after the first merges."""
    n = merges.members.shape[0]
    regions = jnp.arange(2 * n - 1, dtype=jnp.int32)
    unions = jnp.broadcast_to(regions[n:, None], (n - 1, 2))
    done = regions[: n - 1] < num_merges
    slots = jnp.where(done[:, None], merges.children, 2 * n)
    above = regions.at[slots].set(unions, mode="drop")
    for _ in range(doublings(2 * n)):
        above = above[above]
    return above[:n]


def doublings(n: int) -> int:
    """How often pointers are doubled until they span n nodes."""
    return max(1, math.ceil(math.log2(n)))
