"""Transformers over the cells of an image, which see a text as well.

Rombach et al., "High-Resolution Image Synthesis with Latent Diffusion Models" (2022),
section 3.3; gated GELU from Shazeer, "GLU Variants Improve Transformer" (2020).
"""

import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from uhseg_jax.backbones.diffusion.layers import conv, group_norm
from uhseg_jax.backbones.diffusion.recording import AttentionSums, attend_recorded
from uhseg_jax.backbones.products import Dense, dense, product
from uhseg_jax.backbones.vit.attention import AttentionRule
from uhseg_jax.backbones.vit.layers import layer_norm
from uhseg_jax.types import Array, Float

__all__ = [
    "CrossAttention",
    "FeedForward",
    "GatedGelu",
    "SelfAttention",
    "SpatialTransformer",
    "TransformerBlock",
]

# Both are constants of the architecture, not fields of any model.
_GROUP_NORM_EPSILON = 1e-6
_LAYER_NORM_EPSILON = 1e-5
_MLP_RATIO = 4


class _Attention(nn.Module):
    """The projections around an attention."""

    heads: int
    dtype: Any

    def project(
        self, x: Array, source: Array
    ) -> tuple[Float[Array, "b n d"], Float[Array, "b m d"], Float[Array, "b m d"]]:
        """Queries of the tokens, keys and values of the source."""
        width = x.shape[-1]

        def projection(name: str) -> Dense:
            return dense(width, name, dtype=self.dtype, bias=False)

        return (
            projection("to_q")(x),
            projection("to_k")(source),
            projection("to_v")(source),
        )

    def output(self, mixed: Array) -> Array:
        """The residual branch, float32."""
        out = dense(mixed.shape[-1], "to_out_0", dtype=self.dtype)(mixed)
        return out.astype(jnp.float32)


class SelfAttention(_Attention):
    """Attention of every cell to every cell, recorded where there are sums."""

    rule: AttentionRule

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "b n d"],
        sums: AttentionSums | None,
        *,
        grid: tuple[int, int],
    ) -> tuple[Float[Array, "b n d"], AttentionSums | None]:
        """Maps the cells; the rest is as in `recording.attend_recorded`."""
        query, key, value = self.project(x, x)
        mixed, sums = attend_recorded(
            query,
            key,
            value,
            sums,
            grid=grid,
            heads=self.heads,
            rule=self.rule,
            dtype=self.dtype,
        )
        return self.output(mixed), sums


class CrossAttention(_Attention):
    """Attention of every cell to the tokens of a text."""

    @nn.compact
    def __call__(
        self, x: Float[Array, "b n d"], context: Float[Array, "b m c"]
    ) -> Float[Array, "b n d"]:
        """Maps the cells."""
        query, key, value = self.project(x, context)

        def by_head(tokens: Array) -> Array:
            return tokens.reshape(*tokens.shape[:2], self.heads, -1)

        scale = 1.0 / math.sqrt(x.shape[-1] // self.heads)
        # A text is short: all weights of all heads are no larger than the cells.
        logits = product(
            "bqhc,bkhc->bhqk",
            by_head(query * scale),
            by_head(key),
            dtype=self.dtype,
        )
        weights = jax.nn.softmax(logits, axis=-1)
        mixed = product("bhqk,bkhc->bqhc", weights, by_head(value), dtype=self.dtype)
        return self.output(mixed.reshape(x.shape))


class GatedGelu(nn.Module):
    """One half of a projection, gated by the exact GELU of the other."""

    width: int
    dtype: Any

    @nn.compact
    def __call__(self, x: Float[Array, "b n d"]) -> Float[Array, "b n c"]:
        """Maps each token on its own."""
        hidden = dense(2 * self.width, "proj", dtype=self.dtype)(x)
        hidden, gate = jnp.split(hidden, 2, axis=-1)
        return hidden * nn.gelu(gate, approximate=False)


class FeedForward(nn.Module):
    """A gated hidden layer."""

    dtype: Any

    @nn.compact
    def __call__(self, x: Float[Array, "b n d"]) -> Float[Array, "b n d"]:
        """Maps each token on its own."""
        width = x.shape[-1]
        hidden = GatedGelu(_MLP_RATIO * width, self.dtype, name="net_0")(x)
        out = dense(width, "net_2", dtype=self.dtype)(hidden)
        return out.astype(jnp.float32)


class TransformerBlock(nn.Module):
    """Self-attention, attention to the text and an MLP; the stream is float32."""

    heads: int
    dtype: Any
    attention: AttentionRule

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "b n d"],
        context: Float[Array, "b m c"],
        sums: AttentionSums | None,
        *,
        grid: tuple[int, int],
    ) -> tuple[Float[Array, "b n d"], AttentionSums | None]:
        """Maps the cells; the rest is as in `recording.attend_recorded`."""

        def normed(x: Array, name: str) -> Array:
            return layer_norm(_LAYER_NORM_EPSILON, name)(x)

        branch, sums = SelfAttention(
            self.heads, self.dtype, self.attention, name="attn1"
        )(normed(x, "norm1"), sums, grid=grid)
        x = x + branch
        x = x + CrossAttention(self.heads, self.dtype, name="attn2")(
            normed(x, "norm2"), context
        )
        return x + FeedForward(self.dtype, name="ff")(normed(x, "norm3")), sums


class SpatialTransformer(nn.Module):
    """Transformer blocks over the cells of an image, as one residual branch."""

    depth: int
    heads: int
    groups: int
    linear_projection: bool
    dtype: Any
    attention: AttentionRule

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "b h w d"],
        context: Float[Array, "b m c"],
        sums: AttentionSums | None,
    ) -> tuple[Float[Array, "b h w d"], AttentionSums | None]:
        """Maps an image.

        Args:
          x: the image.
          context: tokens of the text.
          sums: of the self-attention before; None where none is recorded.

        Returns:
          The image after the blocks, float32, and the sums with theirs.
        """
        batch, height, width, channels = x.shape

        def projection(x: Array, name: str) -> Array:
            # Both are the same map; the shape of the kernel tells one from the other.
            layer: nn.Module
            if self.linear_projection:
                layer = dense(channels, name, dtype=self.dtype)
            else:
                layer = conv(channels, name, dtype=self.dtype, size=1)
            return layer(x).astype(jnp.float32)

        tokens = group_norm(self.groups, _GROUP_NORM_EPSILON, "norm")(x)
        tokens = projection(tokens, "proj_in").reshape(batch, -1, channels)
        for index in range(self.depth):
            tokens, sums = TransformerBlock(
                self.heads,
                self.dtype,
                self.attention,
                name=f"transformer_blocks_{index}",
            )(tokens, context, sums, grid=(height, width))
        return x + projection(tokens.reshape(x.shape), "proj_out"), sums
