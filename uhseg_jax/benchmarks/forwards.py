"""The forward of a backbone beside that of the same architecture in transformers.

Weights are random: time and memory do not depend on them, and nothing is fetched.
"""

import dataclasses
import importlib.util
import inspect
import re
import resource
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from uhseg_jax import backbones
from uhseg_jax.backbones import ViTSpec
from uhseg_jax.backbones.vit.attention import default_attention
from uhseg_jax.benchmarks.stages import Calls
from uhseg_jax.processes import ProcessError, run_module

__all__ = ["forwards", "peak_memory", "usual_request", "usual_side"]


def usual_request(name: str) -> backbones.Request:
    """What a variant is timed with: patches where it gives them, or its attention."""
    spec = backbones.get_variant(name).spec
    request: backbones.Request = backbones.PatchRequest(grid=60)
    if not backbones.can_answer(spec, request):
        request = backbones.AttentionRequest(source="single")
    return backbones.family_of(spec).resolve(spec, request)


def usual_side(name: str) -> int:
    """Pixels of a side of the image that a variant is timed with.

    A Vision Transformer cuts it into 60 x 60 patches; a diffusion model was trained on
    images of that size.
    """
    spec = backbones.get_variant(name).spec
    return backbones.family_of(spec).image_size(spec, usual_request(name))[0]


def forwards(name: str, side: int) -> Calls:
    """A forward of a square image.

    That of a Vision Transformer goes to the tokens after the final norm, that of a
    diffusion model through encoder and U-Net to the attention of all its layers.

    Args:
      name: what the variant is called.
      side: pixels of a side of the image; one that the model takes.

    Returns:
      Ours, in the dtype of this platform; and of a Vision Transformer, where torch and
      transformers are installed, theirs on the CPU in float32 with torch's fused
      attention.
    """
    spec = backbones.get_variant(name).spec
    calls: Calls = {name: _ours(name, side)}
    if isinstance(spec, ViTSpec) and all(
        importlib.util.find_spec(x) for x in ("torch", "transformers")
    ):
        calls[f"{name}, torch"] = _theirs(spec, side)
    return calls


def peak_memory(name: str, side: int) -> tuple[float, float]:
    """Largest resident memory of a process that does one forward of ours.

    Returns:
      GB before the weights are made (imports), and at the end.
    """
    done = run_module("uhseg_jax.benchmarks.forwards", [name, str(side)])
    if done.returncode:
        raise ProcessError(f"The forward of {name} ended with: {done.stderr[-1000:]}")
    before, after = map(float, done.stdout.split())
    return before, after


def _ours(name: str, side: int) -> Any:
    spec = backbones.get_variant(name).spec
    family = backbones.family_of(spec)
    module = family.module(
        spec, dtype=backbones.default_dtype(), attention=default_attention()
    )
    rng = np.random.default_rng(0)
    params = jax.tree.map(
        lambda x: jnp.asarray(0.02 * rng.standard_normal(x.shape, np.float32)),
        family.abstract_params(spec),
    )
    pixels = rng.integers(0, 256, (side, side, 3), np.uint8)
    backbone = backbones.Backbone(name, module, params, "", family)
    request = dataclasses.replace(usual_request(name), grid=side // spec.patch)
    forward = backbones.Extractor(backbone, request)
    return lambda: forward([pixels])


def _theirs(spec: ViTSpec, side: int) -> Any:
    torch = importlib.import_module("torch")
    model = _torch_model(spec).eval()
    pixels = torch.rand(1, 3, side, side)
    options = {}
    if "interpolate_pos_encoding" in inspect.signature(model.forward).parameters:
        options["interpolate_pos_encoding"] = True

    def forward() -> Any:
        with torch.no_grad():
            return model(pixels, **options).last_hidden_state.numpy()

    return forward


def _torch_model(spec: ViTSpec) -> Any:
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


def _resident() -> float:
    """Largest resident memory of this process so far, in GB."""
    status = Path("/proc/self/status")
    if status.exists():  # what getrusage says of a child begins with its parent's peak
        found = re.search(r"VmHWM:\s*(\d+) kB", status.read_text())
        if found:
            return int(found[1]) / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e9 if sys.platform == "darwin" else 1e6)  # bytes there, kB here


if __name__ == "__main__":
    jax.devices()
    started = _resident()
    jax.block_until_ready(_ours(sys.argv[1], int(sys.argv[2]))())
    print(started, _resident())
