"""Dense features of a backbone: any facet of any block, several from one forward."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from uhseg_jax.backbones.backbone import Backbone
from uhseg_jax.backbones.requests import PATCH_FACETS
from uhseg_jax.backbones.variant import Spec
from uhseg_jax.backbones.vit.attention import attention_weights
from uhseg_jax.backbones.vit.model import ViT, ViTOutput
from uhseg_jax.backbones.vit.spec import ViTSpec, check_image_size
from uhseg_jax.entry import entry_point
from uhseg_jax.types import Array, Float, UInt8

__all__ = [
    "FACETS",
    "FeatureRequest",
    "check_images",
    "compute_features",
    "forward_features",
    "normalise_pixels",
    "resolve_request",
    "vit_spec",
]

FACETS = (*PATCH_FACETS, "class_token", "class_attention", "attention")
"""What a `FeatureRequest` may ask of a block."""


@dataclasses.dataclass(frozen=True)
class FeatureRequest:
    """One output wanted of a forward.

    Attributes:
      facet: one of `FACETS`. ``"token"`` is the output of the block, ``"query"``,
        ``"key"`` and ``"value"`` are the projections its attention works with, heads
        side by side and before any rotation (`vit.model.BlockOutput`);
        ``"class_token"`` is the one vector of the image; ``"class_attention"`` is the
        attention of the class token to the patches, per head. ``"attention"`` is the
        whole matrix of every head, rows and columns over all n tokens, each row summing
        to one: a random walk as it is. The patches of the grid, row by row, are the
        tokens from ``ViTSpec.num_prefix_tokens`` on; those before are class token and
        registers.
      block: index of the block, negative from the end; -1 is the last.
      normed: tokens through the model's final norm. None: for the last block only. Of
        CLIP that norm was trained on the class token alone (`vit.model.BlockOutput`).
        Class tokens of inner blocks are given as they are, without it.
    """

    facet: str = "token"
    block: int = -1
    normed: bool | None = None


def resolve_request(request: FeatureRequest, spec: ViTSpec) -> FeatureRequest:
    """Checks a request against a model and fills in what it left open.

    Args:
      request: what is wanted.
      spec: the model.

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
    is_last, is_token = block == spec.depth - 1, "token" in request.facet
    if request.normed and not is_token:
        raise ValueError(
            "The final norm applies to tokens only; found normed=True with the facet "
            f"{request.facet!r}. Leave normed out."
        )
    if request.normed and request.facet == "class_token" and not is_last:
        raise ValueError(
            "The final norm applies to the class token of the last block only; "
            f"found normed=True with block {request.block}. Leave normed out."
        )
    normed = is_token and (is_last if request.normed is None else request.normed)
    return FeatureRequest(facet=request.facet, block=block, normed=normed)


def normalise_pixels(
    pixels: UInt8[Array, "b H W 3"], spec: ViTSpec
) -> Float[Array, "b H W 3"]:
    """Pixels over 255, minus the model's mean, over its deviation; float32."""
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
      For each request float32 [b, h, w, d], [b, d] for class tokens, [b, heads, h, w]
      for class attention, or [b, heads, n, n] for attention.

    Raises:
      ValueError: a request or the image size does not fit the model.
    """
    resolved = [resolve_request(request, module.spec) for request in requests]
    images = normalise_pixels(pixels, module.spec)
    applied: Any = module.apply({"params": params}, images)
    out: ViTOutput = applied[1]

    def facet_of(request: FeatureRequest) -> Array:
        block = out.blocks[request.block]
        if request.facet == "attention":
            return attention_weights(
                block.rotated_query,
                block.rotated_key,
                heads=module.spec.heads,
                dtype=module.dtype,
            )
        if request.facet == "class_token" and request.normed:
            return out.class_token
        return getattr(block, "token_normed" if request.normed else request.facet)

    return tuple(facet_of(request) for request in resolved)


@functools.partial(jax.jit, static_argnames=("module", "requests"))
def _jitted_features(
    module: ViT,
    params: Any,
    pixels: Array,
    *,
    requests: tuple[FeatureRequest, ...],
) -> tuple[Array, ...]:
    return compute_features(module, params, pixels, requests=requests)


def vit_spec(spec: Spec, name: str) -> ViTSpec:
    """The architecture of a model, which must be a Vision Transformer.

    Args:
      spec: the architecture.
      name: of the model, for messages.

    Raises:
      ValueError: it is another.
    """
    if not isinstance(spec, ViTSpec):
        raise ValueError(
            f"expected a Vision Transformer, as dinov2_vits14, but {name} is none; of "
            "diffusion models `uhseg_jax.backbones.self_attention_maps` gives the "
            "attention."
        )
    return spec


def check_images(images: Any) -> None:
    """Raises ValueError for arrays that are not uint8 of shape [b, H, W, 3]."""
    if images.ndim != 4 or images.shape[-1] != 3 or images.dtype != jnp.uint8:
        raise ValueError(
            "Expected uint8 RGB images of shape [b, H, W, 3]; found "
            f"{images.dtype} {list(images.shape)}."
        )


@entry_point
def forward_features(
    backbone: Backbone,
    images: UInt8[Array | np.ndarray, "b H W 3"],
    *,
    requests: tuple[FeatureRequest, ...] = (FeatureRequest(),),
) -> tuple[Array, ...]:
    """Features of a batch of images, all requests from one forward.

    Compiled once for each shape, model and set of requests.

    Args:
      backbone: from `load_backbone`.
      images: RGB pixels whose sides are multiples of the patch.
      requests: what to return.

    Returns:
      For each request float32 [b, h, w, d] on the patch grid, [b, d] for class tokens,
      [b, heads, h, w] for class attention, or [b, heads, n, n] for attention.

    Raises:
      ValueError: the backbone is no Vision Transformer, the images are no uint8 RGB
        batch, the patch does not divide a side, or a request does not fit the model.
    """
    check_images(images)
    spec = vit_spec(backbone.spec, backbone.name)
    check_image_size(spec, images.shape[1], images.shape[2])
    resolved = tuple(resolve_request(request, spec) for request in requests)
    return _jitted_features(
        backbone.module, backbone.params, jnp.asarray(images), requests=resolved
    )
