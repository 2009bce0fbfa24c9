"""The live models of transformers that ours are compared with.

Weights are random (biases, LayerScale and norms too: initial zeros and ones would hide
mistakes).
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from uhseg_jax.backbones import ViTSpec

torch = pytest.importorskip("torch", reason="needs the `parity` extra: torch")
transformers = pytest.importorskip(
    "transformers", reason="needs the `parity` extra: transformers"
)

EPS = float(np.finfo(np.float32).eps)


@dataclasses.dataclass(frozen=True)
class Family:
    """How transformers says what a `ViTSpec` says.

    Attributes:
      build: makes a model of a spec.
      layers: the blocks of a model.
      attention: the attention module of a block.
      embeddings: the module whose output is the input of the first block.
      call: runs a model on pixels [b, 3, H, W].
      final: the final norm of a model, over the last block's tokens.
    """

    build: Callable[[ViTSpec], Any]
    layers: Callable[[Any], Any]
    attention: Callable[[Any], Any] = lambda layer: layer.attention
    embeddings: Callable[[Any], Any] = lambda model: model.embeddings
    call: Callable[[Any, Any], Any] = lambda model, pixels: model(pixels)
    final: Callable[[Any], Any] = lambda model: model.layernorm


def _common(spec: ViTSpec) -> dict[str, Any]:
    return {
        "hidden_size": spec.width,
        "num_hidden_layers": spec.depth,
        "num_attention_heads": spec.heads,
        "image_size": spec.native_grid * spec.patch,
        "patch_size": spec.patch,
        "layer_norm_eps": spec.norm_epsilon,
        "attn_implementation": "eager",
    }


def _vit(spec: ViTSpec) -> Any:
    config = transformers.ViTConfig(intermediate_size=spec.mlp_hidden, **_common(spec))
    return transformers.ViTModel(config, add_pooling_layer=False)


def _mae(spec: ViTSpec) -> Any:
    return transformers.ViTMAEModel(
        transformers.ViTMAEConfig(
            intermediate_size=spec.mlp_hidden, mask_ratio=0.0, **_common(spec)
        )
    )


def _dinov2(spec: ViTSpec) -> Any:
    config = {
        "mlp_ratio": spec.mlp_ratio,
        "use_swiglu_ffn": spec.mlp == "swiglu",
        **_common(spec),
    }
    if spec.registers:
        return transformers.Dinov2WithRegistersModel(
            transformers.Dinov2WithRegistersConfig(
                num_register_tokens=spec.registers, **config
            )
        )
    return transformers.Dinov2Model(transformers.Dinov2Config(**config))


def _dinov3(spec: ViTSpec) -> Any:
    return transformers.DINOv3ViTModel(
        transformers.DINOv3ViTConfig(
            intermediate_size=spec.mlp_hidden,
            use_gated_mlp=spec.mlp == "swiglu",
            hidden_act="silu" if spec.mlp == "swiglu" else "gelu",
            num_register_tokens=spec.registers,
            key_bias=spec.key_bias,
            **_common(spec),
        )
    )


def _clip(spec: ViTSpec) -> Any:
    return transformers.CLIPVisionModel(
        transformers.CLIPVisionConfig(
            intermediate_size=spec.mlp_hidden, hidden_act=spec.mlp, **_common(spec)
        )
    )


def _interpolated(model: Any, pixels: Any) -> Any:
    return model(pixels, interpolate_pos_encoding=True)


def _unshuffled(model: Any, pixels: Any) -> Any:
    cells = (pixels.shape[2] // model.config.patch_size) * (
        pixels.shape[3] // model.config.patch_size
    )
    order = torch.arange(cells, dtype=torch.float32).expand(len(pixels), -1)
    return model(pixels, noise=order, interpolate_pos_encoding=True)


FAMILIES = {
    "vit": Family(_vit, lambda model: model.layers, call=_interpolated),
    "mae": Family(_mae, lambda model: model.layers, call=_unshuffled),
    "dinov2": Family(_dinov2, lambda model: model.encoder.layer),
    "dinov3": Family(
        _dinov3, lambda model: model.model.layer, final=lambda model: model.norm
    ),
    "clip": Family(
        _clip,
        lambda model: model.encoder.layers,
        attention=lambda layer: layer.self_attn,
        embeddings=lambda model: model.pre_layrnorm,
        call=_interpolated,
        final=lambda model: model.post_layernorm,
    ),
}


def reference(family: str, spec: ViTSpec) -> Any:
    """A transformers model with random weights everywhere."""
    model = FAMILIES[family].build(spec)
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


def tensors_of(model: Any) -> dict[str, np.ndarray]:
    """The state dict of a model as numpy."""
    return {name: weight.numpy() for name, weight in model.state_dict().items()}


def reference_stages(
    family: str, model: Any, images: np.ndarray
) -> dict[str, np.ndarray]:
    """Every stage of the torch model, by forward hooks."""
    parts = FAMILIES[family]
    stages = {}

    def keep(name):
        def hook(module, inputs, output):
            stages[name] = output

        return hook

    modules = [(parts.embeddings(model), "embeddings")]
    for index, layer in enumerate(parts.layers(model)):
        modules.append((layer, f"token{index}"))
        attention = parts.attention(layer)
        for facet in ("query", "key", "value"):
            projection = getattr(attention, f"{facet[0]}_proj")
            modules.append((projection, f"{facet}{index}"))
        modules.append((attention, f"attention{index}"))
    handles = [module.register_forward_hook(keep(name)) for module, name in modules]
    with torch.no_grad():
        parts.call(model, torch.tensor(images.transpose(0, 3, 1, 2).copy()))
        for handle in handles:
            handle.remove()
        for name, value in stages.items():
            if name.startswith("attention"):
                value = value[1]
            stages[name] = value[0] if isinstance(value, tuple) else value
        last = stages[f"token{len(parts.layers(model)) - 1}"]
        stages["normed"] = parts.final(model)(last)
    return {name: value.numpy() for name, value in stages.items()}


def assert_parity(
    found, expected, *, blocks: int, ulps: int = 12, report: dict[str, float]
) -> None:
    """Equal but for independent roundings, which add up like a random walk.

    Args:
      found: ours.
      expected: theirs.
      blocks: how many blocks went before.
      ulps: float32 roundings of the largest value that one block may add.
      report: keeps the error, in those roundings.
    """
    expected = np.asarray(expected)
    error = np.abs(np.asarray(found) - expected).max() / np.abs(expected).max() / EPS
    report[f"after {blocks}"] = max(float(error), report.get(f"after {blocks}", 0.0))
    assert np.shape(found) == expected.shape
    assert error <= ulps * (1 + blocks) ** 0.5
