"""A backbone's architecture in transformers, as an anchor of our forward."""

import importlib
import inspect
from collections.abc import Callable
from typing import Any

from uhseg_jax import backbones
from uhseg_jax.backbones import ViTSpec

__all__ = ["NEEDED", "torch_forward", "torch_model", "vit_small_forward"]

NEEDED = ("torch", "transformers")


def torch_forward(
    spec: ViTSpec,
    side: int,
    *,
    dtype: str = "float32",
    batch: int = 1,
    device: str = "cpu",
) -> Callable[[], Any]:
    """A forward of square images by torch's fused attention, with random weights.

    Args:
      spec: the architecture.
      side: pixels of a side of the images.
      dtype: of weights, products and activations.
      batch: images at once.
      device: as torch calls it.

    Returns:
      What computes the tokens after the final norm; on other devices than the CPU they
      are waited for, and stay there.
    """
    torch = importlib.import_module("torch")
    numbers = getattr(torch, dtype)
    model = torch_model(spec).eval().to(device=device, dtype=numbers)
    pixels = torch.rand(batch, 3, side, side, device=device, dtype=numbers)
    options = {}
    if "interpolate_pos_encoding" in inspect.signature(model.forward).parameters:
        options["interpolate_pos_encoding"] = True

    def forward() -> Any:
        with torch.inference_mode():
            found = model(pixels, **options).last_hidden_state
        if device == "cpu":
            return found.float().numpy()
        torch.cuda.synchronize()
        return None

    return forward


def vit_small_forward(side: int = 840, *, dtype: str = "float32") -> Callable[[], Any]:
    """That of ViT-S/14, which the whole of a segmentation is set beside."""
    spec = backbones.get_variant("dinov2_vits14").spec
    assert isinstance(spec, ViTSpec)
    return torch_forward(spec, side, dtype=dtype)


def torch_model(spec: ViTSpec) -> Any:
    """The model of transformers with this architecture."""
    transformers = importlib.import_module("transformers")
    common = {
        "hidden_size": spec.width,
        "num_hidden_layers": spec.depth,
        "num_attention_heads": spec.heads,
        "image_size": spec.native_grid * spec.patch,
        "patch_size": spec.patch,
        "attn_implementation": "sdpa",
    }
    gated = spec.mlp == "swiglu"
    if spec.positions in backbones.ROTARY_RULES:
        return transformers.DINOv3ViTModel(
            transformers.DINOv3ViTConfig(
                intermediate_size=spec.mlp_hidden,
                use_gated_mlp=gated,
                num_register_tokens=spec.registers,
                **common,
            )
        )
    if spec.embedding_norm:
        config = transformers.CLIPVisionConfig(
            intermediate_size=spec.mlp_hidden, **common
        )
        return transformers.CLIPVisionModel(config)
    if not spec.layer_scale:
        config = transformers.ViTConfig(intermediate_size=spec.mlp_hidden, **common)
        return transformers.ViTModel(config, add_pooling_layer=False)
    common |= {"mlp_ratio": spec.mlp_ratio, "use_swiglu_ffn": gated}
    if spec.registers:
        return transformers.Dinov2WithRegistersModel(
            transformers.Dinov2WithRegistersConfig(
                num_register_tokens=spec.registers, **common
            )
        )
    return transformers.Dinov2Model(transformers.Dinov2Config(**common))
