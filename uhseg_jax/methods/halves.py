"""A toy: the left and the right half of every image."""

import dataclasses
from typing import Annotated, Any, NamedTuple

import jax.numpy as jnp

from uhseg_jax.backbones import PatchRequest
from uhseg_jax.hierarchy.cuts import NO_PARENT
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.methods.method import ImageMethod
from uhseg_jax.validators import SEED, Validated


@dataclasses.dataclass(frozen=True)
class Config(Validated):
    """Attributes: request and seed, as every method has them."""

    request: PatchRequest = PatchRequest(grid=4)
    seed: Annotated[int, SEED] = 0


class Output(NamedTuple):
    """A tree of three nodes."""

    tree: RegionTree


def segment(features: Any, config: Config) -> Output:
    """Two leaves."""
    del config
    h, w, _ = features.shape
    columns = jnp.arange(w) >= w // 2
    labels = jnp.broadcast_to(1 + columns.astype(jnp.int32), (h, w))
    parents = jnp.array([NO_PARENT, 0, 0], jnp.int32)
    depths = jnp.array([0, 1, 1], jnp.int32)
    return Output(
        RegionTree(labels, parents, jnp.int32(3), depths, jnp.zeros(3, jnp.float32))
    )


METHOD = ImageMethod(
    name="halves",
    summary="the left and the right half",
    config=Config,
    presets={"default": Config},
    segment_fn=segment,
    check_fn=lambda features: None,
)
