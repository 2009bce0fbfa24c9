"""From an image to its tree: image -> features -> method -> refinement.

`segment`, `segment_features` and `extract_features` are made of the steps of a
`pipeline.Segmenter`, which binds a backbone to a method's config.
"""

import os
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from uhseg_jax import backbones, methods
from uhseg_jax.entry import entry_point
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.images import ImageLike, read_image, resize
from uhseg_jax.methods import DEFAULT_METHOD
from uhseg_jax.pipeline import Segmenter, jitted_trees
from uhseg_jax.refinement.config import Refinement
from uhseg_jax.types import Float
from uhseg_jax.validators import SIDES, check

__all__ = ["extract_features", "segment", "segment_features"]


def segment(
    image: ImageLike,
    *,
    method: str = DEFAULT_METHOD,
    model: str = backbones.DEFAULT_VARIANT,
    config: Any = None,
    refine: str | Refinement | None = None,
    grid: bool = False,
    checkpoint_dir: str | os.PathLike[str] | None = None,
    dtype: str = backbones.AUTO,
) -> RegionTree:
    """The tree of nested regions of an image.

    The first call fetches the model's weights (cached afterwards) and compiles.

        >>> import uhseg_jax
        >>> tree = uhseg_jax.segment("photo.jpg")  # doctest: +SKIP
        >>> tree.cut(num_regions=8)  # doctest: +SKIP

    Args:
      image: a path, the bytes of a file, an open file, a PIL image, or an array
        ``[H, W, 3]`` (numpy, JAX), uint8 or deeper; see `images.read_image`.
      method: a name in `uhseg_jax.methods.METHODS`.
      model: a name in `uhseg_jax.backbones.VARIANTS`.
      config: the method's frozen config; None for its default.
      refine: how leaves follow the image's edges: names of refiners, or a `Refinement`
        with all parameters; None for the method's own.
      grid: keep the labels on the patch grid instead of the image's size.
      checkpoint_dir: where converted weights are kept; None for the user's cache.
      dtype: of the backbone's products: "float32", "bfloat16", or "auto": bfloat16
        where that is faster (`backbones.default_dtype`).

    Returns:
      A tree with numpy arrays; labels ``[H, W]``, or ``[h, w]`` with ``grid``.

    Raises:
      ValueError: unknown method, model, refinement or dtype, a config of another
        method, or a request that the model cannot answer.
      images.ImageError: the image cannot be read.
      backbones.WeightsError: the weights could not be had.
    """
    segmenter = Segmenter.create(
        method=method,
        model=model,
        config=config,
        refine="none" if grid else refine,
        checkpoint_dir=checkpoint_dir,
        dtype=dtype,
    )
    found = segmenter([read_image(image)])[0]
    return found.grid if grid else found.tree


@entry_point
def segment_features(
    features: npt.ArrayLike,
    *,
    method: str = DEFAULT_METHOD,
    config: Any = None,
) -> RegionTree:
    """The tree of regions of features that any backbone gave.

        >>> import numpy as np, uhseg_jax
        >>> halves = np.zeros((4, 6, 8), np.float32)
        >>> halves[:, :3, 0], halves[:, 3:, 1] = 1, 1
        >>> config = uhseg_jax.methods.recursive_spectral.two_way()
        >>> tree = uhseg_jax.segment_features(
        ...     halves, method="recursive_spectral", config=config
        ... )
        >>> sorted(np.unique(tree.cut(num_regions=2), return_counts=True)[1].tolist())
        [12, 12]

    Args:
      features: an array ``[h, w, d]``, or ``[b, h, w, d]`` for a batch, of any
        floating type and on any device; vectors of any length, which count by their
        direction. For the method "diffusion_walk" attention ``[h, w, h * w]``, what
        every cell takes from each. A method that has superpixels takes the cells in
        their place.
      method: a name in `uhseg_jax.methods.METHODS`.
      config: the method's frozen config; None for its default.

    Returns:
      A tree on the grid ``[h, w]``; for a batch, a batched tree (index or iterate).
      Arrays may be of any size, so those of a batch are taken one after the other.

    Raises:
      ValueError: features of another shape, not finite, or such as the method cannot
        work on: with a zero vector, or no attention.
    """
    chosen = methods.METHODS.find(method)
    config = chosen.resolve_config(config)
    checked = _checked_features(features)
    chosen.check_features(checked)
    batch = _at_unit_scale(checked if checked.ndim == 4 else checked[None])
    found = jitted_trees(batch, segment_fn=chosen.segment, config=config)
    trees = jax.device_get(found.tree)
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
    dtype: str = backbones.AUTO,
) -> Float[np.ndarray, "h w d"]:
    """Dense features of an image from any block of a backbone.

    Args:
      image: a path, the bytes of a file, an open file, a PIL image, or an array
        ``[H, W, 3]`` (numpy, JAX), uint8 or deeper; see `images.read_image`.
      model: a name in `uhseg_jax.backbones.VARIANTS`.
      facet: "token", "query", "key" or "value".
      block: index of the backbone's block; -1 is the last.
      normed: tokens through the final norm; None: for the last block only.
      image_size: side to which the image is resized (aspect ratio not kept), a pair
        (height, width), or None: the image as it is.
      checkpoint_dir: where converted weights are kept; None for the user's cache.
      dtype: of the backbone's products, as for `segment`; features are float32.

    Returns:
      float32 ``[h, w, d]``, one vector for every patch.

    Raises:
      ValueError: unknown model, facet or dtype, no such block, or a side that the
        patch does not divide.
      images.ImageError: the image cannot be read.
      backbones.WeightsError: the weights could not be had.
    """
    if facet in backbones.FACETS and facet not in backbones.PATCH_FACETS:
        raise ValueError(
            f"expected token, query, key or value features, but facet is {facet!r}; "
            "for attention and class tokens call "
            "uhseg_jax.backbones.forward_features."
        )
    pixels = read_image(image)
    if image_size is not None:
        size = check("image_size", image_size, SIDES)
        pixels = resize(pixels, backbones.grid_shape(size))
    request = backbones.FeatureRequest(facet, block, normed)
    spec = backbones.get_variant(model).spec
    # Before gigabytes are loaded.
    if isinstance(spec, backbones.ViTSpec):
        backbones.resolve_request(request, spec)
    else:
        raise ValueError(
            f"expected a Vision Transformer, as dinov2_vits14, but {model} is a "
            "diffusion model, which has self-attention "
            "(`uhseg_jax.backbones.self_attention_maps`)."
        )
    backbone = backbones.load_backbone(
        model, checkpoint_dir=checkpoint_dir, dtype=dtype
    )
    (features,) = backbones.forward_features(
        backbone, pixels[None], requests=(request,)
    )
    return np.asarray(features[0])


def _checked_features(features: Any) -> Float[np.ndarray, "*b h w d"]:
    """Features as an array of float32 or more, or a sentence on what is wrong.

    On the host, wherever they were: devices divide in ways of their own.
    """
    try:
        features = np.asarray(features)
    except ValueError as error:  # nested lists of several lengths
        raise ValueError(
            f"expected features as an array [h, w, d] or [b, h, w, d], but {error}"
        ) from error
    if features.ndim not in (3, 4) or 0 in features.shape:
        raise ValueError(
            "expected features [h, w, d] or [b, h, w, d] with no empty axis, but got "
            f"shape {features.shape}."
        )
    if not jnp.issubdtype(features.dtype, jnp.floating):
        raise ValueError(
            f"expected floating-point features, but got {features.dtype}; convert them "
            "with .astype('float32')."
        )
    if features.dtype.itemsize < 4:
        features = features.astype(np.float32)
    largest = np.max(np.abs(features), axis=-1, keepdims=True)
    if not np.isfinite(largest).all():
        count = int((~np.isfinite(largest)).sum())
        raise ValueError(
            f"expected finite features, but {count} of {largest.size} vectors hold NaN "
            "or infinity; check the backbone's input and dtype."
        )
    return features


def _at_unit_scale(
    features: Float[np.ndarray, "b h w d"],
) -> Float[np.ndarray, "b h w d"]:
    """float32 features whose largest entries are 1 or -1; zero vectors stay.

    In their own type first: features of float64, and squares of very large or small
    ones of float32, leave float32's range.
    """
    largest = np.max(np.abs(features), axis=-1, keepdims=True)
    scaled = features / np.where(largest > 0, largest, 1)
    return scaled.astype(np.float32)
