"""The folder of a diffusers model: one folder below it for each part of the model."""

from collections.abc import Sequence
from pathlib import Path

from uhseg_jax.backbones.weights.errors import WeightsError
from uhseg_jax.backbones.weights.places import require_within
from uhseg_jax.backbones.weights.readers.sharded import is_index, shard_files
from uhseg_jax.backbones.weights.sources import DIFFUSERS_STEM

__all__ = ["all_files", "part_files"]

# What the weights of a part are called, the first that is there is read: in float32
# before halves, in one file or in several beside an index, safetensors before pickles.
_ENDINGS = (
    ".safetensors",
    ".safetensors.index.json",
    ".bin",
    ".bin.index.json",
    ".fp16.safetensors",
    ".safetensors.index.fp16.json",
    ".fp16.bin",
    ".bin.index.fp16.json",
)
_STEMS = (DIFFUSERS_STEM, "model", "pytorch_model")


def part_files(folder: Path, parts: Sequence[str]) -> dict[str, Path]:
    """Finds the weights of each part of a model.

    Args:
      folder: the folder of the whole model.
      parts: names of the folders below it.

    Returns:
      The weight file of each part, or the index of several.

    Raises:
      WeightsError: parts are missing, all that are in one message, or lie elsewhere.
    """
    files: dict[str, Path] = {}
    for part in parts:
        names = (f"{part}/{stem}{end}" for end in _ENDINGS for stem in _STEMS)
        found = next((name for name in names if (folder / name).is_file()), None)
        if found is not None:
            files[part] = require_within(folder, found)
    missing = [part for part in parts if part not in files]
    if missing:
        raise WeightsError(
            f"{folder} has no weights of {' and '.join(missing)}; expected the folder "
            f"of a diffusers model, in it the folders {', '.join(parts)}, and in each "
            f"{DIFFUSERS_STEM}.safetensors or model.safetensors (or their .index.json, "
            ".fp16.safetensors or .bin)."
        )
    return files


def all_files(folder: Path, parts: Sequence[str]) -> list[Path]:
    """Every file that `part_files` leads to: weights, indices and what those name.

    Raises:
      WeightsError: a part is missing, or an index is damaged.
    """
    files = []
    for path in part_files(folder, parts).values():
        files.append(path)
        if is_index(path):
            files += [require_within(path.parent, x) for x in shard_files(path)]
    return files
