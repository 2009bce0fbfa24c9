"""The names of the text side of CLIP in checkpoints of whole models.

transformers' are those of the text encoder of a diffusers folder. OpenAI's, which are
OpenCLIP's too, are in a table; there the projections are matrices [in, out] that are
multiplied from the right, as ours are. The image encoder is left out.
"""

import re

import numpy as np

from uhseg_jax.backbones.diffusion.names import DIFFUSION_NAMING
from uhseg_jax.backbones.weights.convert import Naming, table_targets
from uhseg_jax.backbones.weights.renames import (
    Rename,
    Transform,
    as_is,
    dense,
    norm,
    one,
    stacked,
)

__all__ = ["OPENAI_CLIP_TEXT", "TEXT_SIDE_NAMING"]

_ENCODER = "text_encoder"
_BLOCK = f"{_ENCODER}/text_model/encoder/layers_{{0}}"
_LAYER = r"transformer\.resblocks\.(\d+)"

OPENAI_CLIP_TEXT: tuple[Rename, ...] = (
    one(
        r"token_embedding\.weight",
        f"{_ENCODER}/text_model/embeddings/token_embedding/embedding",
    ),
    one(
        r"positional_embedding",
        f"{_ENCODER}/text_model/embeddings/position_embedding/embedding",
    ),
    *norm(rf"{_LAYER}\.ln_1", f"{_BLOCK}/layer_norm1"),
    *stacked(
        rf"{_LAYER}\.attn\.in_proj",
        *(f"{_BLOCK}/self_attn/{x}_proj" for x in "qkv"),
        separator="_",
    ),
    *dense(rf"{_LAYER}\.attn\.out_proj", f"{_BLOCK}/self_attn/out_proj"),
    *norm(rf"{_LAYER}\.ln_2", f"{_BLOCK}/layer_norm2"),
    *dense(rf"{_LAYER}\.mlp\.c_fc", f"{_BLOCK}/mlp/fc1"),
    *dense(rf"{_LAYER}\.mlp\.c_proj", f"{_BLOCK}/mlp/fc2"),
    *norm(r"ln_final", f"{_ENCODER}/text_model/final_layer_norm"),
    one(r"text_projection", f"{_ENCODER}/text_projection/kernel"),
    one(r"visual\.proj", "visual_projection/kernel"),
)

_WRAPPED = re.compile(r"(?:module|model)\.")
_TRANSFORMERS = re.compile(r"text_model\..+|text_projection\.weight")

# The image encoder, constants, and what else may lie beside both.
_LEFT_OUT = re.compile(
    r"vision_model\..+|visual\.(?!proj$).+"
    r"|text_model\.embeddings\.position_ids"
    r"|input_resolution|context_length|vocab_size|attn_mask|logit_bias"
)


def _bare(name: str) -> str:
    """A name without the modules that wrap the model."""
    while match := _WRAPPED.match(name):
        name = name[match.end() :]
    return name


def _targets_of(name: str) -> list[tuple[str, Transform, bool]]:
    """The parameters that an array fills."""
    name = _bare(name)
    if _TRANSFORMERS.fullmatch(name):
        return DIFFUSION_NAMING.targets(f"{_ENCODER}.{name}")
    if name == "visual_projection.weight":
        return [("visual_projection/kernel", np.transpose, False)]
    if name == "logit_scale":
        return [("logit_scale", _scalar, False)]
    return table_targets(name, (("", OPENAI_CLIP_TEXT),))


def _scalar(array: np.ndarray) -> np.ndarray:
    """OpenCLIP has kept its factor in an array of one as well."""
    return as_is(array).reshape(())


def _is_left_out(name: str) -> bool:
    return _LEFT_OUT.fullmatch(_bare(name)) is not None


TEXT_SIDE_NAMING = Naming(targets=_targets_of, ignored=_is_left_out)
