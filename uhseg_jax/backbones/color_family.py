"""A toy family: the mean colour of every patch, which needs no weights."""

import dataclasses
from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from uhseg_jax.backbones.requests import PatchRequest, Request, grid_shape
from uhseg_jax.backbones.variant import random_variant
from uhseg_jax.backbones.vit.attention import AttentionRule
from uhseg_jax.backbones.weights.convert import Naming
from uhseg_jax.types import Array, Float, UInt8


@dataclasses.dataclass(frozen=True)
class ColorSpec:
    """Attributes: the patch, in pixels."""

    patch: int = 8


class Colors(nn.Module):
    """A module without parameters."""

    spec: ColorSpec
    dtype: Any = jnp.float32


class ColorModels:
    """See `backbone.Family`."""

    naming = Naming(targets=lambda name: [], ignored=lambda name: True)

    def module(self, spec: Any, *, dtype: Any, attention: AttentionRule) -> Any:
        """The module."""
        return Colors(spec, dtype)

    def abstract_params(self, spec: Any) -> dict[str, Any]:
        """No parameters."""
        return {}

    def random_params(self, spec: Any) -> Any:
        """No parameters."""
        return {}

    def resolve(self, spec: Any, request: Request) -> Request:
        """Patches alone."""
        if not isinstance(request, PatchRequest):
            raise ValueError(
                "expected a request for patches; colours have nothing else."
            )
        return PatchRequest(grid=grid_shape(request.grid))

    def image_size(self, spec: Any, request: Request) -> tuple[int, int]:
        """Of a resolved request."""
        assert request.grid is not None
        rows, columns = grid_shape(request.grid)
        return rows * spec.patch, columns * spec.patch

    def inputs(self, backbone: Any, request: Request) -> Any:
        """Nothing."""
        return ()

    def answer(
        self, module: Any, inputs: Any, image: UInt8[Array, "H W 3"], request: Request
    ) -> Float[Array, "h w 4"]:
        """Mean colours, and a constant so that black has a direction."""
        p = module.spec.patch
        h, w = image.shape[0] // p, image.shape[1] // p
        tiles = image.astype(jnp.float32).reshape(h, p, w, p, 3) / 255
        means = jnp.mean(tiles, axis=(1, 3))
        return jnp.concatenate([means, jnp.full((h, w, 1), 0.1)], axis=-1)


COLORS = random_variant("colors", ColorSpec())
