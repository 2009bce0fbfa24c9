"""A backbone, a method and a refinement bound together, ready for many images.

This is where jit and batches live; `pipeline` makes its functions of these steps.
"""

import dataclasses
import functools
import os
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from uhseg_jax import backbones, extraction, images, methods
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.refinement.config import Refinement, resolve_refinement
from uhseg_jax.refinement.refine import refine
from uhseg_jax.types import Array, Float, UInt8

__all__ = [
    "DEFAULT_METHOD",
    "Segmenter",
    "jitted_trees",
]

DEFAULT_METHOD = "recursive_spectral"


@dataclasses.dataclass(frozen=True)
class Segmenter:
    """A backbone, a method and a refinement, ready for many images.

    A tree never depends on its neighbours in a batch or on the number of devices: each
    image goes through the same program by itself.

    Attributes:
      backbone: the model with its weights.
      method: an entry of `methods.METHODS`.
      config: the method's frozen config.
      refinement: how trees on the patch grid become trees of pixels.
      mesh: devices among which the images of a batch are shared, along one axis
        ``"data"``; None for the default device.
    """

    backbone: backbones.Backbone
    method: methods.Method
    config: Any
    refinement: Refinement = dataclasses.field(default_factory=Refinement)
    mesh: jax.sharding.Mesh | None = None

    @classmethod
    def create(
        cls,
        *,
        method: str = DEFAULT_METHOD,
        model: str = backbones.DEFAULT_VARIANT,
        config: Any = None,
        refine: str | Refinement | None = None,
        checkpoint_dir: str | os.PathLike[str] | None = None,
        mesh: jax.sharding.Mesh | None = None,
    ) -> "Segmenter":
        """Looks up the method and loads the model; see `segment` for the arguments."""
        chosen = methods.get_method(method)
        chosen.require_one_image()
        spec = backbones.get_variant(model).spec
        if config is None:
            config = extraction.for_backbone(chosen.preset(), spec)
        config = chosen.resolve_config(config)
        refinement = resolve_refinement(refine)
        # Before gigabytes are loaded for what the model cannot do.
        sides = extraction.image_sides(config.image_size)
        extraction.check_sides(spec, *sides)
        extraction.asked_of(config, spec)
        backbone = backbones.load_backbone(model, checkpoint_dir=checkpoint_dir)
        extraction.check_prompt(config, backbone)
        return cls(backbone, chosen, config, refinement, mesh)

    def __call__(
        self, photographs: Sequence[UInt8[np.ndarray, "_ _ 3"]], *, grid: bool = False
    ) -> list[RegionTree]:
        """The trees of several images of any sizes, from one batch.

        Args:
          photographs: RGB pixels.
          grid: keep the labels on the patch grid.

        Returns:
          One tree with numpy arrays for every image; none for none.
        """
        on_grid = self.on_grid(photographs)
        if grid:
            return [tree for _, tree in on_grid]
        return [
            self.refine(tree, features, image)
            for (features, tree), image in zip(on_grid, photographs, strict=True)
        ]

    def on_grid(
        self, photographs: Sequence[UInt8[np.ndarray, "_ _ 3"]]
    ) -> list[tuple[Float[Array, "h w d"], RegionTree]]:
        """The features of every image and its tree (numpy) on the patch grid."""
        if not len(photographs):
            return []
        features = self.features(photographs)
        trees = jax.device_get(self.trees(features))
        return [(features[i], trees[i]) for i in range(len(photographs))]

    def refine(
        self,
        tree: RegionTree,
        features: Float[Array, "h w d"],
        image: UInt8[np.ndarray, "_ _ 3"],
    ) -> RegionTree:
        """A tree of the patch grid with its labels at the image's pixels."""
        return refine(tree, features, image, self.refinement)

    def features(
        self, photographs: Sequence[UInt8[np.ndarray, "_ _ 3"]]
    ) -> Float[Array, "b h w d"]:
        """The features that the method works on.

        With a mesh, the last image is repeated until the devices divide the batch.
        """
        sides = extraction.image_sides(self.config.image_size)
        pixels = [images.resize(image, sides) for image in photographs]
        devices = 1 if self.mesh is None else self.mesh.size
        pixels += pixels[-1:] * (-len(pixels) % devices)
        return _jitted_features(
            self._inputs,
            np.stack(pixels),
            module=self.backbone.module,
            asked=extraction.asked_of(self.config, self.backbone.spec),
            mesh=self.mesh,
        )

    @functools.cached_property
    def _inputs(self) -> extraction.Inputs:
        """What every forward works with, on all devices from the first on."""
        inputs = extraction.inputs_of(self.config, self.backbone)
        if self.mesh is None:
            return inputs
        everywhere = NamedSharding(self.mesh, PartitionSpec())
        return jax.device_put(inputs, everywhere)

    def trees(self, features: Float[Array, "b h w d"]) -> RegionTree:
        """The method alone: a batched tree on the patch grid."""
        return jitted_trees(
            features,
            segment_fn=self.method.segment,
            config=self.config,
            mesh=self.mesh,
        )


# Both stages take the images of a device one after the other (`lax.map`), not by
# vmap: products of other shapes round differently, so a tree would depend on its
# neighbours, and conditionals that skip empty buckets would become selects.
@functools.partial(jax.jit, static_argnames=("module", "asked", "mesh"))
def _jitted_features(
    inputs: extraction.Inputs, pixels: Array, *, module: Any, asked: Any, mesh: Any
) -> Float[Array, "b h w d"]:
    def local_fn(inputs: extraction.Inputs, pixels: Array) -> Array:
        one_fn = functools.partial(
            extraction.grid_features, module, inputs, asked=asked
        )
        return jax.lax.map(one_fn, pixels)

    return _shared_out(local_fn, mesh)(inputs, pixels)


@functools.partial(jax.jit, static_argnames=("segment_fn", "config", "mesh"))
def jitted_trees(
    features: Array, *, segment_fn: Any, config: Any, mesh: Any = None
) -> RegionTree:
    """A batched tree of features ``[b, h, w, d]``; compiled once for each config."""

    def local_fn(nothing: tuple[()], features: Array) -> RegionTree:
        del nothing
        return jax.lax.map(lambda x: segment_fn(x, config).tree, features)

    return _shared_out(local_fn, mesh)((), features)


def _shared_out(
    local_fn: Callable[[Any, Array], Any], mesh: jax.sharding.Mesh | None
) -> Callable[[Any, Array], Any]:
    """Runs a function of (parameters, batch) on every device's share of the batch."""
    if mesh is None:
        return local_fn
    replicated, shared = PartitionSpec(), PartitionSpec("data")
    return jax.shard_map(
        local_fn,
        mesh=mesh,
        in_specs=(replicated, shared),
        out_specs=shared,
        check_vma=False,  # the loops start from constants that every device has
    )
