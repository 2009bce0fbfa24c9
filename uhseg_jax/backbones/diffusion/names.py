"""The names in a diffusers folder, and the parameters of our model that they fill.

Our submodules are called as those of diffusers and transformers, so a rule takes the
place of a table: the index of a list joins the name before it (``resnets.1`` becomes
``resnets_1``), and a ``weight`` is the ``scale`` of a norm, the table of an
``embedding`` or the ``kernel`` of anything else. Before each name stands the part of
the model, which is the name of its folder.
"""

import re

import numpy as np

from uhseg_jax.backbones.weights.convert import Naming
from uhseg_jax.backbones.weights.renames import Transform

__all__ = ["DIFFUSION_NAMING"]

# What the folders hold that our model leaves out: the way back from latents to
# images, and constants that old releases of transformers kept among the weights.
_LEFT_OUT = re.compile(
    r"vae\.(?:decoder\..+|post_quant_conv\..+)"
    r"|text_encoder(?:_2)?\.(?:text_model\.)?embeddings\.position_ids"
)

# Transformers leaves the name of the module that holds all others out since release 5.
_WITHOUT_MODULE = re.compile(
    r"(text_encoder(?:_2)?)\.((?:embeddings|encoder|final_layer_norm)\..+)"
)

# The attention at the bottom of the autoencoder as diffusers called it before 0.17, and
# as it has called it since.
_OLD_ATTENTION = re.compile(
    r"(vae\.encoder\.mid_block\.attentions\.\d+)\.(query|key|value|proj_attn)\.(.+)"
)
_NEW_NAMES = {
    "query": "to_q",
    "key": "to_k",
    "value": "to_v",
    "proj_attn": "to_out.0",
}
_AUTOENCODER_ATTENTION = re.compile(
    r"vae\.encoder\.mid_block\.attentions\.\d+\.to_(?:q|k|v|out\.0)\.weight"
)


def _targets_of(name: str) -> list[tuple[str, Transform, bool]]:
    """The parameter that an array fills."""
    old = _OLD_ATTENTION.fullmatch(name)
    if old:
        name = f"{old[1]}.{_NEW_NAMES[old[2]]}.{old[3]}"
    bare = _WITHOUT_MODULE.fullmatch(name)
    if bare:
        name = f"{bare[1]}.text_model.{bare[2]}"
    modules, _, leaf = name.rpartition(".")
    path = re.sub(r"\.(\d+)", r"_\1", modules).replace(".", "/")
    last = path.rpartition("/")[2]
    if leaf == "bias":
        return [(f"{path}/bias", _as_is, False)]
    if leaf != "weight":
        return []
    if "norm" in last:
        return [(f"{path}/scale", _as_is, False)]
    if last.endswith("_embedding") and "/embeddings/" in path:
        return [(f"{path}/embedding", _as_is, False)]
    pointwise = _AUTOENCODER_ATTENTION.fullmatch(name) is not None
    return [(f"{path}/kernel", _pointwise if pointwise else _kernel, False)]


def _as_is(array: np.ndarray) -> np.ndarray:
    return array


def _kernel(weight: np.ndarray) -> np.ndarray:
    """Torch keeps linear weights as [out, in], convolutions with rows and columns."""
    if weight.ndim not in (2, 4):
        raise ValueError(f"a kernel has 2 or 4 axes, found {weight.ndim}")
    return weight.transpose((1, 0) if weight.ndim == 2 else (2, 3, 1, 0))


def _pointwise(weight: np.ndarray) -> np.ndarray:
    """A linear layer, which some keep as a convolution of 1 x 1."""
    if weight.ndim == 4:
        weight = weight.reshape(weight.shape[0], weight.shape[1])
    return _kernel(weight)


def _is_left_out(name: str) -> bool:
    return _LEFT_OUT.fullmatch(name) is not None


DIFFUSION_NAMING = Naming(targets=_targets_of, ignored=_is_left_out)
