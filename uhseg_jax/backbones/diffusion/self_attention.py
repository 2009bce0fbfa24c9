"""The self-attention of a diffusion model while it processes an image.

In three ways. Ivanova et al., "Unsupervised Segmentation by Diffusing, Walking and
Cutting" (2024): the image's latents are inverted step by step towards noise, and
attention is taken on the way back. Tian et al., "Diffuse, Attend, and Segment" (2024):
from one forward of the latents as they are. Couairon et al., "DiffCut" (2024): from one
forward of slightly noised latents. Whichever it is, the maps of a resolution are the
mean over its heads, layers and steps: every row remains a distribution.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from uhseg_jax.backbones.backbone import Backbone
from uhseg_jax.backbones.diffusion.ddim import (
    Steps,
    add_noise,
    denoising_steps,
    inversion_steps,
    take_step,
)
from uhseg_jax.backbones.diffusion.model import Diffusion, Prompt, check_image_sides
from uhseg_jax.backbones.diffusion.prompts import diffusion_of, read_prompt
from uhseg_jax.backbones.diffusion.recording import AttentionSums, empty_sums
from uhseg_jax.backbones.diffusion.spec import DiffusionSpec
from uhseg_jax.backbones.requests import AttentionRequest
from uhseg_jax.backbones.vit.features import check_images
from uhseg_jax.entry import entry_point
from uhseg_jax.types import Array, Float, UInt8

__all__ = [
    "check_request",
    "compute_self_attention",
    "denoise_latents",
    "invert_latents",
    "self_attention_maps",
]

_INVERSION = AttentionRequest()


def check_request(request: AttentionRequest, spec: DiffusionSpec) -> None:
    """Refuses a request that a model's schedule of noise has no timesteps for.

    Raises:
      ValueError: the schedule has fewer timesteps.
    """
    if request.source == "inversion":
        _ddim_steps(request, spec)
    elif request.timestep >= spec.schedule.num_timesteps:
        raise ValueError(
            f"The model was trained on {spec.schedule.num_timesteps} timesteps, so "
            f"timestep must be below that; found {request.timestep}."
        )


def _ddim_steps(request: AttentionRequest, spec: DiffusionSpec) -> tuple[Steps, Steps]:
    """The steps up and the steps down."""
    sizes = {
        "num_steps": request.num_steps,
        "num_inference_steps": request.schedule_steps,
    }
    up = inversion_steps(spec.schedule, **sizes)
    return up, denoising_steps(spec.schedule, **sizes)


def compute_self_attention(
    module: Diffusion,
    params: Any,
    pixels: UInt8[Array, "b H W 3"],
    prompt: Prompt,
    *,
    request: AttentionRequest,
) -> dict[tuple[int, int], Float[Array, "b n n"]]:
    """The pure function behind `self_attention_maps`, for callers with their own jit.

    Args:
      module: the model; static.
      params: its parameters.
      pixels: RGB whose sides are multiples of ``spec.multiple``.
      prompt: one for all images, or one for each.
      request: the way; static.

    Returns:
      For every resolution (h, w) of the U-Net that has self-attention, the mean of its
      maps over heads, layers and steps, float32. Row i is a distribution over the
      n = h w cells that cell i takes from, cells counted row by row.

    Raises:
      ValueError: the sides or the request do not fit the model.
    """
    check_request(request, module.spec)
    latents: Any = module.apply({"params": params}, pixels, method="encode")
    if request.source == "inversion":
        latents = invert_latents(module, params, latents, prompt, request=request)
        _, sums = denoise_latents(module, params, latents, prompt, request=request)
    else:
        sums = _single_forward(module, params, latents, prompt, request=request)
    return {
        cells: summed.total / summed.num_maps.astype(jnp.float32)
        for cells, summed in sums.items()
    }


def invert_latents(
    module: Diffusion,
    params: Any,
    latents: Float[Array, "b h w c"],
    prompt: Prompt,
    *,
    request: AttentionRequest,
) -> Float[Array, "b h w c"]:
    """Takes clean latents up the noise schedule.

    Args:
      module: the model; static.
      params: its parameters.
      latents: clean and scaled.
      prompt: one for all latents, or one for each.
      request: says how far; static.

    Returns:
      The latents of the last step.
    """

    def step_fn(latents: Array, step: Steps) -> tuple[Array, None]:
        prediction, _ = module.apply(
            {"params": params}, latents, step.timestep, prompt, method="predict"
        )
        return take_step(latents, prediction, step), None

    up, _ = _ddim_steps(request, module.spec)
    return jax.lax.scan(step_fn, latents, up)[0]


def denoise_latents(
    module: Diffusion,
    params: Any,
    latents: Float[Array, "b h w c"],
    prompt: Prompt,
    *,
    request: AttentionRequest,
) -> tuple[Float[Array, "b h w c"], AttentionSums]:
    """Takes latents down the noise schedule, and adds up the attention of every step.

    Args:
      module: the model; static.
      params: its parameters.
      latents: from `invert_latents`.
      prompt: one for all latents, or one for each.
      request: says from where; static.

    Returns:
      Clean latents, and sums over the layers and steps.
    """
    State = tuple[Array, AttentionSums]

    def step_fn(state: State, step: Steps) -> tuple[State, None]:
        latents, sums = state
        predicted: Any = module.apply(
            {"params": params},
            latents,
            step.timestep,
            prompt,
            sums=sums,
            method="predict",
        )
        prediction, sums = predicted
        return (take_step(latents, prediction, step), sums), None

    _, down = _ddim_steps(request, module.spec)
    state, _ = jax.lax.scan(step_fn, (latents, _no_sums(module, latents)), down)
    return state


def _single_forward(
    module: Diffusion,
    params: Any,
    latents: Array,
    prompt: Prompt,
    *,
    request: AttentionRequest,
) -> AttentionSums:
    """The attention of one forward."""
    if request.noise:
        noise = jax.random.normal(jax.random.key(request.seed), (1, *latents.shape[1:]))
        latents = add_noise(
            latents,
            jnp.broadcast_to(noise, latents.shape),
            timestep=request.timestep,
            schedule=module.spec.schedule,
        )
    predicted: Any = module.apply(
        {"params": params},
        latents,
        jnp.int32(request.timestep),
        prompt,
        sums=_no_sums(module, latents),
        method="predict",
    )
    sums: AttentionSums = predicted[1]
    return sums


def _no_sums(module: Diffusion, latents: Array) -> AttentionSums:
    grid = (latents.shape[1], latents.shape[2])
    return empty_sums(module.spec.unet, len(latents), grid)


@functools.partial(jax.jit, static_argnames=("module", "request"))
def _jitted_maps(
    module: Diffusion,
    params: Any,
    pixels: Array,
    prompt: Prompt,
    *,
    request: AttentionRequest,
) -> dict[tuple[int, int], Array]:
    def of_one(image: Array) -> dict[tuple[int, int], Array]:
        maps = compute_self_attention(
            module, params, image[None], prompt, request=request
        )
        return {cells: x[0] for cells, x in maps.items()}

    # One image after the other: maps are large, and so is what makes them.
    return jax.lax.map(of_one, pixels)


@entry_point
def self_attention_maps(
    backbone: Backbone,
    images: UInt8[Array | np.ndarray, "b H W 3"],
    *,
    prompt: str = "",
    request: AttentionRequest = _INVERSION,
) -> dict[tuple[int, int], Float[Array, "b n n"]]:
    """Self-attention maps of a batch of images, which are gone through one by one.

    Compiled once for each shape, model and request.

    Args:
      backbone: a diffusion model, from `load_backbone`.
      images: RGB pixels whose sides are multiples of ``spec.multiple`` (64 for Stable
        Diffusion 1 and 2).
      prompt: what the images are said to show; the empty one needs no files.
      request: the way in which the model processes an image.

    Returns:
      For every resolution (h, w) of the U-Net that has self-attention, float32 maps,
      the mean over heads, layers and steps; see `compute_self_attention`. At 512 x 512
      pixels the finest of Stable Diffusion 1 takes 67 MB for each image.

    Raises:
      ValueError: the backbone is no diffusion model, the images are no uint8 RGB
        batch, their sides or the request do not fit the model, or the prompt is not
        empty and the weights came without the files of a tokenizer.
    """
    module = diffusion_of(backbone)
    check_images(images)
    check_image_sides(module.spec, images.shape[1], images.shape[2])
    check_request(request, module.spec)
    return _jitted_maps(
        module,
        backbone.params,
        jnp.asarray(images),
        read_prompt(backbone, prompt),
        request=request,
    )
