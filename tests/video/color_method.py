"""A method that takes graphs and knows colours alone, quick to compile."""

import dataclasses
from typing import NamedTuple

import jax.numpy as jnp

from uhseg_jax.backbones import PatchRequest
from uhseg_jax.hierarchy.tree import NO_PARENT, RegionTree
from uhseg_jax.methods.method import ImageMethod
from uhseg_jax.superpixels import SuperpixelConfig


@dataclasses.dataclass(frozen=True)
class Config:
    request: PatchRequest = PatchRequest(grid=6, blocks=(-2, -1))
    superpixels: SuperpixelConfig = SuperpixelConfig(count=40)


class Output(NamedTuple):
    tree: RegionTree


def of_graph(vectors, graph, config):
    """Node 1 is blue, node 2 is not."""
    labels = jnp.where(graph.colors[:, 2] < 0, 1, 2)
    tree = RegionTree(
        labels=labels.astype(jnp.int32),
        parents=jnp.array([NO_PARENT, 0, 0], jnp.int32),
        num_nodes=jnp.asarray(3, jnp.int32),
        depths=jnp.array([0, 1, 1], jnp.int32),
        costs=jnp.array([0.0, 0.5, 0.5]),
    )
    return Output(tree)


METHOD = ImageMethod(
    name="colors",
    summary="blue or not",
    config=Config,
    presets={"default": Config},
    segment_fn=lambda features, config: None,
    check_fn=lambda features: None,
    refiner="none",
    graph_fn=of_graph,
)
