"""A backbone and a method bound together, ready for many pictures.

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

from uhseg_jax import backbones, images, methods
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.methods import config_checks
from uhseg_jax.spectral import numerics
from uhseg_jax.types import Array, Float, Integer, UInt8

__all__ = [
    "DEFAULT_METHOD",
    "Segmenter",
    "at_size",
    "image_sides",
    "jitted_trees",
    "require_dense",
    "resize_labels",
]

DEFAULT_METHOD = "recursive_spectral"


@dataclasses.dataclass(frozen=True)
class Segmenter:
    """A backbone and a method, ready for many pictures.

    A tree never depends on its neighbours in a batch or on the number of devices: each
    picture goes through the same program by itself.

    Attributes:
      backbone: the model with its weights.
      method: an entry of `methods.METHODS`.
      config: the method's frozen config.
      mesh: devices among which the pictures of a batch are shared, along one axis
        ``"data"``; None for the default device.
    """

    backbone: backbones.Backbone
    method: methods.Method
    config: Any
    mesh: jax.sharding.Mesh | None = None

    @classmethod
    def create(
        cls,
        *,
        method: str = DEFAULT_METHOD,
        model: str = backbones.DEFAULT_VARIANT,
        config: Any = None,
        checkpoint_dir: str | os.PathLike[str] | None = None,
        mesh: jax.sharding.Mesh | None = None,
    ) -> "Segmenter":
        """Looks up the method and loads the model; see `segment` for the arguments."""
        chosen = methods.get_method(method)
        config = chosen.resolve_config(config)
        backbone = backbones.load_backbone(model, checkpoint_dir=checkpoint_dir)
        backbones.check_image_size(backbone.spec, *image_sides(config.image_size))
        _requests(config, backbone.spec)
        return cls(backbone, chosen, config, mesh)

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
        if not len(pictures):
            return []
        trees = jax.device_get(self.trees(self.features(pictures)))
        on_grid = [tree for tree, _ in zip(trees, pictures, strict=False)]
        if grid:
            return on_grid
        return [
            at_size(tree, picture.shape[:2])
            for tree, picture in zip(on_grid, pictures, strict=True)
        ]

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
        return _side_by_side(found)[0]

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


def _side_by_side(features: tuple[Float[Array, "b h w d"], ...]) -> Array:
    """Features of several blocks, each of unit length, as one vector."""
    if len(features) == 1:
        return features[0]
    units = [
        numerics.normalize_rows(x.reshape(-1, x.shape[-1])).reshape(x.shape)
        for x in features
    ]
    return jnp.concatenate(units, axis=-1)


def resize_labels(
    labels: Integer[np.ndarray, "h w"], size: tuple[int, ...]
) -> Integer[np.ndarray, "H W"]:
    """Labels of another size: every cell takes the label that its centre lies in."""
    rows, columns = (
        ((np.arange(full) + 0.5) * cells / full).astype(np.intp)
        for full, cells in zip(size, labels.shape, strict=True)
    )
    return labels[rows[:, None], columns[None, :]]


def at_size(tree: RegionTree, size: tuple[int, ...]) -> RegionTree:
    """A tree with its labels at (height, width), numpy; the nodes stay as they are."""
    labels = resize_labels(np.asarray(tree.labels), size)
    return dataclasses.replace(tree, labels=labels)


def image_sides(image_size: Any) -> tuple[int, int]:
    """(height, width) of a side or a pair; ValueError if it is neither."""
    size = config_checks.check("image_size", image_size, config_checks.IMAGE_SIZE)
    return (size, size) if isinstance(size, int) else size


def require_dense(facet: str) -> None:
    """ValueError for a facet of the backbone that is no vector for every patch."""
    if facet == "class_attention":
        raise ValueError(
            "expected token, query, key or value features, but facet is "
            "'class_attention'; for class attention call "
            "uhseg_jax.backbones.forward_features."
        )
