"""What a method's config asks of a backbone: features of the cells of a grid.

Tokens, queries, keys and values of Vision Transformers are features as they are. So is
attention, of either family of models: what a cell takes from each of the others is a
vector of as many numbers as there are cells.
"""

import dataclasses
from typing import Any

import jax.numpy as jnp

from uhseg_jax import backbones, config_checks
from uhseg_jax.backbones.variant import Spec
from uhseg_jax.spectral import aggregation, numerics, walk
from uhseg_jax.types import Array, Float, UInt8

__all__ = [
    "Asked",
    "Inputs",
    "asked_of",
    "check_prompt",
    "check_sides",
    "for_backbone",
    "grid_features",
    "image_sides",
    "inputs_of",
    "require_dense",
    "side_by_side",
]

_PRESET_PATCH = 14  # pixels; the image sizes of presets are multiples of it
_DENSE = ("token", "query", "key", "value")

# What a forward is asked for; static.
Asked = tuple[backbones.FeatureRequest, ...] | backbones.AttentionRequest
# What a forward works with: the parameters, and the prompt of a diffusion model.
Inputs = tuple[Any, Any]


def asked_of(config: Any, spec: Spec) -> Asked:
    """What a config asks of a model.

    Args:
      config: of a method.
      spec: of the model.

    Raises:
      ValueError: the model has no such facet, block or timestep, or reads no prompts.
    """
    if isinstance(spec, backbones.DiffusionSpec):
        if config.facet != "attention":
            raise ValueError(
                f"expected a Vision Transformer for {config.facet} features; a "
                "diffusion model gives its attention, which the method diffusion_walk "
                "works on."
            )
        request = _look(config)
        backbones.check_request(request, spec)
        return request
    if config.facet != "attention":
        require_dense(config.facet)
    if getattr(config, "prompt", ""):
        raise ValueError(
            f"expected no prompt for a Vision Transformer, but got {config.prompt!r}; "
            "prompts are for diffusion models, such as sd_v1_4."
        )
    normed = getattr(config, "normed", None)
    return tuple(
        backbones.resolve_request(
            backbones.FeatureRequest(config.facet, block, normed), spec
        )
        for block in config.blocks
    )


def _look(config: Any) -> backbones.AttentionRequest:
    """How a diffusion model looks; what plays no part is left at its default.

    So that the model is not compiled again for it.
    """
    if config.passes == "inversion":
        return backbones.AttentionRequest(
            source="inversion",
            num_steps=config.inversion_steps,
            schedule_steps=config.schedule_steps,
        )
    if config.noise:
        return backbones.AttentionRequest(
            source="single", timestep=config.timestep, noise=True, seed=config.seed
        )
    return backbones.AttentionRequest(source="single", timestep=config.timestep)


def check_prompt(config: Any, backbone: backbones.Backbone) -> None:
    """Refuses a prompt that a model cannot read.

    Raises:
      ValueError: the weights came without what reads it.
    """
    if isinstance(backbone.spec, backbones.DiffusionSpec):
        backbones.prompt_ids(backbone, getattr(config, "prompt", ""))


def inputs_of(config: Any, backbone: backbones.Backbone) -> Inputs:
    """What a forward works with.

    Raises:
      ValueError: there is a prompt, and the weights came without what reads it.
    """
    if isinstance(backbone.spec, backbones.DiffusionSpec):
        prompt = getattr(config, "prompt", "")
        return backbone.params, backbones.read_prompt(backbone, prompt)
    return backbone.params, None


def grid_features(
    module: Any, inputs: Inputs, image: UInt8[Array, "H W 3"], *, asked: Asked
) -> Float[Array, "h w d"]:
    """The features of one image; pure.

    Args:
      module: of the backbone; static.
      inputs: from `inputs_of`.
      image: RGB, of sides that the model takes.
      asked: from `asked_of`; static.

    Returns:
      Of several blocks, unit vectors side by side. Of attention ``[h, w, h * w]``, rows
      that sum to one: the mean over heads, blocks or layers, and steps; the resolutions
      of a diffusion model on the grid of the finest (`aggregation.aggregate`).
    """
    params, prompt = inputs
    if isinstance(asked, backbones.AttentionRequest):
        maps = backbones.compute_self_attention(
            module, params, image[None], prompt, request=asked
        )
        grid = max(maps)
        attention = aggregation.aggregate({cells: x[0] for cells, x in maps.items()})
        return attention.reshape(*grid, -1)
    found = backbones.compute_features(module, params, image[None], requests=asked)
    if asked[0].facet == "attention":
        patch = module.spec.patch
        grid = image.shape[0] // patch, image.shape[1] // patch
        return _between_patches(found, module.spec.num_prefix_tokens).reshape(*grid, -1)
    return side_by_side(found)[0]


def _between_patches(
    attention: tuple[Float[Array, "1 heads tokens tokens"], ...], leading: int
) -> Float[Array, "n n"]:
    """The mean attention between patches; what other tokens take is left out."""
    means = [jnp.mean(x[0, :, leading:, leading:], axis=0) for x in attention]
    return walk.transition_matrix(sum(means[1:], start=means[0]) / len(means))


def side_by_side(features: tuple[Float[Array, "b h w _"], ...]) -> Array:
    """Features of several blocks, each of unit length, as one vector."""
    if len(features) == 1:
        return features[0]
    units = [
        numerics.normalize_rows(x.reshape(-1, x.shape[-1])).reshape(x.shape)
        for x in features
    ]
    return jnp.concatenate(units, axis=-1)


def for_backbone(config: Any, spec: Spec) -> Any:
    """A config of a preset at the size that suits a backbone.

    The image sizes of presets are those of a patch of 14 pixels. For another patch they
    are scaled, so that the grid stays the same: 840 pixels become 480 for a patch of 8
    and 960 for one of 16, 60 patches each. A diffusion model gets the size that it was
    trained on.
    """
    if isinstance(spec, backbones.DiffusionSpec):
        return dataclasses.replace(config, image_size=spec.image_size)
    size = config.image_size
    sides = size if isinstance(size, tuple) else (size,)
    scaled = tuple(side * spec.patch // _PRESET_PATCH for side in sides)
    return dataclasses.replace(
        config, image_size=scaled if isinstance(size, tuple) else scaled[0]
    )


def check_sides(spec: Spec, height: int, width: int) -> None:
    """Refuses an image of sides that a model cannot take.

    Raises:
      ValueError: it cannot; the nearest that it can are named.
    """
    if isinstance(spec, backbones.DiffusionSpec):
        backbones.check_image_sides(spec, height, width)
    else:
        backbones.check_image_size(spec, height, width)


def image_sides(image_size: Any) -> tuple[int, int]:
    """(height, width) of a side or a pair; ValueError if it is neither."""
    size = config_checks.check("image_size", image_size, config_checks.IMAGE_SIZE)
    return (size, size) if isinstance(size, int) else size


def require_dense(facet: str) -> None:
    """ValueError for a facet of the backbone that is no vector for every patch."""
    if facet in backbones.FACETS and facet not in _DENSE:
        raise ValueError(
            f"expected token, query, key or value features, but facet is {facet!r}; "
            "for attention and class tokens call "
            "uhseg_jax.backbones.forward_features."
        )
