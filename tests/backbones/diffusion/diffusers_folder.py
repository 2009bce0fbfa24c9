"""The folder of a small diffusers model, written from parameters of ours.

The names are made the other way round than `diffusion.names` makes them: from a list of
what diffusers and transformers keep in lists.
"""

import dataclasses
import functools
import re
from pathlib import Path
from typing import Any

import flax.traverse_util
import numpy as np
from safetensors.numpy import save_file

from uhseg_jax.backbones import Backbone, Diffusion
from uhseg_jax.backbones.diffusion.family import DiffusionModels
from uhseg_jax.backbones.diffusion.model import random_params
from uhseg_jax.backbones.diffusion.spec import (
    AutoencoderSpec,
    DiffusionSpec,
    UNetSpec,
)
from uhseg_jax.backbones.text.spec import TextEncoderSpec

# Everything that a model has, in as little as compiles quickly.
MICRO = DiffusionSpec(
    unet=UNetSpec(
        channels=(8, 16),
        heads=(2, 2),
        down_depths=((1,), (0,)),
        up_depths=((0, 0), (1, 1)),
        context_width=8,
        groups=4,
    ),
    autoencoder=AutoencoderSpec(channels=(4, 8), layers=1, groups=2),
    text_encoders=(
        TextEncoderSpec(
            vocabulary=514, width=8, depth=1, heads=2, start=512, end=513, padding=513
        ),
    ),
    image_size=16,
)

# As SDXL: two text encoders, and a U-Net that knows pooled text and sizes.
MICRO_TWO = dataclasses.replace(
    MICRO,
    unet=dataclasses.replace(
        MICRO.unet,
        middle_depth=None,
        linear_projection=True,
        context_width=20,
        added_width=6 + 6 * 4,
        size_width=4,
    ),
    text_encoders=(
        dataclasses.replace(MICRO.text_encoders[0], depth=2, skipped=1),
        TextEncoderSpec(
            vocabulary=514,
            width=12,
            depth=2,
            heads=2,
            mlp="gelu",
            start=512,
            end=513,
            padding=0,
            skipped=1,
            projection=6,
        ),
    ),
)

_LISTS = (
    "down_blocks|up_blocks|resnets|attentions|transformer_blocks|downsamplers"
    "|upsamplers|to_out|net|layers"
)
_WEIGHTS = {"kernel": "weight", "scale": "weight", "embedding": "weight"}


@functools.cache
def params_of(spec: DiffusionSpec) -> Any:
    """Random parameters."""
    return random_params(spec)


def micro_backbone(spec: DiffusionSpec = MICRO) -> Backbone:
    """A loaded model with these parameters and no tokenizer."""
    family = DiffusionModels()
    read = functools.partial(params_of, spec)
    return Backbone("micro", Diffusion(spec), read, "0" * 64, family)


def part_tensors(params: Any, part: str) -> dict[str, np.ndarray]:
    """What the weight file of a part holds."""
    tensors = {}
    for path, leaf in flax.traverse_util.flatten_dict(params[part], sep="/").items():
        modules, _, kind = path.rpartition("/")
        modules = re.sub(rf"\b({_LISTS})_(\d+)\b", r"\1.\2", modules)
        array = np.asarray(leaf)
        if kind == "kernel":
            axes = {2: (1, 0), 4: (3, 2, 0, 1)}[array.ndim]
            array = np.ascontiguousarray(array.transpose(axes))
        name = f"{modules}/{_WEIGHTS.get(kind, kind)}".replace("/", ".")
        tensors[name] = array
    if part == "vae":
        tensors["decoder.conv_in.weight"] = np.ones((4, 2, 3, 3), np.float32)
        tensors["post_quant_conv.bias"] = np.ones(4, np.float32)
    if part.startswith("text_encoder"):
        name = "text_model.embeddings.position_ids"
        tensors[name] = np.arange(77, dtype=np.int64)[None]
    return tensors


def weight_path(folder: Path, part: str) -> Path:
    """Where the weights of a part lie."""
    text = part.startswith("text_encoder")
    stem = "model" if text else "diffusion_pytorch_model"
    return folder / part / f"{stem}.safetensors"


def write_folder(folder: Path, spec: DiffusionSpec = MICRO) -> Any:
    """Writes the weights of every part; returns the parameters."""
    params = params_of(spec)
    for part in params:
        path = weight_path(folder, part)
        path.parent.mkdir(parents=True)
        save_file(part_tensors(params, part), path)
    return params


def all_tensors(params: Any) -> dict[str, np.ndarray]:
    """What all files hold, each name after that of its part."""
    return {
        f"{part}.{name}": array
        for part in params
        for name, array in part_tensors(params, part).items()
    }
