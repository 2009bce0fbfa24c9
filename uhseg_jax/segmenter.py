"""A backbone, a method and a refinement bound together, ready for many pictures.

This is where jit and batches live; `pipeline` makes its functions of these steps.
"""

import dataclasses
import functools
import os
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec

from uhseg_jax import backbones, config_checks, images, methods
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.refinement.config import Refinement, resolve_refinement
from uhseg_jax.refinement.refine import refine
from uhseg_jax.spectral import numerics
from uhseg_jax.types import Array, Float, UInt8

__all__ = [
    "DEFAULT_METHOD",
    "Segmenter",
    "image_sides",
    "jitted_trees",
    "require_dense",
    "side_by_side",
]

DEFAULT_METHOD = "recursive_spectral"


@dataclasses.dataclass(frozen=True)
class Segmenter:
    """A backbone, a method and a refinement, ready for many pictures.

    A tree never depends on its neighbours in a batch or on the number of devices: each
    picture goes through the same program by itself.

    Attributes:
      backbone: the model with its weights.
      method: an entry of `methods.METHODS`.
      config: the method's frozen config.
      refinement: how trees on the patch grid become trees of pixels.
      mesh: devices among which the pictures of a batch are shared, along one axis
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
        chosen.require_one_picture()
        if config is None:
            config = methods.for_patch(
                chosen.preset(), backbones.get_variant(model).spec.patch
            )
        config = chosen.resolve_config(config)
        refinement = resolve_refinement(refine)
        backbone = backbones.load_backbone(model, checkpoint_dir=checkpoint_dir)
        backbones.check_image_size(backbone.spec, *image_sides(config.image_size))
        _requests(config, backbone.spec)
        return cls(backbone, chosen, config, refinement, mesh)

    def __call__(
        self, pictures: Sequence[UInt8[np.ndarray, "_ _ 3"]], *, grid: bool = False
    ) -> list[RegionTree]:
        """The trees of several pictures of any sizes, from one batch.

        Args:
          pictures: RGB pixels.
          grid: keep the labels on the patch grid.

        Returns:
          One tree with numpy arrays for every picture; none for none.
        """
        on_grid = self.on_grid(pictures)
        if grid:
            return [tree for _, tree in on_grid]
        return [
            self.refine(tree, features, picture)
            for (features, tree), picture in zip(on_grid, pictures, strict=True)
        ]

    def on_grid(
        self, pictures: Sequence[UInt8[np.ndarray, "_ _ 3"]]
    ) -> list[tuple[Float[Array, "h w d"], RegionTree]]:
        """The features of every picture and its tree (numpy) on the patch grid."""
        if not len(pictures):
            return []
        features = self.features(pictures)
        trees = jax.device_get(self.trees(features))
        return [(features[i], trees[i]) for i in range(len(pictures))]

    def refine(
        self,
        tree: RegionTree,
        features: Float[Array, "h w d"],
        picture: UInt8[np.ndarray, "_ _ 3"],
    ) -> RegionTree:
        """A tree of the patch grid with its labels at the picture's pixels."""
        return refine(tree, features, picture, self.refinement)

    def features(
        self, pictures: Sequence[UInt8[np.ndarray, "_ _ 3"]]
    ) -> Float[Array, "b h w d"]:
        """The features that the method works on.

        With a mesh, the last picture is repeated until the devices divide the batch.
        """
        sides = image_sides(self.config.image_size)
        pixels = [images.resize(picture, sides) for picture in pictures]
        devices = 1 if self.mesh is None else self.mesh.size
        pixels += pixels[-1:] * (-len(pixels) % devices)
        return _jitted_features(
            self.backbone.params,
            np.stack(pixels),
            module=self.backbone.module,
            requests=_requests(self.config, self.backbone.spec),
            mesh=self.mesh,
        )

    def trees(self, features: Float[Array, "b h w d"]) -> RegionTree:
        """The method alone: a batched tree on the patch grid."""
        return jitted_trees(
            features,
            segment_fn=self.method.segment,
            config=self.config,
            mesh=self.mesh,
        )


def _requests(
    config: Any, spec: backbones.ViTSpec
) -> tuple[backbones.FeatureRequest, ...]:
    """What a method's config asks of the backbone; ValueError if it has no such."""
    require_dense(config.facet)
    return tuple(
        backbones.resolve_request(
            backbones.FeatureRequest(config.facet, block, config.normed), spec
        )
        for block in config.blocks
    )


# Both stages take the pictures of a device one after the other (`lax.map`), not by
# vmap: products of other shapes round differently, so a tree would depend on its
# neighbours, and conditionals that skip empty buckets would become selects.
@functools.partial(jax.jit, static_argnames=("module", "requests", "mesh"))
def _jitted_features(
    params: Any, pixels: Array, *, module: Any, requests: Any, mesh: Any
) -> Float[Array, "b h w d"]:
    def one_fn(params: Any, image: Array) -> Array:
        found = backbones.compute_features(
            module, params, image[None], requests=requests
        )
        return side_by_side(found)[0]

    def local_fn(params: Any, pixels: Array) -> Array:
        return jax.lax.map(functools.partial(one_fn, params), pixels)

    return _shared_out(local_fn, mesh)(params, pixels)


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


def side_by_side(features: tuple[Float[Array, "b h w d"], ...]) -> Array:
    """Features of several blocks, each of unit length, as one vector."""
    if len(features) == 1:
        return features[0]
    units = [
        numerics.normalize_rows(x.reshape(-1, x.shape[-1])).reshape(x.shape)
        for x in features
    ]
    return jnp.concatenate(units, axis=-1)


def image_sides(image_size: Any) -> tuple[int, int]:
    """(height, width) of a side or a pair; ValueError if it is neither."""
    size = config_checks.check("image_size", image_size, config_checks.IMAGE_SIZE)
    return (size, size) if isinstance(size, int) else size


def require_dense(facet: str) -> None:
    """ValueError for a facet of the backbone that is no vector for every patch."""
    if facet in ("attention", "class_attention", "class_token"):
        raise ValueError(
            f"expected token, query, key or value features, but facet is {facet!r}; "
            "for attention and class tokens call "
            "uhseg_jax.backbones.forward_features."
        )
