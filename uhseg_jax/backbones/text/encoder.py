"""CLIP's text encoder: what the U-Net reads of a prompt.

Radford et al., "Learning Transferable Visual Models From Natural Language Supervision"
(2021): a pre-norm transformer in which a token sees those before it. Names of
submodules are transformers', as in the checkpoints of Stable Diffusion, with list
indices joined by "_". Products run in the dtype of the model; parameters, norms,
softmax and the residual stream are float32.
"""

import math
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from uhseg_jax.backbones.products import dense, product
from uhseg_jax.backbones.text.spec import TextEncoderSpec
from uhseg_jax.backbones.vit.layers import Mlp, layer_norm
from uhseg_jax.types import Array, Float, Integer

__all__ = [
    "CausalAttention",
    "TextBlock",
    "TextBlocks",
    "TextEmbeddings",
    "TextEncoder",
    "TextOutput",
    "TextTransformer",
]

# Every text encoder of CLIP and OpenCLIP widens by it in its MLPs.
_MLP_RATIO = 4


class TextOutput(NamedTuple):
    """What the encoder makes of prompts, float32.

    Attributes:
      tokens: of the whole prompt, the context of the U-Net.
      pooled: the first end token after the final norm, projected where the encoder has
        a projection.
    """

    tokens: Float[Array, "b length c"]
    pooled: Float[Array, "b p"]


class TextEncoder(nn.Module):
    """CLIP's text encoder.

    All blocks are part of the parameters; under `jax.jit` those after the last that
    the caller uses are never computed.

    Attributes:
      spec: the architecture.
      dtype: of matrix products.
    """

    spec: TextEncoderSpec
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, ids: Integer[Array, "b length"]) -> TextOutput:
        """Encodes prompts.

        Args:
          ids: tokens (`tokenizer.prompt_ids`), padded to the length of the spec.

        Returns:
          The tokens, ``spec.skipped`` blocks before the last, and the pooled token.

        Raises:
          ValueError: the prompts have another length.
        """
        spec = self.spec
        if ids.shape[1] != spec.length:
            raise ValueError(
                f"The text encoder reads prompts of {spec.length} tokens, padding "
                f"included, but these have {ids.shape[1]}."
            )
        tokens, normed = TextTransformer(spec, self.dtype, name="text_model")(ids)
        # Padding may be the end token as well: the first one ends the prompt.
        end = jnp.argmax(ids == spec.end, axis=1)
        pooled = jnp.take_along_axis(normed, end[:, None, None], axis=1)[:, 0]
        if spec.projection is not None:
            project = dense(
                spec.projection, "text_projection", dtype=self.dtype, bias=False
            )
            pooled = project(pooled)
        return TextOutput(tokens=tokens, pooled=pooled.astype(jnp.float32))


class TextTransformer(nn.Module):
    """Embeddings, blocks and final norm."""

    spec: TextEncoderSpec
    dtype: Any

    @nn.compact
    def __call__(
        self, ids: Integer[Array, "b length"]
    ) -> tuple[Float[Array, "b length d"], Float[Array, "b length d"]]:
        """Returns the tokens that the U-Net reads, and the last after their norm."""
        spec = self.spec
        x = TextEmbeddings(spec, name="embeddings")(ids)
        stages = TextBlocks(spec, self.dtype, name="encoder")(x)
        normed = layer_norm(spec.norm_epsilon, "final_layer_norm")(stages[-1])
        return (stages[-1 - spec.skipped] if spec.skipped else normed), normed


class TextEmbeddings(nn.Module):
    """One vector for each token plus one for its position."""

    spec: TextEncoderSpec

    @nn.compact
    def __call__(self, ids: Integer[Array, "b length"]) -> Float[Array, "b length d"]:
        """Looks the tokens up."""
        spec = self.spec
        token = nn.Embed(spec.vocabulary, spec.width, name="token_embedding")
        position = nn.Embed(spec.length, spec.width, name="position_embedding")
        return token(ids) + position(jnp.arange(spec.length))[None]


class TextBlocks(nn.Module):
    """The blocks, one after the other."""

    spec: TextEncoderSpec
    dtype: Any

    @nn.compact
    def __call__(
        self, x: Float[Array, "b length d"]
    ) -> list[Float[Array, "b length d"]]:
        """Returns the tokens before the first block and after each."""
        stages = [x]
        for index in range(self.spec.depth):
            block = TextBlock(self.spec, self.dtype, name=f"layers_{index}")
            stages.append(block(stages[-1]))
        return stages


class TextBlock(nn.Module):
    """Pre-norm transformer block; the residual stream is float32."""

    spec: TextEncoderSpec
    dtype: Any

    @nn.compact
    def __call__(self, x: Float[Array, "b length d"]) -> Float[Array, "b length d"]:
        """Maps the tokens."""
        spec = self.spec
        attention = CausalAttention(spec, self.dtype, name="self_attn")
        attended = attention(layer_norm(spec.norm_epsilon, "layer_norm1")(x))
        x = x + attended.astype(jnp.float32)
        mlp = Mlp(spec.mlp, _MLP_RATIO * spec.width, self.dtype, name="mlp")
        return x + mlp(layer_norm(spec.norm_epsilon, "layer_norm2")(x)).astype(
            jnp.float32
        )


class CausalAttention(nn.Module):
    """Multi-head attention of every token to itself and those before it."""

    spec: TextEncoderSpec
    dtype: Any

    @nn.compact
    def __call__(self, x: Float[Array, "b length d"]) -> Float[Array, "b length d"]:
        """Mixes the tokens."""
        batch, length, width = x.shape
        split = (batch, length, self.spec.heads, width // self.spec.heads)
        query, key, value = (
            dense(width, name, dtype=self.dtype)(x).reshape(split)
            for name in ("q_proj", "k_proj", "v_proj")
        )
        # At 77 tokens whole attention matrices are small.
        logits = product(
            "bqhc,bkhc->bhqk",
            query / math.sqrt(split[-1]),
            key,
            dtype=self.dtype,
        )
        past = jnp.tril(jnp.ones((1, 1, length, length), bool))
        weights = jax.nn.softmax(jnp.where(past, logits, -jnp.inf), axis=-1)
        mixed = product("bhqk,bkhc->bqhc", weights, value, dtype=self.dtype)
        return dense(width, "out_proj", dtype=self.dtype)(mixed.reshape(x.shape))
