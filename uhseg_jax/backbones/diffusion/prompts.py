"""What the U-Net of a loaded backbone reads of a prompt."""

import functools
from typing import Any

import jax
import numpy as np

from uhseg_jax.backbones.backbone import Backbone
from uhseg_jax.backbones.diffusion.model import Diffusion, Prompt
from uhseg_jax.backbones.text import tokenizer
from uhseg_jax.entry import entry_point
from uhseg_jax.types import Array, Int

__all__ = ["diffusion_of", "prompt_ids", "read_prompt"]


def diffusion_of(backbone: Backbone) -> Diffusion:
    """The module of a diffusion model.

    Raises:
      ValueError: the backbone is another model.
    """
    if isinstance(backbone.module, Diffusion):
        return backbone.module
    raise ValueError(
        f"expected a diffusion model, as sd_v1_4, but {backbone.name} is a Vision "
        "Transformer, of which `forward_features` gives features and attention."
    )


def prompt_ids(backbone: Backbone, prompt: str = "") -> tuple[np.ndarray, ...]:
    """The tokens of a prompt, for every text encoder of a model.

    Args:
      backbone: a diffusion model, from `load_backbone`.
      prompt: any text; what does not fit is cut off, and the empty one needs no files.

    Returns:
      For each encoder int32 [1, length].

    Raises:
      ValueError: the backbone is no diffusion model, or the prompt is not empty and the
        weights came without the files of a tokenizer.
      WeightsError: those files are damaged.
      MissingPackageError: the package `tokenizers` is not installed.
    """
    spec = diffusion_of(backbone).spec
    if prompt and backbone.tokenizer is None:
        raise ValueError(
            f"The weights of {backbone.name} were converted without vocab.json and "
            f"merges.txt, which the prompt {prompt!r} needs. Put both into a folder "
            "`tokenizer` in the folder FOLDER of the published weights (not in the "
            "converted one, where nothing should be added) and convert again with "
            f"`uhseg-convert --model={backbone.name} --file=FOLDER --overwrite`, or "
            "take the empty prompt."
        )
    return tuple(
        tokenizer.prompt_ids(prompt, spec=encoder, folder=backbone.tokenizer)[None]
        for encoder in spec.text_encoders
    )


@entry_point
def read_prompt(backbone: Backbone, prompt: str = "") -> Prompt:
    """A prompt as the U-Net takes it, a batch of one.

    Arguments and errors are those of `prompt_ids`.
    """
    ids = prompt_ids(backbone, prompt)
    return _read(diffusion_of(backbone), backbone.params, ids)


@functools.partial(jax.jit, static_argnames="module")
def _read(
    module: Diffusion, params: Any, ids: tuple[Int[Array, "1 length"], ...]
) -> Prompt:
    read: Any = module.apply({"params": params}, ids, method="read")
    prompt: Prompt = read
    return prompt
