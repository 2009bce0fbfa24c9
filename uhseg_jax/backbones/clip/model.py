"""The text side of CLIP: texts and tokens of images as vectors that can be compared."""

import functools
import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from uhseg_jax.backbones.clip.spec import TextSideSpec
from uhseg_jax.backbones.products import dense, product
from uhseg_jax.backbones.text.encoder import TextEncoder
from uhseg_jax.entry import entry_point
from uhseg_jax.types import Array, Float, Integer

__all__ = ["POSITIONS", "TextSide", "abstract_params", "random_params"]

# The factor that training began with, as its logarithm.
_FIRST_SCALE = math.log(1 / 0.07)

# The path of the table of positions of tokens among the parameters.
POSITIONS = (
    *("text_encoder", "text_model"),
    *("embeddings", "position_embedding", "embedding"),
)


class TextSide(nn.Module):
    """Everything of a CLIP but its image encoder.

    Its methods are used through ``module.apply({"params": params}, ..., method=...)``.

    Attributes:
      spec: the architecture.
      dtype: of matrix products; parameters and the residual stream are float32.
    """

    spec: TextSideSpec
    dtype: Any = jnp.float32

    def setup(self) -> None:
        """Makes the parts."""
        self.text_encoder = TextEncoder(self.spec.text, self.dtype)
        self.visual_projection = dense(
            self.spec.width, "visual_projection", dtype=self.dtype, bias=False
        )
        self.logit_scale = self.param(
            "logit_scale", nn.initializers.constant(_FIRST_SCALE), (), jnp.float32
        )

    def read(self, ids: Integer[Array, "b length"]) -> Float[Array, "b p"]:
        """The vectors of texts, not normalised.

        Args:
          ids: their tokens (`text.tokenizer.prompt_ids`).
        """
        pooled: Array = self.text_encoder(ids).pooled
        return pooled

    def project(self, tokens: Float[Array, "*b d"]) -> Float[Array, "*b p"]:
        """Tokens of the image encoder, after its final norm, in the shared space."""
        projected: Array = self.visual_projection(tokens)
        return projected.astype(jnp.float32)

    def __call__(
        self, ids: Integer[Array, "t length"], tokens: Float[Array, "i d"]
    ) -> Float[Array, "i t"]:
        """Cosine similarities of images with texts, times the factor of training."""
        texts, images = self.read(ids), self.project(tokens)
        texts, images = (
            x / jnp.linalg.norm(x, axis=-1, keepdims=True) for x in (texts, images)
        )
        similar = product("ip,tp->it", images, texts, dtype=jnp.float32)
        return jnp.exp(self.logit_scale) * similar


def abstract_params(spec: TextSideSpec) -> dict[str, Any]:
    """The parameter tree as a nested dict of `jax.ShapeDtypeStruct`, computing none."""
    return jax.tree.map(lambda x: x, _abstract_params(spec))


@functools.lru_cache(maxsize=4)
@entry_point
def _abstract_params(spec: TextSideSpec) -> dict[str, Any]:
    def init() -> Any:
        return _init(spec)

    params: dict[str, Any] = jax.eval_shape(init)
    return params


@entry_point
def random_params(spec: TextSideSpec) -> Any:
    """Weights of the test variants: the same on every run."""
    return _init(spec)


def _init(spec: TextSideSpec) -> Any:
    ids = jnp.zeros((1, spec.text.length), jnp.int32)
    tokens = jnp.ones((1, spec.image_width), jnp.float32)
    return TextSide(spec).init(jax.random.key(0), ids, tokens)["params"]
