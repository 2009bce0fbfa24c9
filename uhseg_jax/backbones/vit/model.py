"""One Vision Transformer for every backbone, with every intermediate in reach.

Dosovitskiy et al., "An Image is Worth 16x16 Words" (2021); register tokens from Darcet
et al., "Vision Transformers Need Registers" (2024). All variants are this module;
they differ by the fields of a `ViTSpec`.
"""

import dataclasses
import functools
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from uhseg_jax.backbones.vit.attention import AttentionRule
from uhseg_jax.backbones.vit.layers import (
    AttentionOutput,
    Block,
    PatchEmbedding,
    layer_norm,
)
from uhseg_jax.backbones.vit.positions import resize_positions
from uhseg_jax.backbones.vit.rotary import rotary_sin_cos
from uhseg_jax.backbones.vit.spec import ViTSpec, check_image_size
from uhseg_jax.entry import entry_point
from uhseg_jax.types import Array, Float

__all__ = ["BlockOutput", "ViT", "ViTOutput", "abstract_params", "block_name"]


def block_name(index: int) -> str:
    """The name of a block in the parameter tree."""
    return f"block{index:02d}"


# Named tuples, not dataclasses: JAX rebuilds trees with shapes or placeholders for
# leaves (eval_shape, vmap), which the shape-checked constructors of the tests refuse.
class BlockOutput(NamedTuple):
    """What one block saw and made; float32 but for the rotated projections.

    Attributes:
      token: patch tokens after the block, before any norm.
      token_normed: the same through the model's final norm. CLIP was trained with that
        norm on its class token alone; on patches it is the same map, applied to tokens
        that its loss never saw there.
      query: queries of the patches, all heads side by side, not scaled. Where positions
        are rotary, before the rotation: the projection of what a patch holds.
      key: keys of the patches, likewise.
      value: values of the patches.
      class_token: class token after the block, before any norm.
      registers: register tokens after the block, before any norm.
      class_attention: attention of the class token to the patches, per head. It sums to
        less than one over them: the class token and the registers have the rest.
      rotated_query: queries of all n tokens as they enter the attention, after the
        rotation where there is one, in `products.activation_dtype`. With
        ``rotated_key`` all that `attention.attention_weights` needs; the matrix itself
        is made only where a request is for it.
      rotated_key: keys, likewise.
    """

    token: Float[Array, "b h w d"]
    token_normed: Float[Array, "b h w d"]
    query: Float[Array, "b h w d"]
    key: Float[Array, "b h w d"]
    value: Float[Array, "b h w d"]
    class_token: Float[Array, "b d"]
    registers: Float[Array, "b registers d"]
    class_attention: Float[Array, "b heads h w"]
    rotated_query: Float[Array, "b n d"]
    rotated_key: Float[Array, "b n d"]


class ViTOutput(NamedTuple):
    """Every intermediate of one forward, all float32.

    Attributes:
      embeddings: class token, registers and patches: the input of the first block. With
        their positions, unless those are rotary; after CLIP's norm of embeddings.
      blocks: the output of each block.
      class_token: class token after the final norm.
      registers: register tokens after the final norm.
    """

    embeddings: Float[Array, "b n d"]
    blocks: tuple[BlockOutput, ...]
    class_token: Float[Array, "b d"]
    registers: Float[Array, "b registers d"]


class ViT(nn.Module):
    """Vision Transformer that returns every intermediate.

    Under `jax.jit` whatever the caller leaves unused is never computed, so one module
    serves all facets of all blocks; for the keys of block 9 the blocks after it and
    the attention of block 9 itself cost nothing.

    Attributes:
      spec: the architecture.
      dtype: of matrix products; parameters, norms, softmax and the residual stream are
        always float32.
      attention: how attention is evaluated (`vit.attention`); a matter of speed only.
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
        prefix = spec.num_prefix_tokens
        sin_cos = None
        if spec.rotary:
            sin_cos = rotary_sin_cos(grid, spec.head_width, rule=spec.rotary)

        x = self._embed(images, grid)
        if spec.embedding_norm:
            x = layer_norm(spec.norm_epsilon, "embedding_norm")(x)
        embeddings = x
        norm = layer_norm(spec.norm_epsilon, "norm")

        def on_grid(tokens: Array) -> Array:
            tokens = tokens[:, prefix:].astype(jnp.float32)
            return tokens.reshape(batch, *grid, spec.width)

        blocks = []
        for index in range(spec.depth):
            x, attended = self._block(block_name(index), x, sin_cos)
            to_patches = attended.class_attention[:, :, prefix:]
            blocks.append(
                BlockOutput(
                    token=on_grid(x),
                    token_normed=on_grid(norm(x)),
                    query=on_grid(attended.query),
                    key=on_grid(attended.key),
                    value=on_grid(attended.value),
                    class_token=x[:, 0],
                    registers=x[:, 1:prefix],
                    class_attention=to_patches.reshape(batch, spec.heads, *grid),
                    rotated_query=attended.rotated_query,
                    rotated_key=attended.rotated_key,
                )
            )
        normed = norm(x[:, :prefix])
        return blocks[-1].token_normed, ViTOutput(
            embeddings=embeddings,
            blocks=tuple(blocks),
            class_token=normed[:, 0],
            registers=normed[:, 1:],
        )

    def _block(
        self, name: str, x: Array, sin_cos: Array | None
    ) -> tuple[Array, AttentionOutput]:
        """One block; of those that are alike only the first is traced."""
        own = (self.spec, self.dtype, self.attention)
        if self.is_initializing():
            made: tuple[Array, AttentionOutput] = Block(*own, name=name)(x, sin_cos)
            return made
        params = self.variables["params"][name]
        return _apply_block(params, x, sin_cos, block=Block(*own, parent=None))

    def _embed(self, images: Array, grid: tuple[int, int]) -> Array:
        """Class token, registers and patches, first and last with learned positions."""
        spec = self.spec
        batch, width = images.shape[0], spec.width
        normal = nn.initializers.normal(0.02)
        patches = PatchEmbedding(
            spec.patch, width, self.dtype, spec.patch_bias, name="patch_embed"
        )(images)
        if spec.resampling:
            positions = self.param(
                "positions", normal, (spec.native_grid, spec.native_grid, width)
            )
            resized = resize_positions(positions, grid, rule=spec.resampling)
            patches = patches + resized[None]
        class_token = self.param("class_token", normal, (width,))
        if spec.resampling:
            class_token = class_token + self.param("class_position", normal, (width,))
        prefix = class_token[None]
        if spec.registers:
            # Registers stand after the class token and have no position.
            registers = self.param("registers", normal, (spec.registers, width))
            prefix = jnp.concatenate([prefix, registers])
        return jnp.concatenate(
            [
                jnp.broadcast_to(prefix[None], (batch, *prefix.shape)),
                patches.reshape(batch, -1, width),
            ],
            axis=1,
        )


# Inlined, so that the program is that of blocks one after the other.
@functools.partial(jax.jit, static_argnames="block", inline=True)
def _apply_block(
    params: Any, x: Array, sin_cos: Array | None, *, block: Block
) -> tuple[Array, AttentionOutput]:
    applied: Any = block.apply({"params": params}, x, sin_cos)
    x, attended = applied
    return x, attended


def abstract_params(spec: ViTSpec) -> dict[str, Any]:
    """The parameter tree as a nested dict of `jax.ShapeDtypeStruct`, computing none."""
    return jax.tree.map(lambda x: x, _abstract_params(spec))


@functools.lru_cache(maxsize=16)
@entry_point
def _abstract_params(spec: ViTSpec) -> dict[str, Any]:
    # Blocks are alike, so one of them is traced: forty would take seconds.
    module = ViT(dataclasses.replace(spec, depth=1))
    image = jax.ShapeDtypeStruct((1, spec.patch, spec.patch, 3), jnp.float32)

    def init(image: Array) -> Any:
        return module.init(jax.random.key(0), image)  # traced too: no key is computed

    params = jax.eval_shape(init, image)["params"]
    block = params[block_name(0)]
    blocks = (block_name(index) for index in range(1, spec.depth))
    return {**params, **{name: jax.tree.map(lambda x: x, block) for name in blocks}}
