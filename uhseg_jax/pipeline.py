"""From a picture to its tree: image -> features -> method -> labels at image size.

This is where jit and batches live. A `Segmenter` binds a backbone to a method's
config; `segment`, `segment_features` and `extract_features` are made of the same
steps.
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
from PIL import Image

from uhseg_jax import backbones, images, methods
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.spectral import numerics
from uhseg_jax.types import Array, Float, Integer, UInt8

__all__ = [
    "DEFAULT_METHOD",
    "Segmenter",
    "extract_features",
    "resize_labels",
    "segment",
    "segment_features",
]

ImageLike = str | os.PathLike[str] | Image.Image | np.ndarray
DEFAULT_METHOD = "recursive_spectral"


def segment(
    image: ImageLike,
    *,
    method: str = DEFAULT_METHOD,
    model: str = backbones.DEFAULT_VARIANT,
    config: Any = None,
    grid: bool = False,
    checkpoint_dir: str | os.PathLike[str] | None = None,
) -> RegionTree:
    """The tree of nested regions of a picture.

    The first call fetches the model's weights (cached afterwards) and compiles.

        >>> import uhseg_jax
        >>> tree = uhseg_jax.segment("photo.jpg")  # doctest: +SKIP
        >>> tree.cut(num_regions=8)  # doctest: +SKIP

    Args:
      image: a path, a PIL image, or an array uint8 ``[H, W, 3]``.
      method: a name in `uhseg_jax.methods.METHODS`.
      model: a name in `uhseg_jax.backbones.VARIANTS`.
      config: the method's frozen config; None for its default.
      grid: keep the labels on the patch grid instead of the picture's size.
      checkpoint_dir: where converted weights are kept; None for the user's cache.

    Returns:
      A tree with numpy arrays; labels ``[H, W]``, or ``[h, w]`` with ``grid``.

    Raises:
      ValueError: unknown method or model, or a config of another method.
      images.ImageError: the picture cannot be read.
      backbones.WeightsError: the weights could not be had.
    """
    segmenter = Segmenter.create(
        method=method, model=model, config=config, checkpoint_dir=checkpoint_dir
    )
    return segmenter([images.read_image(image)], grid=grid)[0]


def segment_features(
    features: Array | np.ndarray,
    *,
    method: str = DEFAULT_METHOD,
    config: Any = None,
) -> RegionTree:
    """The tree of regions of features that any backbone gave.

        >>> import numpy as np, uhseg_jax
        >>> halves = np.zeros((4, 6, 8), np.float32)
        >>> halves[:, :3, 0], halves[:, 3:, 1] = 1, 1
        >>> tree = uhseg_jax.segment_features(halves)
        >>> sorted(np.unique(tree.cut(num_regions=2), return_counts=True)[1].tolist())
        [12, 12]

    Args:
      features: ``[h, w, d]``, or ``[b, h, w, d]`` for a batch.
      method: a name in `uhseg_jax.methods.METHODS`.
      config: the method's frozen config; None for its default.

    Returns:
      A tree on the grid ``[h, w]``; for a batch, a batched tree (index or iterate).

    Raises:
      ValueError: features of another shape, not finite, or with a zero vector.
    """
    chosen = methods.get_method(method)
    config = chosen.resolve_config(config)
    checked = _checked_features(features)
    batch = checked if checked.ndim == 4 else checked[None]
    trees = jax.device_get(
        _jitted_trees(batch, segment_fn=chosen.segment, config=config)
    )
    return trees if checked.ndim == 4 else trees[0]


def extract_features(
    image: ImageLike,
    *,
    model: str = backbones.DEFAULT_VARIANT,
    facet: str = "token",
    block: int = -1,
    normed: bool | None = None,
    image_size: int | tuple[int, int] | None = 840,
    checkpoint_dir: str | os.PathLike[str] | None = None,
) -> Float[np.ndarray, "h w d"]:
    """Dense features of a picture from any block of a backbone.

    Args:
      image: a path, a PIL image, or an array uint8 ``[H, W, 3]``.
      model: a name in `uhseg_jax.backbones.VARIANTS`.
      facet: "token", "query", "key" or "value".
      block: of the backbone; -1 is the last.
      normed: tokens through the final norm; None: for the last block only.
      image_size: side to which the picture is resized (aspect ratio not kept), a pair
        (height, width), or None: the picture as it is.
      checkpoint_dir: where converted weights are kept; None for the user's cache.

    Returns:
      float32 ``[h, w, d]``, one vector for every patch.

    Raises:
      ValueError: unknown model or facet, no such block, or a side that the patch does
        not divide.
      images.ImageError: the picture cannot be read.
      backbones.WeightsError: the weights could not be had.
    """
    if facet == "class_attention":
        raise ValueError(
            "extract_features gives token, query, key or value features; for class "
            "attention call uhseg_jax.backbones.forward_features."
        )
    pixels = images.read_image(image)
    if image_size is not None:
        pixels = images.resize(pixels, _sides(image_size))
    backbone = backbones.load_backbone(model, checkpoint_dir=checkpoint_dir)
    request = backbones.FeatureRequest(facet, block, normed)
    (features,) = backbones.forward_features(
        backbone, pixels[None], requests=(request,)
    )
    return np.asarray(features[0])


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
        backbones.check_image_size(backbone.spec, *_sides(config.image_size))
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
          One tree with numpy arrays for every picture.
        """
        trees = jax.device_get(self.trees(self.features(pictures)))
        on_grid = [tree for tree, _ in zip(trees, pictures, strict=False)]
        if grid:
            return on_grid
        return [
            dataclasses.replace(tree, labels=resize_labels(tree.labels, p.shape[:2]))
            for tree, p in zip(on_grid, pictures, strict=True)
        ]

    def features(
        self, pictures: Sequence[UInt8[np.ndarray, "_ _ 3"]]
    ) -> Float[Array, "b h w d"]:
        """The features that the method works on.

        With a mesh, the last picture is repeated until the devices divide the batch.
        """
        sides = _sides(self.config.image_size)
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
        return _jitted_trees(
            features,
            segment_fn=self.method.segment,
            config=self.config,
            mesh=self.mesh,
        )


def _requests(
    config: Any, spec: backbones.ViTSpec
) -> tuple[backbones.FeatureRequest, ...]:
    """What a method's config asks of the backbone; ValueError if it has no such."""
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
def _jitted_trees(
    features: Array, *, segment_fn: Any, config: Any, mesh: Any = None
) -> RegionTree:
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


def _sides(image_size: int | tuple[int, int]) -> tuple[int, int]:
    """(height, width) of a side or a pair."""
    sides = (image_size,) * 2 if isinstance(image_size, int) else tuple(image_size)
    if len(sides) != 2 or not all(isinstance(s, int) and s > 0 for s in sides):
        raise ValueError(
            "image_size must be a side or a pair (height, width) of positive whole "
            f"numbers, but is {image_size!r}."
        )
    return sides


def _checked_features(
    features: Array | np.ndarray,
) -> Float[Array, "*b h w d"]:
    """float32 features, or a sentence on what is wrong with them."""
    if np.ndim(features) not in (3, 4) or 0 in np.shape(features):
        raise ValueError(
            "expected features [h, w, d] or [b, h, w, d] with no empty axis, but got "
            f"shape {np.shape(features)}."
        )
    if not jnp.issubdtype(features.dtype, jnp.floating):
        raise ValueError(
            f"expected floating-point features, but got {features.dtype}; convert them "
            "with .astype('float32')."
        )
    checked = jnp.asarray(features, jnp.float32)
    largest = jnp.max(jnp.abs(checked), axis=-1)
    if not bool(jnp.all(jnp.isfinite(largest))):
        count = int(jnp.sum(~jnp.isfinite(largest)))
        raise ValueError(
            f"expected finite features, but {count} of {largest.size} vectors hold NaN "
            "or infinity; check the backbone's input and dtype."
        )
    if not bool(jnp.all(largest > 0)):
        raise ValueError(
            f"expected features of some length, but {int(jnp.sum(largest == 0))} of "
            f"{largest.size} vectors are zero and have no cosine; leave them out or "
            "add a constant channel."
        )
    # Unit scale: squares of very large or small features leave float32's range.
    return checked / largest[..., None]
