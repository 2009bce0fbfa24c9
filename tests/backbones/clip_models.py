"""A small CLIP, whole, as files hold it: both sides under several naming schemes."""

import re
from pathlib import Path

import flax.traverse_util
import numpy as np
from clip_vocabulary import vocabulary, write_vocabulary
from safetensors.numpy import save_file

from uhseg_jax.backbones.clip.model import abstract_params
from uhseg_jax.backbones.clip.spec import TextSideSpec
from uhseg_jax.backbones.text.spec import TextEncoderSpec

END = len(vocabulary()) - 1
SPEC = TextSideSpec(
    text=TextEncoderSpec(
        vocabulary=END + 1,
        width=24,
        depth=2,
        heads=3,
        start=END - 1,
        end=END,
        padding=END,
        projection=20,
    ),
    image_width=32,
)

Tensors = dict[str, np.ndarray]


def text_side_params(spec: TextSideSpec = SPEC) -> dict[str, np.ndarray]:
    """Random parameters by their paths."""
    rng = np.random.default_rng(0)
    flat = flax.traverse_util.flatten_dict(abstract_params(spec), sep="/")
    return {
        path: rng.normal(0, 0.3, x.shape).astype(np.float32) for path, x in flat.items()
    }


def hugging_face(params: Tensors) -> Tensors:
    """As transformers' CLIPModel names them, its other side too."""
    found: Tensors = {}
    for path, array in params.items():
        name = re.sub(r"/(?:kernel|scale|embedding)$", ".weight", path)
        name = name.removeprefix("text_encoder/").replace("/", ".")
        name = re.sub(r"layers_(\d+)", r"layers.\1", name)
        found[name] = array.T.copy() if path.endswith("kernel") else array
    return {
        **found,
        "text_model.embeddings.position_ids": np.arange(77)[None],
        "vision_model.pre_layrnorm.weight": np.ones(32, np.float32),
        "vision_model.encoder.layers.0.layer_norm1.bias": np.ones(32, np.float32),
    }


def openai(params: Tensors) -> Tensors:
    """As OpenAI and OpenCLIP name them, the image encoder below ``visual.``."""
    found: Tensors = {
        "visual.class_embedding": np.ones(32, np.float32),
        "visual.transformer.resblocks.0.ln_1.bias": np.ones(32, np.float32),
        "input_resolution": np.array(224),
        "context_length": np.array(77),
        "vocab_size": np.array(END + 1),
    }
    rules = [
        ("text_encoder/(?:text_model/)?", ""),
        ("embeddings/token_embedding/.*", "token_embedding.weight"),
        ("embeddings/position_embedding/.*", "positional_embedding"),
        ("final_layer_norm/", "ln_final."),
        ("text_projection/kernel", "text_projection"),
        ("visual_projection/kernel", "visual.proj"),
        (r"encoder/layers_(\d+)/", r"transformer.resblocks.\1."),
        (r"layer_norm(\d)/", r"ln_\1."),
        ("self_attn/out_proj/", "attn.out_proj."),
        ("mlp/fc1/", "mlp.c_fc."),
        ("mlp/fc2/", "mlp.c_proj."),
        (r"\.kernel$|\.scale$", ".weight"),
    ]
    for path, array in params.items():
        if re.search("[qkv]_proj", path):
            continue
        is_linear = path.endswith("kernel") and "projection" not in path
        for pattern, replacement in rules:
            path = re.sub(pattern, replacement, path)
        found[path] = array.T.copy() if is_linear else array
    for layer in range(SPEC.text.depth):
        for leaf, name in (("kernel", "weight"), ("bias", "bias")):
            attention = f"text_encoder/text_model/encoder/layers_{layer}/self_attn"
            parts = [params[f"{attention}/{x}_proj/{leaf}"].T for x in "qkv"]
            block = f"transformer.resblocks.{layer}.attn.in_proj_{name}"
            found[block] = np.concatenate(parts)
    return found


def write_model(folder: Path, params: Tensors) -> Path:
    """The file of a model, and those of its tokenizer beside it."""
    folder.mkdir(exist_ok=True)
    write_vocabulary(folder)
    save_file(hugging_face(params), folder / "model.safetensors")
    return folder / "model.safetensors"
