"""Small checkpoints in the layout that the real ones have."""

import numpy as np

from uhseg_jax.backbones import ViTSpec

TINY = ViTSpec(patch=4, width=8, depth=2, heads=2, mlp_ratio=2, native_grid=3)


def hugging_face_tensors(spec: ViTSpec) -> dict[str, np.ndarray]:
    """Random weights under the names and in the shapes of Hugging Face checkpoints.

    The names are those of Dinov2; `checkpoint_names` turns them into others'.
    """
    rng = np.random.default_rng(0)
    d, hidden = spec.width, spec.mlp_hidden
    patch = "embeddings.patch_embeddings.projection"
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.cls_token": (1, 1, d),
        "embeddings.mask_token": (1, d),
        "embeddings.position_embeddings": (1, 1 + spec.native_grid**2, d),
        f"{patch}.weight": (d, 3, spec.patch, spec.patch),
        f"{patch}.bias": (d,),
        "layernorm.weight": (d,),
        "layernorm.bias": (d,),
    }
    if spec.rotary:
        del shapes["embeddings.position_embeddings"]
    if not spec.patch_bias:
        del shapes[f"{patch}.bias"]
    if spec.registers:
        shapes["embeddings.register_tokens"] = (1, spec.registers, d)
    if spec.embedding_norm:
        shapes["pre_layrnorm.weight"] = shapes["pre_layrnorm.bias"] = (d,)
    gated = spec.mlp == "swiglu"
    for index in range(spec.depth):
        layer = f"encoder.layer.{index}"
        for norm in ("norm1", "norm2"):
            shapes[f"{layer}.{norm}.weight"] = shapes[f"{layer}.{norm}.bias"] = (d,)
        for linear, out, into in (
            ("attention.attention.query", d, d),
            ("attention.attention.key", d, d),
            ("attention.attention.value", d, d),
            ("attention.output.dense", d, d),
            ("mlp.weights_in" if gated else "mlp.fc1", (1 + gated) * hidden, d),
            ("mlp.weights_out" if gated else "mlp.fc2", d, hidden),
        ):
            shapes[f"{layer}.{linear}.weight"] = (out, into)
            shapes[f"{layer}.{linear}.bias"] = (out,)
        if not spec.key_bias:
            del shapes[f"{layer}.attention.attention.key.bias"]
        if spec.layer_scale:
            shapes[f"{layer}.layer_scale1.lambda1"] = (d,)
            shapes[f"{layer}.layer_scale2.lambda1"] = (d,)
    return {
        name: rng.normal(size=shape).astype(np.float32)
        for name, shape in shapes.items()
    }
