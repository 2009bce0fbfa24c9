"""The autoencoder's encoder: sizes, ranges and memory; diffusers', stage by stage.

The tolerance comes from depth, as in test_parity: each residual block adds some dozen
float32 roundings of the stage's largest value (two norms, each over thousands of
values, and two convolutions), which add up like a random walk.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from uhseg_jax.backbones.diffusion.autoencoder import (
    Autoencoder,
    GridAttention,
    scale_pixels,
)
from uhseg_jax.backbones.diffusion.spec import AutoencoderSpec

TINY = AutoencoderSpec(channels=(8, 16, 16, 24), groups=4)
SIZE = (32, 48)
ULPS = 12


@functools.cache
def abstract_params(spec: AutoencoderSpec):
    patch = 2 ** (len(spec.channels) - 1)
    pixels = jax.ShapeDtypeStruct((1, patch, patch, 3), jnp.float32)
    return jax.eval_shape(Autoencoder(spec).init, jax.random.key(0), pixels)["params"]


def num_parameters(spec: AutoencoderSpec) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(abstract_params(spec)))


@jax.jit
def encode(params, pixels):
    return Autoencoder(TINY).apply(
        {"params": params}, pixels, capture_intermediates=True
    )


def random_params():
    leaves, tree = jax.tree.flatten(abstract_params(TINY))
    rng = np.random.default_rng(0)
    values = [rng.normal(0, 0.2, leaf.shape).astype(np.float32) for leaf in leaves]
    return jax.tree.unflatten(tree, values)


def pixels(batch: int = 2) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.uniform(-1, 1, (batch, *SIZE, 3)).astype(np.float32)


def test_pixels_go_from_minus_one_to_one():
    shades = jnp.arange(256, dtype=jnp.uint8).reshape(1, 16, 16, 1)
    scaled = scale_pixels(jnp.broadcast_to(shades, (1, 16, 16, 3)))
    expected = np.arange(256) / 255 * 2 - 1
    assert scaled.dtype == jnp.float32
    np.testing.assert_allclose(
        np.asarray(scaled)[0, ..., 1].ravel(), expected, atol=np.finfo(np.float32).eps
    )
    assert float(scaled.min()) == -1.0
    assert float(scaled.max()) == 1.0


def test_latents_are_scaled_means():
    # Of a last convolution that is nothing but its bias.
    bias = np.arange(8, dtype=np.float32)
    kernel = np.zeros_like(random_params()["quant_conv"]["kernel"])
    last = {"quant_conv": {"bias": bias, "kernel": kernel}}
    latents, _ = encode({**random_params(), **last}, pixels())
    assert latents.shape == (2, SIZE[0] // 8, SIZE[1] // 8, 4)
    expected = np.broadcast_to(bias[:4] * 0.18215, latents.shape)
    np.testing.assert_allclose(latents, expected, rtol=1e-6)


def test_a_side_that_cannot_be_halved_is_refused():
    with pytest.raises(ValueError, match="8 x 8 pixels, which do not tile 32 x 44"):
        jax.eval_shape(
            Autoencoder(TINY).init, jax.random.key(0), jnp.zeros((1, 32, 44, 3))
        )


def test_attention_at_4096_cells_never_holds_its_whole_matrix():
    spec = AutoencoderSpec(groups=4)
    attention = GridAttention(spec, jnp.float32, Autoencoder(spec).attention)
    cells = jax.ShapeDtypeStruct((1, 64, 64, 16), jnp.float32)
    params = jax.eval_shape(attention.init, jax.random.key(0), cells)
    memory = jax.jit(attention.apply).lower(params, cells).compile().memory_analysis()
    assert memory.temp_size_in_bytes < 4096**2 * 4


def test_the_encoder_at_full_size_has_its_published_parameters():
    assert num_parameters(AutoencoderSpec()) == 34_163_664


def reference(spec: AutoencoderSpec):
    from torch_diffusion import diffusers

    levels = len(spec.channels)
    return diffusers.AutoencoderKL(
        block_out_channels=spec.channels,
        layers_per_block=spec.layers,
        latent_channels=spec.latent_channels,
        norm_num_groups=spec.groups,
        scaling_factor=spec.scaling,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
    )


@pytest.mark.parity
def test_full_size_parameters_are_diffusers():
    from torch_diffusion import torch

    with torch.device("meta"):
        model = reference(AutoencoderSpec())
    expected = sum(
        weight.numel()
        for name, weight in model.named_parameters()
        if name.startswith(("encoder.", "quant_conv."))
    )
    assert num_parameters(AutoencoderSpec()) == expected


@pytest.mark.parity
def test_every_stage_is_diffusers(record_property):
    from torch_diffusion import assert_parity, converted, randomised, torch

    model = randomised(reference(TINY))
    encoder = model.encoder
    stages = {}

    def keep(name):
        def hook(module, inputs, output):
            stages[name] = output.permute(0, 2, 3, 1).numpy()

        return hook

    encoder.conv_in.register_forward_hook(keep("conv_in"))
    for level, block in enumerate(encoder.down_blocks):
        block.register_forward_hook(keep(f"down_blocks_{level}"))
    encoder.mid_block.register_forward_hook(keep("mid_block"))
    with torch.no_grad():
        images = torch.tensor(pixels().transpose(0, 3, 1, 2).copy())
        expected = model.encode(images).latent_dist
    params = converted(model, abstract_params(TINY), prefix="vae.")
    found, state = encode(params, pixels())
    ours = state["intermediates"]["encoder"]
    report: dict[str, float] = {}
    blocks = 0
    for name, stage in stages.items():
        blocks += {"c": 0, "d": TINY.layers, "m": 3}[name[0]]
        assert_parity(
            ours[name]["__call__"][0], stage, blocks=blocks, ulps=ULPS, report=report
        )
    mean = expected.mean.permute(0, 2, 3, 1).numpy() * TINY.scaling
    assert_parity(found, mean, blocks=blocks + 1, ulps=ULPS, report=report)
    record_property("ulps", report)


def test_half_precision_stays_near_full_precision():
    params, images = random_params(), jnp.asarray(pixels())
    encode_half = jax.jit(Autoencoder(TINY, dtype=jnp.bfloat16).apply)
    half = encode_half({"params": params}, images)
    full = encode(params, images)[0]
    assert half.dtype == jnp.float32
    error = float(jnp.linalg.norm(half - full) / jnp.linalg.norm(full))
    # Eleven residual blocks, each with some roundings of 2^-9 on accelerators; on CPUs
    # convolutions are not rounded, the attention's products are.
    assert 2.0**-17 < error < 8 * np.sqrt(11) * 2.0**-9
