"""The layers of a Vision Transformer's block.

Dosovitskiy et al., "An Image is Worth 16x16 Words" (2021); LayerScale from Touvron et
al., "Going deeper with Image Transformers" (2021); SwiGLU from Shazeer, "GLU Variants
Improve Transformer" (2020). Products take their operands in the dtype of the model
(`products`); parameters, norms, softmax, rotations and the residual stream are float32.
Names of submodules are names in the parameter tree, so they are part of every
checkpoint.
"""

from typing import Any, NamedTuple

import flax.linen as nn
import jax.numpy as jnp

from uhseg_jax.backbones.products import dense, product
from uhseg_jax.backbones.vit.attention import AttentionRule, attend, class_attention
from uhseg_jax.backbones.vit.rotary import rotate_patches
from uhseg_jax.backbones.vit.spec import MlpRule, ViTSpec
from uhseg_jax.types import Array, Float

__all__ = [
    "AttentionOutput",
    "Block",
    "LayerScale",
    "Mlp",
    "PatchEmbedding",
    "SelfAttention",
    "layer_norm",
]


def layer_norm(epsilon: float, name: str) -> nn.LayerNorm:
    """A LayerNorm in float32."""
    # The fast variance E[x^2] - E[x]^2 loses digits where tokens have a large mean.
    return nn.LayerNorm(
        epsilon=epsilon, dtype=jnp.float32, use_fast_variance=False, name=name
    )


class PatchEmbedding(nn.Module):
    """One linear layer over the pixels of a patch."""

    patch: int
    features: int
    dtype: Any
    use_bias: bool

    @nn.compact
    def __call__(self, images: Float[Array, "b H W 3"]) -> Float[Array, "b h w d"]:
        """Maps each patch, to float32."""
        batch, height, width, channels = images.shape
        side, features = self.patch, self.features
        kernel = self.param(
            "kernel",
            nn.initializers.lecun_normal(),
            (side, side, channels, features),
            jnp.float32,
        )
        grid = (height // side, width // side)
        pixels = images.reshape(batch, grid[0], side, grid[1], side, channels)
        # A convolution with such strides measured slower than this product on CPUs.
        patches = product("bhywxc,yxcd->bhwd", pixels, kernel, dtype=self.dtype)
        if self.use_bias:
            bias = self.param("bias", nn.initializers.zeros, (features,), jnp.float32)
            patches = patches + bias[None, None, None, :]
        return patches


class AttentionOutput(NamedTuple):
    """What self-attention made of n tokens, in `products.activation_dtype`.

    Attributes:
      output: the residual branch.
      query: queries before any rotation, all heads side by side.
      key: keys, likewise.
      value: values.
      rotated_query: queries as they entered the attention.
      rotated_key: keys, likewise.
      class_attention: attention of the first token to all, per head, float32.
    """

    output: Float[Array, "b n d"]
    query: Float[Array, "b n d"]
    key: Float[Array, "b n d"]
    value: Float[Array, "b n d"]
    rotated_query: Float[Array, "b n d"]
    rotated_key: Float[Array, "b n d"]
    class_attention: Float[Array, "b heads n"]


class SelfAttention(nn.Module):
    """Multi-head self-attention; returns its projections as well."""

    spec: ViTSpec
    dtype: Any
    rule: AttentionRule

    @nn.compact
    def __call__(
        self, x: Float[Array, "b n d"], sin_cos: Float[Array, "2 patches c"] | None
    ) -> AttentionOutput:
        """Mixes tokens.

        Args:
          x: tokens, the patches last.
          sin_cos: of the rotation of queries and keys of the patches
            (`rotary.rotary_sin_cos`); None where positions are learned.

        Returns:
          The residual branch, and everything on the way to it.
        """
        heads, width = self.spec.heads, x.shape[-1]
        query = rotated_query = dense(width, "query", dtype=self.dtype)(x)
        key = rotated_key = dense(
            width, "key", dtype=self.dtype, bias=self.spec.key_bias
        )(x)
        value = dense(width, "value", dtype=self.dtype)(x)
        if sin_cos is not None:
            rotated_query = rotate_patches(query, sin_cos, heads=heads)
            rotated_key = rotate_patches(key, sin_cos, heads=heads)
        mixed = attend(
            rotated_query,
            rotated_key,
            value,
            heads=heads,
            rule=self.rule,
            dtype=self.dtype,
        )
        return AttentionOutput(
            output=dense(width, "output", dtype=self.dtype)(mixed),
            query=query,
            key=key,
            value=value,
            rotated_query=rotated_query,
            rotated_key=rotated_key,
            class_attention=class_attention(
                rotated_query, rotated_key, heads=heads, dtype=self.dtype
            ),
        )


class Mlp(nn.Module):
    """Two dense layers around an activation, or around a gate."""

    rule: MlpRule
    hidden: int
    dtype: Any

    @nn.compact
    def __call__(self, x: Float[Array, "b n d"]) -> Float[Array, "b n d"]:
        """Maps each token on its own."""
        hidden = dense(self.hidden, "fc1", dtype=self.dtype)(x)
        match self.rule:
            case "gelu":
                hidden = nn.gelu(hidden, approximate=False)
            case "quick_gelu":
                hidden = hidden * nn.sigmoid(1.702 * hidden)
            case "swiglu":
                gate = dense(self.hidden, "gate", dtype=self.dtype)(x)
                hidden = nn.silu(gate) * hidden
        return dense(x.shape[-1], "fc2", dtype=self.dtype)(hidden)


class LayerScale(nn.Module):
    """A learned factor per channel on a residual branch, added in float32."""

    @nn.compact
    def __call__(self, x: Float[Array, "b n d"]) -> Float[Array, "b n d"]:
        """Scales each channel."""
        gamma = self.param("gamma", nn.initializers.ones, (x.shape[-1],), jnp.float32)
        return x.astype(jnp.float32) * gamma[None, None, :]


class Block(nn.Module):
    """Pre-norm transformer block; the residual stream is float32."""

    spec: ViTSpec
    dtype: Any
    attention: AttentionRule

    @nn.compact
    def __call__(
        self, x: Float[Array, "b n d"], sin_cos: Float[Array, "2 patches c"] | None
    ) -> tuple[Float[Array, "b n d"], AttentionOutput]:
        """Returns the tokens after the block, and what its attention made."""
        spec = self.spec

        def scaled(branch: Array, name: str) -> Array:
            if spec.layer_scale:
                return LayerScale(name=name)(branch)
            return branch.astype(jnp.float32)

        attended: AttentionOutput = SelfAttention(
            spec, self.dtype, self.attention, name="attention"
        )(layer_norm(spec.norm_epsilon, "norm1")(x), sin_cos)
        x = x + scaled(attended.output, "scale1")
        mlp = Mlp(spec.mlp, spec.mlp_hidden, self.dtype, name="mlp")
        x = x + scaled(mlp(layer_norm(spec.norm_epsilon, "norm2")(x)), "scale2")
        return x, attended
