"""From an image to its tree: image -> features -> method -> refinement.

`segment`, `segment_features` and `extract_features` are made of the steps of a
`pipeline.Segmenter`, which binds a backbone to a method's config.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import numpy.typing as npt

from uhseg_jax import backbones, methods
from uhseg_jax.derivatives import require_values
from uhseg_jax.entry import entry_point
from uhseg_jax.features import (
    FeaturesOfOne,
    at_unit_length,
    at_unit_scale,
    checked_features,
)
from uhseg_jax.hierarchy.tree import RegionTree, stacked
from uhseg_jax.images import ImageLike, PathLike, read_image, resize
from uhseg_jax.methods import DEFAULT_METHOD, FunctionMethod, Method
from uhseg_jax.pipeline import (
    Segmenter,
    is_large_grid,
    jitted_trees,
    tree_of_patches,
)
from uhseg_jax.refinement.config import Refinement
from uhseg_jax.types import Float, Pixels
from uhseg_jax.validators import SIDES, check

__all__ = ["extract_features", "segment", "segment_features"]


def segment(
    image: ImageLike,
    *,
    method: str | Method | Callable[..., Any] = DEFAULT_METHOD,
    model: str | backbones.Variant = backbones.DEFAULT_VARIANT,
    config: Any = None,
    refine: str | Refinement | None = None,
    grid: bool = False,
    checkpoint_dir: PathLike | None = None,
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
      method: a name in `uhseg_jax.methods.METHODS`, ``FILE.py:FUNCTION``, which runs
        that file, or a function (`methods.method_from`).
      model: a name in `uhseg_jax.backbones.VARIANTS`, ``FILE.py:NAME``, which runs
        that file, or a `backbones.Variant`.
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
    require_values("segment", image)
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
    image: ImageLike | None = None,
    method: str | Method | Callable[..., Any] = DEFAULT_METHOD,
    config: Any = None,
    refine: str | Refinement | None = None,
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
        every cell takes from each. Without an image, a method that has superpixels
        takes the cells in their place, any number of them.
      image: the image that features ``[h, w, d]`` are of, as for `segment`.
      method: a name in `uhseg_jax.methods.METHODS`, ``FILE.py:FUNCTION``, which runs
        that file, or a function (`methods.method_from`).
      config: the method's frozen config; None for its default.
      refine: with an image, how leaves follow its edges, as for `segment`.

    Returns:
      A tree on the grid ``[h, w]``, or at the size of the image; for a batch, a batched
      tree (index or iterate). Arrays may be of any size, so those of a batch are taken
      one after the other.

    Raises:
      ValueError: features of another shape, not finite, or such as the method cannot
        work on: with a zero vector, or no attention; or a batch with an image.
      images.ImageError: the image cannot be read, or a function failed.
    """
    require_values("segment_features", (features, image))
    chosen = methods.method_of(method)
    config = chosen.resolve_config(config)
    if image is not None and getattr(features, "ndim", None) == 4:
        raise ValueError(
            "expected features [h, w, d] of the image, but got a batch of shape "
            f"{np.shape(features)}; give images one by one, or none."
        )
    checked = checked_features(features, batched=image is None)
    chosen.check_features(checked)
    if image is not None:
        segmenter = Segmenter.create(
            method=chosen,
            features=FeaturesOfOne(checked),
            config=config,
            refine=refine,
        )
        return segmenter([read_image(image)])[0].tree
    batch = checked if checked.ndim == 4 else checked[None]
    if isinstance(chosen, FunctionMethod):
        trees = stacked([chosen.tree_of(x, None, config) for x in batch])
    elif is_large_grid(chosen, batch.shape[1:3]):
        trees = stacked(
            [tree_of_patches(at_unit_length(x), chosen, config) for x in batch]
        )
    else:
        batch = at_unit_scale(batch)
        found = jitted_trees(batch, segment_fn=chosen.segment, config=config)
        trees = jax.device_get(found.tree)
    return trees if checked.ndim == 4 else trees[0]


def extract_features(
    image: ImageLike,
    *,
    model: str | backbones.Variant = backbones.DEFAULT_VARIANT,
    facet: str = "token",
    block: int = -1,
    normed: bool | None = None,
    image_size: int | tuple[int, int] | None = 840,
    checkpoint_dir: PathLike | None = None,
    dtype: str = backbones.AUTO,
) -> Float[np.ndarray, "h w d"]:
    """Dense features of an image from any block of a backbone.

    Args:
      image: a path, the bytes of a file, an open file, a PIL image, or an array
        ``[H, W, 3]`` (numpy, JAX), uint8 or deeper; see `images.read_image`.
      model: a name in `uhseg_jax.backbones.VARIANTS`, ``FILE.py:NAME``, which runs
        that file, or a `backbones.Variant`.
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
    require_values("extract_features", image)
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
    variant = backbones.get_variant(model)
    load = functools.partial(
        backbones.load_backbone, variant, checkpoint_dir=checkpoint_dir, dtype=dtype
    )
    if isinstance(backbones.family_of(variant.spec), backbones.PatchFamily):
        return _patch_features(pixels, variant.spec, facet, load)
    request = backbones.FeatureRequest(facet, block, normed)
    spec = backbones.vit_spec(variant.spec, variant.name)
    backbones.resolve_request(request, spec)  # before gigabytes are loaded
    (features,) = backbones.forward_features(load(), pixels[None], requests=(request,))
    return np.asarray(features[0])


def _patch_features(
    pixels: Pixels,
    spec: Any,
    facet: str,
    load: Callable[[], backbones.Backbone],
) -> Float[np.ndarray, "h w d"]:
    """The features of a model that has one output."""
    height, width = pixels.shape[:2]
    backbones.check_image_size(spec, height, width)
    grid = (height // spec.patch, width // spec.patch)
    request = backbones.PatchRequest(grid=grid, facet=facet)
    backbones.family_of(spec).resolve(spec, request)  # before weights are loaded
    return np.asarray(load().answer(pixels, request))
