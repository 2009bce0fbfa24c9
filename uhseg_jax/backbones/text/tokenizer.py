"""From a prompt to the numbers that the text encoder looks up.

CLIP's byte-level byte-pair encoding (Radford et al., 2021, section 2.4), as
transformers' CLIPTokenizer has it: Unicode normal form C, one space for any white
space, lower case; words split at punctuation and digits; merges within each word, whose
last piece is marked. The empty prompt needs none of this and no vocabulary.
"""

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from uhseg_jax.backbones.text.spec import TextEncoderSpec
from uhseg_jax.backbones.weights.errors import WeightsError
from uhseg_jax.optional import imported
from uhseg_jax.types import Int

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["MERGES", "VOCABULARY", "prompt_ids"]

VOCABULARY = "vocab.json"
MERGES = "merges.txt"
_START = "<|startoftext|>"
_END = "<|endoftext|>"
_END_OF_WORD = "</w>"

# What stays together, the first that fits: start and end written out, the endings of
# English contractions, a run of letters, one digit, a run of anything else.
_PIECE = (
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d"
    r"|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
)


def prompt_ids(
    prompt: str, *, spec: TextEncoderSpec, folder: Path | str | None = None
) -> Int[np.ndarray, " length"]:
    """The tokens of a prompt: start, words, end, padding.

    Args:
      prompt: any text. What does not fit is cut off before the end token.
      spec: the text encoder that will read it.
      folder: where the model's ``vocab.json`` and ``merges.txt`` are; the empty prompt
        needs none.

    Returns:
      int32, of the spec's length.

    Raises:
      WeightsError: the files are missing, damaged or of another model.
      MissingPackageError: the package `tokenizers` is not installed.
      ValueError: the prompt is not empty and no folder is given.
    """
    words: list[int] = []
    if prompt:
        if folder is None:
            raise ValueError(
                f"The prompt {prompt!r} needs the model's vocabulary: give the folder "
                f"that has {VOCABULARY} and {MERGES}, or take the empty prompt."
            )
        tokenizer = _read_tokenizer(Path(folder), spec)
        words = tokenizer.encode(prompt, add_special_tokens=False).ids
    ids = [spec.start, *words[: spec.length - 2], spec.end]
    ids += [spec.padding] * (spec.length - len(ids))
    return np.array(ids, dtype=np.int32)


@functools.lru_cache(maxsize=4)
def _read_tokenizer(folder: Path, spec: TextEncoderSpec) -> "Tokenizer":
    tokenizer = _build_tokenizer(folder, _import_tokenizers())
    size = tokenizer.get_vocab_size()
    found = (tokenizer.token_to_id(_START), tokenizer.token_to_id(_END), size)
    expected = (spec.start, spec.end, spec.vocabulary)
    padding = tokenizer.id_to_token(spec.padding)
    if found != expected or padding is None:
        raise WeightsError(
            f"{folder / VOCABULARY} is damaged or of another model: {_START}, {_END} "
            f"and the number of tokens should be {expected}, but are {found}, and the "
            f"padding, {spec.padding}, is {padding!r}."
        )
    # As transformers does, also where the padding is "!" (id 0 of Stable Diffusion 2):
    # written in a prompt it is then padding, too.
    tokenizer.add_special_tokens([_START, _END, padding])
    return tokenizer


def _import_tokenizers() -> Any:
    parts = ("models", "normalizers", "pre_tokenizers")
    return imported("tokenizers", "Text other than the empty prompt", *parts)


def _build_tokenizer(folder: Path, tokenizers: Any) -> "Tokenizer":
    missing = [name for name in (VOCABULARY, MERGES) if not (folder / name).is_file()]
    if missing:
        raise WeightsError(
            f"Prompts other than the empty one need {VOCABULARY} and {MERGES} of the "
            f"model's `tokenizer` folder, but {folder} has no "
            f"{' and no '.join(missing)}."
        )
    try:
        merging = tokenizers.models.BPE.from_file(
            str(folder / VOCABULARY),
            str(folder / MERGES),
            unk_token=_END,
            end_of_word_suffix=_END_OF_WORD,
        )
    except Exception as error:  # the package raises nothing narrower
        raise WeightsError(
            f"{folder / VOCABULARY} and {folder / MERGES} cannot be read as CLIP's "
            f"vocabulary and merges ({error}); fetch them again."
        ) from error
    tokenizer = tokenizers.Tokenizer(merging)
    normalizers, splitters = tokenizers.normalizers, tokenizers.pre_tokenizers
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.NFC(),
            normalizers.Replace(tokenizers.Regex(r"\s+"), " "),
            normalizers.Lowercase(),
        ]
    )
    tokenizer.pre_tokenizer = splitters.Sequence(
        [
            splitters.Split(tokenizers.Regex(_PIECE), behavior="removed", invert=True),
            splitters.ByteLevel(add_prefix_space=False),
        ]
    )
    return tokenizer
