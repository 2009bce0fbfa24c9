"""The self-attention maps of a U-Net, summed by resolution.

At 64 x 64 cells one map is 4,096 x 4,096: 67 MB, and Stable Diffusion 1 has eight heads
in each of five layers there. Heads are gone through one after the other, so all that is
ever held of them is their mean, and a layer's mean is added to those before it where it
lies.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from uhseg_jax.backbones.diffusion.spec import UNetSpec
from uhseg_jax.backbones.products import product
from uhseg_jax.backbones.vit.attention import AttentionRule, attend
from uhseg_jax.types import Array, Float, Int

__all__ = [
    "AttentionSum",
    "AttentionSums",
    "attend_and_add",
    "attend_recorded",
    "empty_sums",
]

# Rows of a map made at a time; see `vit.attention`.
_CHUNK = 256


class AttentionSum(NamedTuple):
    """Maps of one resolution (h, w), added up.

    Attributes:
      total: the sum over layers and forwards of the mean over heads, n = h w cells row
        by row. Row i of a map is a distribution over the cells that cell i takes from,
        so every row sums to ``num_maps``. float32.
      num_maps: how many they are.
    """

    total: Float[Array, "b n n"]
    num_maps: Int[Array, ""]


AttentionSums = dict[tuple[int, int], AttentionSum]


def empty_sums(spec: UNetSpec, batch: int, grid: tuple[int, int]) -> AttentionSums:
    """Sums of no maps, which a forward adds its own to.

    Args:
      spec: the U-Net.
      batch: number of latents.
      grid: rows and columns of a latent.

    Returns:
      Zeros for every resolution at which the U-Net has self-attention.
    """
    last = len(spec.channels) - 1
    depths = [
        *enumerate(spec.down_depths),
        (last, (spec.middle_depth or 0,)),
        *((last - index, depths) for index, depths in enumerate(spec.up_depths)),
    ]
    sums = {}
    for level in sorted({level for level, blocks in depths if any(blocks)}):
        cells = (grid[0] >> level, grid[1] >> level)
        n = cells[0] * cells[1]
        sums[cells] = AttentionSum(
            jnp.zeros((batch, n, n), jnp.float32), jnp.zeros((), jnp.int32)
        )
    return sums


def attend_recorded(
    query: Float[Array, "b n d"],
    key: Float[Array, "b n d"],
    value: Float[Array, "b n d"],
    sums: AttentionSums | None,
    *,
    grid: tuple[int, int],
    heads: int,
    rule: AttentionRule,
    dtype: Any,
) -> tuple[Float[Array, "b n d"], AttentionSums | None]:
    """Self-attention that adds its map to the sum of its resolution.

    Args:
      query: queries, the heads side by side in the channels.
      key: keys, likewise.
      value: values, likewise.
      sums: of the layers before; None where no map is to be made.
      grid: rows and columns of the cells.
      heads: number of heads.
      rule: how attention is evaluated without a map (`vit.attention.attend`). A map is
        made head by head; in slabs of rows if ``"chunked"``.
      dtype: of the operands of the matrix products.

    Returns:
      Mixed values, in the dtype of ``value``, and the sums with this layer.
    """
    if sums is None:
        mixed = attend(query, key, value, heads=heads, rule=rule, dtype=dtype)
        return mixed, None
    before, n = sums[grid], query.shape[1]
    mixed, total = attend_and_add(
        query,
        key,
        value,
        before.total,
        heads=heads,
        rows=_rows(n) if rule == "chunked" else n,
        dtype=dtype,
    )
    return mixed, {**sums, grid: AttentionSum(total, before.num_maps + 1)}


def attend_and_add(
    query: Float[Array, "b n d"],
    key: Float[Array, "b n d"],
    value: Float[Array, "b n d"],
    total: Float[Array, "b n n"],
    *,
    heads: int,
    rows: int,
    dtype: Any,
) -> tuple[Float[Array, "b n d"], Float[Array, "b n n"]]:
    """Multi-head self-attention whose map is added to others.

    Args:
      query: queries, the heads side by side in the channels.
      key: keys, likewise.
      value: values, likewise.
      total: what the map is added to.
      heads: number of heads.
      rows: of the map that are made at a time; they divide n.
      dtype: of the operands of the matrix products.

    Returns:
      Mixed values, in the dtype of ``value``, and ``total`` with the mean of the heads'
      softmax maps added, in float32.
    """
    batch, n, width = query.shape
    slabs = n // rows
    scale = (width // heads) ** -0.5

    def by_head(tokens: Array) -> Array:
        tokens = tokens.astype(dtype).reshape(batch, n, heads, -1)
        return tokens.transpose(0, 2, 1, 3)

    keys, values = by_head(key), by_head(value)
    # One after the other: the slabs of all images.
    queries = by_head(query * scale).reshape(batch, heads, slabs, rows, -1)
    queries = queries.transpose(0, 2, 1, 3, 4).reshape(batch * slabs, heads, rows, -1)

    def one_slab(maps: Array, step: tuple[Array, Array]) -> tuple[Array, Array]:
        index, slab = step
        image = index // slabs

        def one_head(
            mean: Array, tensors: tuple[Array, Array, Array]
        ) -> tuple[Array, Array]:
            queries, keys, values = tensors
            logits = product("qc,kc->qk", queries, keys, dtype=dtype)
            weights = jnp.exp(logits - jnp.max(logits, axis=-1, keepdims=True))
            inverse = 1.0 / jnp.sum(weights, axis=-1, keepdims=True)
            mixed = product("qk,kc->qc", weights, values, dtype=dtype)
            return mean + weights * (inverse / heads), mixed * inverse

        mean, mixed = jax.lax.scan(
            one_head, jnp.zeros((rows, n)), (slab, keys[image], values[image])
        )
        return maps.at[index].add(mean), mixed

    maps, mixed = jax.lax.scan(
        one_slab,
        total.reshape(batch * slabs, rows, n),
        (jnp.arange(batch * slabs), queries),
    )
    mixed = mixed.reshape(batch, slabs, heads, rows, -1).transpose(0, 1, 3, 2, 4)
    mixed = mixed.reshape(batch, n, width).astype(value.dtype)
    return mixed, maps.reshape(batch, n, n)


def _rows(n: int) -> int:
    """The most rows of a slab that tile n without a rest."""
    return max(rows for rows in range(1, min(n, _CHUNK) + 1) if n % rows == 0)
