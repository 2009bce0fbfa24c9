"""The Vision Transformer of the DINOv2 family, with every intermediate in reach.

Dosovitskiy et al., "An Image is Worth 16x16 Words" (2021); LayerScale from Touvron et
al., "Going deeper with Image Transformers" (2021); register tokens from Darcet et al.,
"Vision Transformers Need Registers" (2024). One module serves all models; they differ
by the fields of a `ViTSpec`.
"""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from uhseg_jax.backbones.attention import AttentionRule, attend, class_attention
from uhseg_jax.backbones.positions import resize_positions
from uhseg_jax.backbones.spec import ViTSpec, check_image_size
from uhseg_jax.types import Array, Float


# Named tuples, not dataclasses: JAX rebuilds trees with shapes or placeholders for
# leaves (eval_shape, vmap), which the shape-checked constructors of the tests refuse.
class BlockOutput(NamedTuple):
    """What one block saw and made, all float32.

    Attributes:
      token: patch tokens after the block, before any norm.
      token_normed: the same through the model's final norm.
      query: queries of the patches, all heads side by side, not scaled.
      key: keys of the patches.
      value: values of the patches.
      class_token: class token after the block, before any norm.
      registers: register tokens after the block, before any norm.
      class_attention: attention of the class token to the patches, per head. It sums to
        less than one over them: the class token and the registers have the rest.
    """

    token: Float[Array, "b h w d"]
    token_normed: Float[Array, "b h w d"]
    query: Float[Array, "b h w d"]
    key: Float[Array, "b h w d"]
    value: Float[Array, "b h w d"]
    class_token: Float[Array, "b d"]
    registers: Float[Array, "b registers d"]
    class_attention: Float[Array, "b heads h w"]


class ViTOutput(NamedTuple):
    """Every intermediate of one forward, all float32.

    Attributes:
      embeddings: class token, registers and patches with their positions: the input of
        the first block.
      blocks: the output of each block.
      class_token: class token after the final norm.
      registers: register tokens after the final norm.
    """

    embeddings: Float[Array, "b n d"]
    blocks: tuple[BlockOutput, ...]
    class_token: Float[Array, "b d"]
    registers: Float[Array, "b registers d"]


def _layer_norm(name: str) -> nn.LayerNorm:
    # The fast variance E[x^2] - E[x]^2 loses digits where tokens have a large mean.
    return nn.LayerNorm(
        epsilon=1e-6, dtype=jnp.float32, use_fast_variance=False, name=name
    )


class _Linears(nn.Module):
    """Shared by the submodules: dense layers that compute in one dtype."""

    dtype: Any

    def dense(self, features: int, name: str) -> nn.Dense:
        return nn.Dense(
            features,
            dtype=self.dtype,
            param_dtype=jnp.float32,
            precision=matmul_precision(self.dtype),
            name=name,
        )


def matmul_precision(dtype: Any) -> jax.lax.Precision:
    """Full precision where float32 is asked for: accelerators would round to TF32."""
    if jnp.dtype(dtype) == jnp.float32:
        return jax.lax.Precision.HIGHEST
    return jax.lax.Precision.DEFAULT


class SelfAttention(_Linears):
    """Multi-head self-attention; returns its projections as well."""

    heads: int
    rule: AttentionRule

    @nn.compact
    def __call__(self, x: Float[Array, "b n d"]) -> dict[str, Array]:
        """Maps tokens [b, n, d]; ``output`` is the result, the rest what led to it."""
        width = x.shape[-1]
        query = self.dense(width, "query")(x)
        key = self.dense(width, "key")(x)
        value = self.dense(width, "value")(x)
        precision = matmul_precision(self.dtype)
        mixed = attend(
            query, key, value, heads=self.heads, rule=self.rule, precision=precision
        )
        return {
            "output": self.dense(width, "output")(mixed),
            "query": query,
            "key": key,
            "value": value,
            "class_attention": class_attention(
                query, key, heads=self.heads, precision=precision
            ),
        }


class Mlp(_Linears):
    """Two dense layers around the exact (erf) GELU."""

    hidden: int

    @nn.compact
    def __call__(self, x: Float[Array, "b n d"]) -> Float[Array, "b n d"]:
        """Maps each token on its own."""
        hidden = nn.gelu(self.dense(self.hidden, "fc1")(x), approximate=False)
        return self.dense(x.shape[-1], "fc2")(hidden)


class LayerScale(nn.Module):
    """A learned factor per channel on a residual branch, added in float32."""

    @nn.compact
    def __call__(self, x: Float[Array, "b n d"]) -> Float[Array, "b n d"]:
        """Scales each channel."""
        gamma = self.param("gamma", nn.initializers.ones, (x.shape[-1],), jnp.float32)
        return x.astype(jnp.float32) * gamma[None, None, :]


class Block(nn.Module):
    """Pre-norm transformer block with LayerScale; the residual stream is float32."""

    spec: ViTSpec
    dtype: Any
    attention: AttentionRule

    @nn.compact
    def __call__(self, x: Float[Array, "b n d"]) -> tuple[Array, dict[str, Array]]:
        """Returns the tokens after the block, and what its attention made."""
        spec = self.spec
        attended = SelfAttention(
            heads=spec.heads, rule=self.attention, dtype=self.dtype, name="attention"
        )(_layer_norm("norm1")(x))
        x = x + LayerScale(name="scale1")(attended["output"])
        mlp = Mlp(hidden=spec.mlp_ratio * spec.width, dtype=self.dtype, name="mlp")
        x = x + LayerScale(name="scale2")(mlp(_layer_norm("norm2")(x)))
        return x, attended


class ViT(nn.Module):
    """Vision Transformer that returns every intermediate.

    Under `jax.jit` whatever the caller leaves unused is never computed, so one module
    serves all facets of all blocks; for the keys of block 9 the blocks after it and
    the attention of block 9 itself cost nothing.

    Attributes:
      spec: the architecture.
      dtype: of matrix products; parameters, norms, softmax and the residual stream are
        always float32.
      attention: how attention is evaluated (`attention.py`); a matter of speed only.
    """

    spec: ViTSpec
    dtype: Any = jnp.float32
    attention: AttentionRule = "chunked"

    @nn.compact
    def __call__(
        self, images: Float[Array, "b H W 3"]
    ) -> tuple[Float[Array, "b h w d"], ViTOutput]:
        """Runs the model on normalised images.

        Args:
          images: RGB, minus the mean and over the standard deviation of the spec. The
            sides are multiples of the patch.

        Returns:
          The patch tokens after the final norm, and every intermediate.

        Raises:
          ValueError: the patch does not divide a side.
        """
        spec = self.spec
        check_image_size(spec, images.shape[1], images.shape[2])
        batch = images.shape[0]
        grid = (images.shape[1] // spec.patch, images.shape[2] // spec.patch)
        leading = 1 + spec.registers

        x = self._embed(images, grid)
        embeddings = x
        norm = _layer_norm("norm")

        def on_grid(tokens: Array) -> Array:
            tokens = tokens[:, leading:].astype(jnp.float32)
            return tokens.reshape(batch, *grid, spec.width)

        blocks = []
        for index in range(spec.depth):
            x, attended = Block(
                spec, self.dtype, self.attention, name=f"block{index:02d}"
            )(x)
            to_patches = attended["class_attention"][:, :, leading:]
            blocks.append(
                BlockOutput(
                    token=on_grid(x),
                    token_normed=on_grid(norm(x)),
                    query=on_grid(attended["query"]),
                    key=on_grid(attended["key"]),
                    value=on_grid(attended["value"]),
                    class_token=x[:, 0],
                    registers=x[:, 1:leading],
                    class_attention=to_patches.reshape(batch, spec.heads, *grid),
                )
            )
        normed = norm(x[:, :leading])
        return blocks[-1].token_normed, ViTOutput(
            embeddings=embeddings,
            blocks=tuple(blocks),
            class_token=normed[:, 0],
            registers=normed[:, 1:],
        )

    def _embed(self, images: Array, grid: tuple[int, int]) -> Array:
        """Class token, registers and patches, the first and last with positions."""
        spec = self.spec
        batch, width = images.shape[0], spec.width
        normal = nn.initializers.normal(0.02)
        patches = nn.Conv(
            width,
            kernel_size=(spec.patch, spec.patch),
            strides=(spec.patch, spec.patch),
            padding="VALID",
            dtype=self.dtype,
            param_dtype=jnp.float32,
            precision=matmul_precision(self.dtype),
            name="patch_embed",
        )(images)
        positions = self.param(
            "positions", normal, (spec.native_grid, spec.native_grid, width)
        )
        positions = resize_positions(positions, grid, rule=spec.positions)
        patches = patches.astype(jnp.float32) + positions[None]
        class_token = self.param("class_token", normal, (width,))
        class_token = class_token + self.param("class_position", normal, (width,))
        leading = class_token[None]
        if spec.registers:
            # Registers stand after the class token and have no position.
            registers = self.param("registers", normal, (spec.registers, width))
            leading = jnp.concatenate([leading, registers])
        return jnp.concatenate(
            [
                jnp.broadcast_to(leading[None], (batch, *leading.shape)),
                patches.reshape(batch, -1, width),
            ],
            axis=1,
        )


def abstract_params(spec: ViTSpec) -> dict[str, Any]:
    """The parameter tree of a model as shapes and dtypes, without computing anything.

    Args:
      spec: the architecture.

    Returns:
      A nested dict of `jax.ShapeDtypeStruct`.
    """
    image = jax.ShapeDtypeStruct((1, spec.patch, spec.patch, 3), jnp.float32)
    return jax.eval_shape(ViT(spec).init, jax.random.key(0), image)["params"]


def num_parameters(spec: ViTSpec) -> int:
    """The number of parameters of a model.

    Args:
      spec: the architecture.

    Returns:
      The count, positions and registers included.
    """
    return sum(leaf.size for leaf in jax.tree.leaves(abstract_params(spec)))
