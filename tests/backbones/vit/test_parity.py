"""Ours against the live torch models of transformers, stage by stage.

The tolerance comes from depth: the embedding and each block add a dozen float32
roundings of the stage's largest value, and independent roundings add up like a random
walk, so after k blocks 12 sqrt(1 + k) are allowed: 5e-6 relative after twelve.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from torch_models import (
    EPS,
    assert_parity,
    reference,
    reference_stages,
    tensors_of,
    torch,
)

from uhseg_jax.backbones import ViT, ViTSpec, resize_positions
from uhseg_jax.backbones.vit.attention import attention_weights
from uhseg_jax.backbones.vit.model import abstract_params
from uhseg_jax.backbones.vit.positions import POSITION_RULES
from uhseg_jax.backbones.weights.convert import convert_tensors

pytestmark = pytest.mark.parity

DINOV2 = ViTSpec(patch=7, width=48, depth=2, heads=3, native_grid=6, positions="size")
REGISTERS = dataclasses.replace(DINOV2, registers=4, positions="size_antialias")
VIT = dataclasses.replace(DINOV2, layer_scale=False)
DINOV3 = dataclasses.replace(
    DINOV2, registers=4, positions="rotary", key_bias=False, norm_epsilon=1e-5
)
# transformers' ViT and ViTMAE say 1e-12 where the original repositories say 1e-6.
MODELS = {
    "dinov2": ("dinov2", DINOV2),
    "dinov2_deep": ("dinov2", dataclasses.replace(DINOV2, depth=12, width=96)),
    "dinov2_reg": ("dinov2", REGISTERS),
    "dinov2_giant": ("dinov2", dataclasses.replace(DINOV2, mlp="swiglu")),
    "dinov3": ("dinov3", DINOV3),
    "dinov3_plus": (
        "dinov3",
        dataclasses.replace(DINOV3, mlp="swiglu", mlp_ratio=6),
    ),
    "dino": ("vit", dataclasses.replace(VIT, norm_epsilon=1e-12)),
    "deit": ("vit", VIT),
    "mocov3": ("vit", dataclasses.replace(VIT, heads=12)),
    "mae": ("mae", dataclasses.replace(VIT, norm_epsilon=1e-12)),
    "clip": (
        "clip",
        dataclasses.replace(
            VIT,
            mlp="quick_gelu",
            patch_bias=False,
            embedding_norm=True,
            norm_epsilon=1e-5,
        ),
    ),
}
# The native grid, a larger one and one that is not square. Sizes differ in positions
# alone, so one model of each rule for them is run on all.
SIZES = [(42, 42), (70, 70), (28, 91)]
EVERY_SIZE = ("dinov2", "dinov2_reg", "dinov3")


def sine_cosine(side: int, width: int) -> np.ndarray:
    """MoCo v3's fixed positions: (sin x, cos x, sin y, cos y) for every patch."""
    omega = 1e4 ** -(np.arange(width // 4) / (width // 4))
    x = np.arange(side)[None, :, None] * omega + np.zeros((side, 1, 1))
    y = np.arange(side)[:, None, None] * omega + np.zeros((1, side, 1))
    grid = np.concatenate([np.sin(x), np.cos(x), np.sin(y), np.cos(y)], axis=-1)
    return np.concatenate([np.zeros((1, width)), grid.reshape(-1, width)])


def model_of(name: str):
    family, spec = MODELS[name]
    model = reference(family, spec)
    if name == "mocov3":
        positions = sine_cosine(spec.native_grid, spec.width)[None]
        with torch.no_grad():
            model.embeddings.position_embeddings.copy_(torch.tensor(positions))
    return family, spec, model


def our_stages(model, spec: ViTSpec, images: np.ndarray):
    params = convert_tensors(tensors_of(model), abstract_params(spec))
    forward = jax.jit(ViT(spec).apply)
    return forward({"params": params}, jnp.asarray(images))


def random_images(batch: int, size: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(batch, *size, 3)).astype(np.float32)


@pytest.mark.parametrize(
    ("name", "size"),
    [
        (name, size)
        for name in MODELS
        for size in (SIZES if name in EVERY_SIZE else SIZES[-1:])
    ],
)
def test_every_stage_is_transformers(name, size, record_property):
    family, spec, model = model_of(name)
    images = random_images(2, size)
    stages = reference_stages(family, model, images)
    normed, out = our_stages(model, spec, images)
    grid = (size[0] // spec.patch, size[1] // spec.patch)
    prefix = spec.num_prefix_tokens
    report: dict[str, float] = {}

    def on_grid(tokens):
        return tokens[:, prefix:].reshape(2, *grid, -1)

    assert_parity(out.embeddings, stages["embeddings"], blocks=0, report=report)
    for index, block in enumerate(out.blocks):
        for facet in ("query", "key", "value"):
            expected = on_grid(stages[f"{facet}{index}"])
            assert_parity(getattr(block, facet), expected, blocks=index, report=report)
        whole = stages[f"attention{index}"]
        attention = attention_weights(
            block.rotated_query,
            block.rotated_key,
            heads=spec.heads,
            dtype=jnp.float32,
        )
        assert_parity(attention, whole, blocks=index, report=report)
        assert_parity(
            block.class_attention,
            whole[:, :, 0, prefix:].reshape(2, spec.heads, *grid),
            blocks=index,
            report=report,
        )
        tokens = stages[f"token{index}"]
        after = index + 1
        assert_parity(block.token, on_grid(tokens), blocks=after, report=report)
        assert_parity(block.class_token, tokens[:, 0], blocks=after, report=report)
        if spec.registers:
            registers = tokens[:, 1:prefix]
            assert_parity(block.registers, registers, blocks=after, report=report)
    last = stages["normed"]
    assert_parity(normed, on_grid(last), blocks=spec.depth + 1, report=report)
    assert_parity(out.class_token, last[:, 0], blocks=spec.depth + 1, report=report)
    record_property("ulps", report)


@pytest.mark.parametrize(
    ("name", "size"), [*(("dinov2", size) for size in SIZES), ("dino", SIZES[-1])]
)
def test_offset_rule_is_the_original_repository(name, size):
    # facebookresearch/dino and dinov2: scale_factor = (n + 0.1) / N, except on the
    # native grid.
    family, spec, model = model_of(name)
    spec = dataclasses.replace(spec, positions="offset")
    positions = model.embeddings.position_embeddings.detach()
    side, grid = spec.native_grid, (size[0] // spec.patch, size[1] // spec.patch)
    patches = positions[:, 1:].reshape(1, side, side, -1).permute(0, 3, 1, 2)
    if grid != (side, side):
        scale = tuple((patches + 0.1) / side for patches in grid)
        patches = torch.nn.functional.interpolate(
            patches, scale_factor=scale, mode="bicubic"
        )
    resized = patches.permute(0, 2, 3, 1).reshape(1, -1, spec.width)
    resized = torch.cat([positions[:, :1], resized], dim=1)
    model.embeddings.interpolate_pos_encoding = lambda *_: resized
    images = random_images(1, size)
    stages = reference_stages(family, model, images)
    normed, out = our_stages(model, spec, images)
    report: dict[str, float] = {}
    assert_parity(out.embeddings, stages["embeddings"], blocks=0, report=report)
    expected = stages["normed"][:, 1:].reshape(1, *grid, -1)
    assert_parity(normed, expected, blocks=spec.depth + 1, report=report)


@pytest.mark.parametrize("size", SIZES[1:])
def test_periods_in_bfloat16_are_the_original_repository(size):
    # facebookresearch/dinov3: periods 100^(2j / (c / 2)) for j < c / 4, kept in
    # bfloat16 by the weight files.
    family, spec, model = model_of("dinov3")
    exponents = torch.arange(spec.head_width // 4) * (4 / spec.head_width)
    periods = (100.0**exponents).to(torch.bfloat16).to(torch.float32)
    assert (periods != 100.0**exponents).any()
    model.rope_embeddings.inv_freq.copy_(1.0 / periods)
    images = random_images(1, size)
    stages = reference_stages(family, model, images)
    spec = dataclasses.replace(spec, positions="rotary_bfloat16")
    normed, _ = our_stages(model, spec, images)
    expected = stages["normed"][:, spec.num_prefix_tokens :].reshape(normed.shape)
    assert_parity(normed, expected, blocks=spec.depth + 1, report={})


def test_clip_hands_out_patches_before_the_final_norm_and_the_class_after_it():
    # What transformers calls last_hidden_state and pooler_output.
    _, spec, model = model_of("clip")
    images = random_images(1, SIZES[0])
    with torch.no_grad():
        pixels = torch.tensor(images.transpose(0, 3, 1, 2).copy())
        expected = model(pixels)
    _, out = our_stages(model, spec, images)
    after = spec.depth + 1
    patches = expected.last_hidden_state[:, 1:].numpy()
    token = out.blocks[-1].token.reshape(patches.shape)
    assert_parity(token, patches, blocks=after, report={})
    assert_parity(
        out.class_token, expected.pooler_output.numpy(), blocks=after, report={}
    )


@pytest.mark.parametrize("rule", POSITION_RULES)
@pytest.mark.parametrize("grid", [(37, 37), (60, 60), (16, 16), (28, 42), (90, 21)])
def test_resized_positions_are_torchs(rule, grid):
    positions = np.random.default_rng(0).normal(size=(37, 37, 5)).astype(np.float32)
    sizes = {"size": grid, "antialias": rule == "size_antialias"}
    if rule == "offset":
        sizes = {"scale_factor": tuple((patches + 0.1) / 37 for patches in grid)}
    if grid == (37, 37):
        expected = positions
    else:
        resized = torch.nn.functional.interpolate(
            torch.tensor(positions).permute(2, 0, 1)[None], mode="bicubic", **sizes
        )
        expected = resized[0].permute(1, 2, 0).numpy()
    found = resize_positions(jnp.asarray(positions), grid, rule=rule)
    # Torch computes where it samples in float32: a coordinate near 37 is off by up to
    # 37 eps / 2 for each of a few roundings, times the slope of the interpolant.
    assert (
        np.abs(np.asarray(found) - expected).max() < 64 * EPS * np.abs(expected).max()
    )
