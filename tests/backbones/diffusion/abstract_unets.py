"""The parameter tree of a U-Net alone; the package makes that of whole models."""

import functools
from typing import Any

import jax
import jax.numpy as jnp

from uhseg_jax.backbones.diffusion.spec import NUM_SIZES, UNetSpec
from uhseg_jax.backbones.diffusion.unet import AddedCondition, UNet


@functools.cache
def abstract_unet(spec: UNetSpec) -> dict[str, Any]:
    """Shapes and dtypes, without computing anything."""

    def shape(*sizes: int) -> Any:
        return jax.ShapeDtypeStruct(sizes, jnp.float32)

    side = spec.multiple
    added = None
    if spec.added_width is not None:
        added = AddedCondition(shape(1, spec.pooled_width), shape(1, NUM_SIZES))
    return jax.eval_shape(
        UNet(spec).init,
        jax.random.key(0),
        shape(1, side, side, spec.latent_channels),
        shape(1),
        shape(1, 1, spec.context_width),
        added=added,
    )["params"]
