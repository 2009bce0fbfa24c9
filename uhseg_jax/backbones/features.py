"""Dense features of a backbone: any facet of any block, several from one forward."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from uhseg_jax.backbones.backbone import Backbone
from uhseg_jax.backbones.spec import ViTSpec, check_image_size
from uhseg_jax.backbones.vit import ViT, ViTOutput
from uhseg_jax.types import Array, Float, UInt8

FACETS = ("token", "query", "key", "value", "class_attention")


@dataclasses.dataclass(frozen=True)
class FeatureRequest:
    """One output wanted of a forward.

    Attributes:
      facet: one of `FACETS`. ``"token"`` is the output of the block, ``"query"``,
        ``"key"`` and ``"value"`` are the projections its attention works with, heads
        side by side; ``"class_attention"`` is the attention of the class token to the
        patches, per head.
      block: index of the block, negative from the end; -1 is the last.
      normed: tokens through the model's final norm. None: for the last block only.
    """

    facet: str = "token"
    block: int = -1
    normed: bool | None = None


def resolve_request(request: FeatureRequest, spec: ViTSpec) -> FeatureRequest:
    """Checks a request against a model and fills in what it left open.

    Args:
      request: what is wanted.
      spec: of which model.

    Returns:
      The request with a non-negative block and a definite ``normed``; requests that ask
      for the same thing come out equal.

    Raises:
      ValueError: unknown facet, block out of range, or a norm asked for a projection.
    """
    if request.facet not in FACETS:
        raise ValueError(
            f"Unknown facet {request.facet!r}; expected one of {', '.join(FACETS)}."
        )
    if not -spec.depth <= request.block < spec.depth:
        raise ValueError(
            f"The model has {spec.depth} blocks, so block must lie between "
            f"{-spec.depth} and {spec.depth - 1}; found {request.block}."
        )
    block = request.block % spec.depth
    if request.facet == "token":
        last = block == spec.depth - 1
        normed = last if request.normed is None else request.normed
    elif request.normed:
        raise ValueError(
            f"The final norm applies to tokens only; found normed=True with the facet "
            f"{request.facet!r}. Leave normed out."
        )
    else:
        normed = False
    return FeatureRequest(facet=request.facet, block=block, normed=normed)


def normalise_pixels(
    pixels: UInt8[Array, "b H W 3"], spec: ViTSpec
) -> Float[Array, "b H W 3"]:
    """Scales pixels as the model was trained with.

    Args:
      pixels: RGB.
      spec: of the model; holds mean and standard deviation.

    Returns:
      float32; pixels over 255, minus the mean, over the standard deviation.
    """
    mean = jnp.asarray(spec.mean, jnp.float32)[None, None, None, :]
    std = jnp.asarray(spec.std, jnp.float32)[None, None, None, :]
    return (pixels.astype(jnp.float32) / 255.0 - mean) / std


def compute_features(
    module: ViT,
    params: Any,
    pixels: UInt8[Array, "b H W 3"],
    *,
    requests: tuple[FeatureRequest, ...],
) -> tuple[Array, ...]:
    """The pure function behind `forward_features`, for callers with their own jit.

    Under jit only what the requests need is computed; not under jit, everything is.

    Args:
      module: the model; static.
      params: its parameters.
      pixels: RGB whose sides are multiples of the patch.
      requests: what to return; static.

    Returns:
      For each request float32 [b, h, w, d], or [b, heads, h, w] for class attention.

    Raises:
      ValueError: a request or the image size does not fit the model.
    """
    resolved = [resolve_request(request, module.spec) for request in requests]
    images = normalise_pixels(pixels, module.spec)
    applied: Any = module.apply({"params": params}, images)
    out: ViTOutput = applied[1]
    return tuple(
        getattr(
            out.blocks[request.block],
            "token_normed" if request.normed else request.facet,
        )
        for request in resolved
    )


_jitted_features = jax.jit(compute_features, static_argnames=("module", "requests"))


def forward_features(
    backbone: Backbone,
    images: UInt8[Array | np.ndarray, "b H W 3"],
    *,
    requests: tuple[FeatureRequest, ...] = (FeatureRequest(),),
) -> tuple[Array, ...]:
    """Features of a batch of pictures, all requests from one forward.

    Compiled once for each shape, model and set of requests.

    Args:
      backbone: from `load_backbone`.
      images: RGB pixels whose sides are multiples of the patch.
      requests: what to return.

    Returns:
      For each request float32 [b, h, w, d] on the patch grid, or [b, heads, h, w] for
      class attention.

    Raises:
      ValueError: the pictures are no uint8 RGB batch, the patch does not divide a side,
        or a request does not fit the model.
    """
    if images.ndim != 4 or images.shape[-1] != 3 or images.dtype != jnp.uint8:
        raise ValueError(
            "Expected uint8 RGB pictures of shape [b, H, W, 3]; found "
            f"{images.dtype} {list(images.shape)}."
        )
    spec = backbone.spec
    check_image_size(spec, images.shape[1], images.shape[2])
    resolved = tuple(resolve_request(request, spec) for request in requests)
    return _jitted_features(
        backbone.module, backbone.params, jnp.asarray(images), requests=resolved
    )
