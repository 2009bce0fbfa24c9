"""Vision Transformers as a family of backbones: how they answer requests."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from uhseg_jax.backbones.backbone import Backbone
from uhseg_jax.backbones.requests import (
    AttentionRequest,
    ClassTokenFeatures,
    ClassTokenRequest,
    PatchRequest,
    Request,
    grid_shape,
)
from uhseg_jax.backbones.vit import model
from uhseg_jax.backbones.vit.attention import AttentionRule
from uhseg_jax.backbones.vit.features import (
    FeatureRequest,
    compute_features,
    resolve_request,
)
from uhseg_jax.backbones.vit.model import ViT
from uhseg_jax.backbones.vit.spec import ViTSpec
from uhseg_jax.backbones.weights.convert import VIT_NAMING
from uhseg_jax.spectral import numerics, walk
from uhseg_jax.types import Array, Float, UInt8

__all__ = ["VisionTransformers", "side_by_side"]

_ATTENTION_GRID = 37  # the grid DINOv2 was trained on
_LARGEST_GRID = 128  # of positions; 1,792 pixels in patches of 14


class VisionTransformers:
    """See `backbone.Family`."""

    naming = VIT_NAMING
    has_convolutions = False
    is_batched = True

    def module(self, spec: ViTSpec, *, dtype: Any, attention: AttentionRule) -> ViT:
        """The Flax module."""
        return ViT(spec, dtype=dtype, attention=attention)

    def abstract_params(self, spec: ViTSpec) -> dict[str, Any]:
        """Shapes and dtypes of the parameters."""
        return model.abstract_params(spec)

    def fitted(self, spec: ViTSpec, shapes: Mapping[str, tuple[int, ...]]) -> ViTSpec:
        """Positions of another grid are kept as they are, and resampled from there."""
        match shapes.get("positions"):
            case (rows, columns, spec.width) if (
                spec.resampling and rows == columns <= _LARGEST_GRID
            ):
                return dataclasses.replace(spec, native_grid=rows)
        return spec

    def random_params(self, spec: ViTSpec) -> Any:
        """Weights of the test variants."""
        image = jnp.zeros((1, spec.patch, spec.patch, 3), jnp.float32)
        return ViT(spec).init(jax.random.key(0), image)["params"]

    def resolve(self, spec: ViTSpec, request: Request) -> Request:
        """The request with its sizes and blocks definite; equal ones come out equal."""
        for one in _feature_requests(request):
            resolve_request(one, spec)
        if isinstance(request, ClassTokenRequest):
            definite: dict[str, Any] = {
                name: getattr(request, name) % spec.depth
                for name in ("block", "attention_block", "class_block")
            }
            return dataclasses.replace(
                request, grid=grid_shape(request.grid), **definite
            )
        blocks = tuple(block % spec.depth for block in request.blocks)
        if isinstance(request, PatchRequest):
            return dataclasses.replace(
                request, grid=grid_shape(request.grid), blocks=blocks
            )
        if request.prompt:
            raise ValueError(
                "expected no prompt for a Vision Transformer, but got "
                f"{request.prompt!r}; prompts are for diffusion models, such as "
                "sd_v1_4."
            )
        # What concerns diffusion models is left at its default: it compiles nothing.
        grid = grid_shape(request.grid or _ATTENTION_GRID)
        return AttentionRequest(grid=grid, blocks=blocks)

    def image_size(self, spec: ViTSpec, request: Request) -> tuple[int, int]:
        """(height, width) in pixels for a resolved request."""
        rows, columns = grid_shape(request.grid or _ATTENTION_GRID)
        return rows * spec.patch, columns * spec.patch

    def require_inputs(self, backbone: Backbone, request: Request) -> None:
        """Nothing is missing where the request is resolved."""
        del backbone, request

    def inputs(self, backbone: Backbone, request: Request) -> Any:
        """The parameters."""
        del request
        return backbone.params

    def answer(
        self, module: ViT, inputs: Any, image: UInt8[Array, "H W 3"], request: Request
    ) -> Array | ClassTokenFeatures:
        """The features of one image; pure."""
        answer_fn: Callable[..., Any] = _ANSWERS[type(request)]
        found = compute_features(
            module, inputs, image[None], requests=_feature_requests(request)
        )
        return answer_fn(tuple(x[0] for x in found), module.spec, request)


def _feature_requests(request: Request) -> tuple[FeatureRequest, ...]:
    """What a request wants of one forward."""
    if isinstance(request, PatchRequest):
        return tuple(
            FeatureRequest(request.facet, block, request.normed)
            for block in request.blocks
        )
    if isinstance(request, AttentionRequest):
        return tuple(FeatureRequest("attention", block) for block in request.blocks)
    return (
        FeatureRequest(request.facet, request.block, request.normed),
        FeatureRequest("class_attention", request.attention_block),
        FeatureRequest("class_token", request.class_block, request.class_normed),
    )


def side_by_side(features: tuple[Float[Array, "h w _"], ...]) -> Float[Array, "h w d"]:
    """Features of several blocks, each of unit length, as one vector."""
    if len(features) == 1:
        return features[0]
    units = [
        numerics.normalize_rows(x.reshape(-1, x.shape[-1])).reshape(x.shape)
        for x in features
    ]
    return jnp.concatenate(units, axis=-1)


def _patches(
    found: tuple[Array, ...], spec: ViTSpec, request: PatchRequest
) -> Float[Array, "h w d"]:
    del spec, request
    return side_by_side(found)


def _attention(
    found: tuple[Float[Array, "heads tokens tokens"], ...],
    spec: ViTSpec,
    request: AttentionRequest,
) -> Float[Array, "h w n"]:
    """The mean attention between patches; attention to other tokens is left out."""
    skip = spec.num_prefix_tokens
    means = [jnp.mean(x[:, skip:, skip:], axis=0) for x in found]
    mean = walk.transition_matrix(sum(means[1:], start=means[0]) / len(means))
    return mean.reshape(*grid_shape(request.grid or _ATTENTION_GRID), -1)


def _class_token(
    found: tuple[Array, ...], spec: ViTSpec, request: ClassTokenRequest
) -> ClassTokenFeatures:
    del spec, request
    patches, attention, class_token = found
    return ClassTokenFeatures(patches, jnp.mean(attention, axis=0), class_token)


_ANSWERS: Mapping[type, Callable[..., Any]] = {
    PatchRequest: _patches,
    AttentionRequest: _attention,
    ClassTokenRequest: _class_token,
}
