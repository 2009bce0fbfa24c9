"""The order in which pairs of regions merge: stage first, then dissimilarity or level.

Both are one number, the key of a pair.
"""

import jax
import jax.numpy as jnp

from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.spectral import numerics
from uhseg_jax.types import Array, Float, Int, Scalar

__all__ = ["MergeRule", "Row", "heights_of", "pair_keys"]

# Keys of a later stage are larger by their exponents: a power of two scales exactly,
# where an added constant would round the dissimilarities.
_LARGEST = 2.0**24  # values beyond are ties, and in later stages those below 1 / it
_STAGE = 2.0**49

Row = tuple[Float[Array, " n"], Float[Array, " n"], Float[Array, " n"]]
"""Squared distances of centroids, and evidence and lengths of common borders."""


@pytree_dataclass
class MergeRule:
    """What does not change as regions merge.

    Attributes:
      edge_weight: ``[]``.
      exponent: ``[]``.
      groups: int32 ``[n]``, group of every vertex.
      levels: ``[g, n]``, level of a group and the group of a vertex.
    """

    edge_weight: Scalar
    exponent: Scalar
    groups: Int[Array, " n"]
    levels: Float[Array, "g n"]


def pair_keys(
    rule: MergeRule, areas: Float[Array, " n"], slot: Int[Array, ""], row: Row
) -> Float[Array, " n"]:
    """What pairs of one slot are ordered by: stage, then dissimilarity or level.

    inf for pairs with empty slots and of the slot with itself.
    """
    distances, evidence, lengths = row
    slots = jnp.arange(areas.shape[0], dtype=jnp.int32)
    others = (areas > 0) & (areas[slot] > 0) & (slots != slot)
    border = numerics.ratio(evidence, lengths, empty=0.0)
    total = jnp.where(others, areas + areas[slot], 1)
    sizes = jnp.where(others, areas * areas[slot], 1) / total
    factor = jnp.exp(rule.exponent * jnp.log(sizes))  # twice as fast as a power
    cost = jnp.minimum((distances + rule.edge_weight * border) * factor, _LARGEST)
    level = rule.levels[rule.groups[slot]]
    same = rule.groups == rule.groups[slot]
    late = jnp.clip(jnp.where(same, cost, level), 1 / _LARGEST, _LARGEST)
    late = late * jnp.where(same, _STAGE, _STAGE * _STAGE)
    keys = jnp.where(same & (lengths > 0), cost, late)
    return jnp.where(others & (same | jnp.isfinite(level)), keys, jnp.inf)


def heights_of(
    keys: Float[Array, " t"],
) -> tuple[Float[Array, " t"], Int[Array, " t"]]:
    """Running maxima within every stage, and the stages, of the keys of merges."""
    highest = jax.lax.cummax(keys)
    apart, groups = highest > _LARGEST, highest > _LARGEST * _STAGE
    heights = highest / jnp.where(groups, _STAGE * _STAGE, jnp.where(apart, _STAGE, 1))
    return heights, apart.astype(jnp.int32) + groups.astype(jnp.int32)
