"""Softmax attention over all tokens, without whole matrices in memory.

At 840 x 840 a ViT-S/14 has 3,601 tokens: one head's attention matrix takes 52 MB. Made
whole, six of them pass through main memory several times, which on a CPU costs more
than the arithmetic.
"""

import math
from typing import Any, Literal

import jax
import jax.numpy as jnp

from uhseg_jax.backbones.products import matmul_precision, product
from uhseg_jax.types import Array, Float

__all__ = [
    "AttentionRule",
    "attend",
    "attention_weights",
    "class_attention",
    "default_attention",
]

AttentionRule = Literal["chunked", "whole", "fused"]

# Rows of the attention matrix made at a time: with a few thousand keys the slab stays
# in the cache between the two products, which are slower the fewer rows they have.
_CHUNK = 768


def default_attention() -> AttentionRule:
    """The faster rule here: "whole" on accelerators, where XLA does the blocking."""
    return "chunked" if jax.default_backend() == "cpu" else "whole"


def attend(
    query: Float[Array, "b n d"],
    key: Float[Array, "b n d"],
    value: Float[Array, "b n d"],
    *,
    heads: int,
    rule: AttentionRule,
    dtype: Any,
) -> Float[Array, "b n d"]:
    """Multi-head attention of every token to every token.

    Args:
      query: queries, the heads side by side in the channels.
      key: keys, likewise.
      value: values, likewise.
      heads: number of heads.
      rule: ``"chunked"`` goes through heads and slabs of queries one after the other
        and never holds a whole attention matrix; ``"whole"`` leaves it to
        `jax.nn.dot_product_attention`; ``"fused"`` has that function use cuDNN's flash
        attention where it exists, which is on GPUs and for 16-bit tokens, and is
        ``"whole"`` elsewhere. All take the softmax in float32.
      dtype: of the operands of the matrix products.

    Returns:
      Mixed values, in the dtype of ``value``.

    Raises:
      ValueError: the rule is unknown.
    """
    batch, n, width = query.shape
    if rule in ("whole", "fused"):
        split = (batch, n, heads, width // heads)
        flash = rule == "fused" and _has_flash_attention(dtype)
        with jax.default_matmul_precision(matmul_precision(dtype).name.lower()):
            mixed = jax.nn.dot_product_attention(
                *(x.astype(dtype).reshape(split) for x in (query, key, value)),
                implementation="cudnn" if flash else None,
            )
        return mixed.reshape(query.shape).astype(value.dtype)
    if rule != "chunked":
        raise ValueError(
            f"Unknown attention rule {rule!r}; expected 'chunked', 'whole' or 'fused'."
        )
    slabs = -(-n // _CHUNK)
    rows = -(-n // slabs)
    scale = 1.0 / math.sqrt(width // heads)

    def by_head(tokens: Array) -> Array:
        tokens = tokens.astype(dtype).reshape(batch, n, heads, -1)
        return tokens.transpose(0, 2, 1, 3).reshape(batch * heads, n, -1)

    def one_head(tensors: tuple[Array, Array, Array]) -> Array:
        queries, keys, values = tensors

        def one_slab(slab: Array) -> Array:
            logits = product("qc,kc->qk", slab, keys, dtype=dtype)
            logits = logits - jnp.max(logits, axis=-1, keepdims=True)
            # Without the barrier the exponential is taken twice: for the product, and
            # again for the sum.
            weights = jax.lax.optimization_barrier(jnp.exp(logits).astype(dtype))
            total = jnp.sum(weights.astype(jnp.float32), axis=-1, keepdims=True)
            # Dividing after the product touches d columns instead of n.
            return product("qk,kc->qc", weights, values, dtype=dtype) / total

        padded = jnp.pad(queries, ((0, slabs * rows - n), (0, 0)))
        mixed = jax.lax.map(one_slab, padded.reshape(slabs, rows, -1))
        return mixed.reshape(slabs * rows, -1)[:n]

    tokens = by_head(query * scale), by_head(key), by_head(value)
    mixed = jax.lax.map(one_head, tokens)
    mixed = mixed.reshape(batch, heads, n, -1).transpose(0, 2, 1, 3)
    return mixed.reshape(batch, n, width).astype(value.dtype)


def _has_flash_attention(dtype: Any) -> bool:
    return jax.default_backend() == "gpu" and jnp.dtype(dtype).itemsize == 2


def attention_weights(
    query: Float[Array, "b n d"],
    key: Float[Array, "b n d"],
    *,
    heads: int,
    dtype: Any,
) -> Float[Array, "b heads n n"]:
    """The whole attention matrix: what every token takes from every token, per head.

    Args:
      query: queries as they enter the attention, the heads side by side.
      key: keys, likewise.
      heads: number of heads.
      dtype: of the operands of the matrix product.

    Returns:
      float32, the raw softmax; every row sums to one over all tokens, the class token
      and the registers included. ``b * heads * n^2 * 4`` bytes: 311 MB for ViT-S/14 at
      840 x 840.
    """
    batch, n, width = key.shape
    logits = product(
        "bqhc,bkhc->bhqk",
        query.reshape(batch, n, heads, -1) / math.sqrt(width // heads),
        key.reshape(batch, n, heads, -1),
        dtype=dtype,
    )
    return jax.nn.softmax(logits, axis=-1)


def class_attention(
    query: Float[Array, "b n d"],
    key: Float[Array, "b n d"],
    *,
    heads: int,
    dtype: Any,
) -> Float[Array, "b heads n"]:
    """Attention of the first token to all tokens, per head.

    Args:
      query: queries, the heads side by side in the channels.
      key: keys, likewise.
      heads: number of heads.
      dtype: of the operands of the matrix product.

    Returns:
      float32 weights that sum to one over the tokens.
    """
    batch, n, width = key.shape
    logits = product(
        "bhc,bnhc->bhn",
        query[:, 0].reshape(batch, heads, -1) / math.sqrt(width // heads),
        key.reshape(batch, n, heads, -1),
        dtype=dtype,
    )
    return jax.nn.softmax(logits, axis=-1)
