"""Ours against the live torch models of transformers, stage by stage.

Weights are random (biases, LayerScale and norms too: initial zeros and ones would hide
mistakes). The tolerance comes from depth: the embedding and each block add a dozen
float32 roundings of the stage's largest value, and independent roundings add up like a
random walk, so after k blocks 12 sqrt(1 + k) are allowed: 5e-6 relative after twelve.
Largest seen: 5 after the embedding, 9 after one block, 14 after any.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from uhseg_jax.backbones import ViT, ViTSpec, resize_positions
from uhseg_jax.backbones.convert import convert_tensors
from uhseg_jax.backbones.positions import POSITION_RULES
from uhseg_jax.backbones.vit import abstract_params

torch = pytest.importorskip("torch", reason="needs the `parity` extra: torch")
transformers = pytest.importorskip(
    "transformers", reason="needs the `parity` extra: transformers"
)

pytestmark = pytest.mark.parity

EPS = float(np.finfo(np.float32).eps)
ULPS = 12
PLAIN = ViTSpec(patch=7, width=48, depth=4, heads=3, native_grid=6, positions="size")
REGISTERS = dataclasses.replace(PLAIN, registers=4, positions="size_antialias")
DEEP = dataclasses.replace(PLAIN, depth=12, width=96, mlp_ratio=4)
SIZES = [(42, 42), (70, 70), (28, 91)]


def reference(spec: ViTSpec):
    """A transformers model with random weights everywhere."""
    config = {
        "hidden_size": spec.width,
        "num_hidden_layers": spec.depth,
        "num_attention_heads": spec.heads,
        "mlp_ratio": spec.mlp_ratio,
        "image_size": spec.native_grid * spec.patch,
        "patch_size": spec.patch,
        "attn_implementation": "eager",
    }
    if spec.registers:
        model = transformers.Dinov2WithRegistersModel(
            transformers.Dinov2WithRegistersConfig(
                num_register_tokens=spec.registers, **config
            )
        )
    else:
        model = transformers.Dinov2Model(transformers.Dinov2Config(**config))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            noise = torch.randn(weight.shape, generator=generator)
            if weight.ndim > 1 and "embeddings" not in name:
                weight.copy_(noise / weight.shape[1] ** 0.5)
            elif name.endswith("lambda1") or ("norm" in name and "weight" in name):
                weight.copy_(1.0 + 0.2 * noise)
            else:
                weight.copy_(0.2 * noise)
    return model.eval()


def reference_stages(model, images: np.ndarray) -> dict[str, np.ndarray]:
    """Every stage of the torch model, by forward hooks."""
    stages = {}

    def keep(name):
        def hook(module, inputs, output):
            stages[name] = output

        return hook

    modules = [(model.embeddings, "embeddings")]
    for index, layer in enumerate(model.encoder.layer):
        modules.append((layer, f"token{index}"))
        for facet in ("query", "key", "value"):
            projection = getattr(layer.attention, f"{facet[0]}_proj")
            modules.append((projection, f"{facet}{index}"))
        modules.append((layer.attention, f"attention{index}"))
    handles = [module.register_forward_hook(keep(name)) for module, name in modules]
    with torch.no_grad():
        out = model(torch.tensor(images.transpose(0, 3, 1, 2).copy()))
    for handle in handles:
        handle.remove()
    stages["normed"] = out.last_hidden_state
    for name, value in stages.items():
        if name.startswith("attention"):
            value = value[1]
        stages[name] = (value[0] if isinstance(value, tuple) else value).numpy()
    return stages


def our_stages(model, spec: ViTSpec, images: np.ndarray):
    tensors = {name: weight.numpy() for name, weight in model.state_dict().items()}
    params = convert_tensors(tensors, abstract_params(spec))
    forward = jax.jit(ViT(spec).apply)
    return forward({"params": params}, jnp.asarray(images))


def assert_parity(found, expected, *, blocks: int, report: dict[str, float]) -> None:
    scale = np.abs(expected).max()
    error = np.abs(np.asarray(found) - expected).max() / scale / EPS
    error = float(error)
    report[f"after {blocks}"] = max(error, report.get(f"after {blocks}", 0.0))
    assert error <= ULPS * (1 + blocks) ** 0.5


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("spec", [PLAIN, REGISTERS, DEEP], ids=["s", "reg", "deep"])
def test_every_stage_is_transformers(spec, size, record_property):
    model = reference(spec)
    images = np.random.default_rng(0).normal(size=(2, *size, 3)).astype(np.float32)
    stages = reference_stages(model, images)
    normed, out = our_stages(model, spec, images)
    grid = (size[0] // spec.patch, size[1] // spec.patch)
    leading = 1 + spec.registers
    report: dict[str, float] = {}

    def on_grid(tokens):
        return tokens[:, leading:].reshape(2, *grid, -1)

    assert_parity(out.embeddings, stages["embeddings"], blocks=0, report=report)
    for index, block in enumerate(out.blocks):
        for facet in ("query", "key", "value"):
            expected = on_grid(stages[f"{facet}{index}"])
            assert_parity(getattr(block, facet), expected, blocks=index, report=report)
        to_patches = stages[f"attention{index}"][:, :, 0, leading:]
        assert_parity(
            block.class_attention,
            to_patches.reshape(2, spec.heads, *grid),
            blocks=index,
            report=report,
        )
        tokens = stages[f"token{index}"]
        after = index + 1
        assert_parity(block.token, on_grid(tokens), blocks=after, report=report)
        assert_parity(block.class_token, tokens[:, 0], blocks=after, report=report)
        if spec.registers:
            registers = tokens[:, 1:leading]
            assert_parity(block.registers, registers, blocks=after, report=report)
    last = stages["normed"]
    assert_parity(normed, on_grid(last), blocks=spec.depth + 1, report=report)
    assert_parity(out.class_token, last[:, 0], blocks=spec.depth + 1, report=report)
    record_property("ulps", report)


@pytest.mark.parametrize("size", SIZES)
def test_offset_rule_is_the_original_repository(size):
    # facebookresearch/dinov2: scale_factor = (n + 0.1) / N, except on the native grid.
    spec = dataclasses.replace(PLAIN, positions="offset")
    model = reference(spec)
    positions = model.embeddings.position_embeddings.detach()
    side, grid = spec.native_grid, (size[0] // spec.patch, size[1] // spec.patch)
    patches = positions[:, 1:].reshape(1, side, side, -1).permute(0, 3, 1, 2)
    if grid != (side, side):
        scale = tuple((cells + 0.1) / side for cells in grid)
        patches = torch.nn.functional.interpolate(
            patches, scale_factor=scale, mode="bicubic"
        )
    resized = patches.permute(0, 2, 3, 1).reshape(1, -1, spec.width)
    resized = torch.cat([positions[:, :1], resized], dim=1)
    model.embeddings.interpolate_pos_encoding = lambda *_: resized
    images = np.random.default_rng(0).normal(size=(1, *size, 3)).astype(np.float32)
    stages = reference_stages(model, images)
    normed, out = our_stages(model, spec, images)
    report: dict[str, float] = {}
    assert_parity(out.embeddings, stages["embeddings"], blocks=0, report=report)
    expected = stages["normed"][:, 1:].reshape(1, *grid, -1)
    assert_parity(normed, expected, blocks=spec.depth + 1, report=report)


@pytest.mark.parametrize("rule", POSITION_RULES)
@pytest.mark.parametrize("grid", [(37, 37), (60, 60), (16, 16), (28, 42), (90, 21)])
def test_resized_positions_are_torchs(rule, grid):
    positions = np.random.default_rng(0).normal(size=(37, 37, 5)).astype(np.float32)
    sizes = {"size": grid, "antialias": rule == "size_antialias"}
    if rule == "offset":
        sizes = {"scale_factor": tuple((cells + 0.1) / 37 for cells in grid)}
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
