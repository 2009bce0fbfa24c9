"""The forward of a backbone beside that of the same architecture in transformers.

Weights are random: time and memory do not depend on them, and nothing is fetched.
"""

import dataclasses
import sys
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from uhseg_jax import backbones
from uhseg_jax.backbones import ViTSpec
from uhseg_jax.backbones.vit.attention import default_attention
from uhseg_jax.benchmarks import anchors, torch_vit, watch
from uhseg_jax.benchmarks.floor import forward_cost
from uhseg_jax.benchmarks.records import Figure, Record
from uhseg_jax.benchmarks.setting import Setting
from uhseg_jax.benchmarks.timing import Calls, Timing, measure
from uhseg_jax.processes import ProcessError, run_module

__all__ = [
    "DTYPES",
    "forwards",
    "measure_forwards",
    "our_forward",
    "peak_memory",
    "random_backbone",
    "usual_request",
    "usual_side",
]

DTYPES = ("float32", "bfloat16")


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


def our_forward(
    name: str, side: int, *, dtype: str = "float32", batch: int = 1
) -> Callable[[], Any]:
    """A forward of ours of square images, with random weights.

    That of a Vision Transformer goes to the tokens after the final norm, that of a
    diffusion model through encoder and U-Net to the attention of all its layers.

    Args:
      name: what the variant is called.
      side: pixels of a side of the image; one that the model takes.
      dtype: of products.
      batch: images at once.
    """
    backbone = random_backbone(name, dtype)
    rng = np.random.default_rng(0)
    pixels = list(rng.integers(0, 256, (batch, side, side, 3), np.uint8))
    grid = side // backbone.spec.patch
    request = dataclasses.replace(usual_request(name), grid=grid)
    forward = backbones.Extractor(backbone, request)
    return lambda: forward(pixels)


def random_backbone(name: str, dtype: str) -> backbones.Backbone:
    """A backbone with random weights, whatever the variant; nothing is fetched."""
    spec = backbones.get_variant(name).spec
    family = backbones.family_of(spec)
    module = family.module(spec, dtype=jnp.dtype(dtype), attention=default_attention())
    rng = np.random.default_rng(0)
    params = jax.tree.map(
        lambda x: jnp.asarray(0.02 * rng.standard_normal(x.shape, np.float32)),
        family.abstract_params(spec),
    )
    return backbones.Backbone(name, module, lambda: params, "", family)


def forwards(name: str, side: int) -> Calls:
    """Forwards of ours and, of a Vision Transformer, of torch's, in every dtype.

    Args:
      name: what the variant is called.
      side: pixels of a side of the image; one that the model takes.

    Returns:
      Calls by name, such as "ours, float32" and "torch, float32". Torch's attention is
      its fused one, on the CPU.
    """
    spec = backbones.get_variant(name).spec
    calls: Calls = {}
    for dtype in DTYPES:
        calls[f"ours, {dtype}"] = our_forward(name, side, dtype=dtype)
        if isinstance(spec, ViTSpec) and anchors.are_installed(*torch_vit.NEEDED):
            theirs = torch_vit.torch_forward(spec, side, dtype=dtype)
            calls[f"torch, {dtype}"] = theirs
    return calls


def peak_memory(name: str, side: int, dtype: str) -> tuple[float, float]:
    """Largest resident memory of a process that does one forward of ours.

    Returns:
      GB before the weights are made (imports), and at the end.
    """
    arguments = [name, str(side), dtype]
    done = run_module("uhseg_jax.benchmarks.forwards", arguments)
    if done.returncode:
        raise ProcessError(f"The forward of {name} ended with: {done.stderr[-1000:]}")
    before, after = map(float, done.stdout.split())
    return before, after


def measure_forwards(setting: Setting) -> Record:
    """The forward of every backbone in turn."""
    timings: dict[str, Timing] = {}
    figures: list[Figure] = []
    facts: dict[str, Any] = {}
    for name in setting.models or (setting.model,):
        found = _measure_one(name, setting)
        timings |= {f"{name}: {key}": x for key, x in found.timings.items()}
        figures += [
            dataclasses.replace(x, of=f"{name}: {x.of}", to=f"{name}: {x.to}")
            for x in found.figures
        ]
        facts[name] = found.facts
    return Record(
        timings=timings,
        figures=tuple(figures),
        facts=facts,
        notes=tuple(anchors.missing(*torch_vit.NEEDED)) if setting.anchors else (),
    )


def _measure_one(name: str, setting: Setting) -> Record:
    side = usual_side(name)
    calls = forwards(name, side)
    if not setting.anchors:
        calls = {key: x for key, x in calls.items() if key.startswith("ours")}
    timings = measure(calls, repeats=setting.repeats)
    pairs = [(f"ours, {x}", f"torch, {x}", 1.0) for x in DTYPES]
    pairs.append(("ours, bfloat16", "ours, float32", 1.0))
    spec = backbones.get_variant(name).spec
    patches = (side // spec.patch) ** 2
    facts: dict[str, Any] = {
        "parameters": backbones.num_parameters(spec),
        "side": side,
        "patches": patches,
        "patches_per_s": {x: patches / timings[f"ours, {x}"].median for x in DTYPES},
    }
    if isinstance(spec, ViTSpec):
        cost = forward_cost(spec, side // spec.patch)
        facts["gflop"] = cost.operations / 1e9
        facts["gflop_per_s"] = {
            key: cost.operations / x.median / 1e9 for key, x in timings.items()
        }
    peaks = {x: peak_memory(name, side, x) for x in DTYPES}
    facts["imports_gb"] = peaks[DTYPES[0]][0]
    facts["peak_gb"] = {x: peak for x, (_, peak) in peaks.items()}
    facts["cosine_to_float32"] = _cosines(name, setting)
    return Record(
        timings=timings,
        figures=tuple(
            Figure.ratio(timings, ours, anchor, aim)
            for ours, anchor, aim in pairs
            if anchor in timings
        ),
        facts=facts,
    )


def _cosines(name: str, setting: Setting) -> dict[str, float]:
    """Least and mean cosine of features in bfloat16 to those in float32.

    Of the real weights, where they are there; random ones would say little.
    """
    directory = backbones.checkpoint_directory(setting.checkpoint_dir)
    is_random = backbones.get_variant(name).source is None
    if not is_random and not backbones.is_cached(name, directory):
        return {}
    rows = []
    for dtype in DTYPES:
        backbone = backbones.load_backbone(name, checkpoint_dir=directory, dtype=dtype)
        rows.append(_rows(backbone.answer(setting.pixels(), usual_request(name))))
    cosines = (rows[0] * rows[1]).sum(axis=-1)
    return {"least": float(cosines.min()), "mean": float(cosines.mean())}


def _rows(features: Any) -> np.ndarray:
    rows = np.asarray(features, np.float64)
    rows = rows.reshape(-1, rows.shape[-1])
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


if __name__ == "__main__":
    jax.devices()
    started = watch.peak_memory()
    call = our_forward(sys.argv[1], int(sys.argv[2]), dtype=sys.argv[3])
    jax.block_until_ready(call())
    print(started, watch.peak_memory())
