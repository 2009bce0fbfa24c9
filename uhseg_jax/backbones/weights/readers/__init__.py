"""Reading named arrays from weight files, none of which gets to run code."""

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path

from uhseg_jax.backbones.weights.errors import WeightsError, reason_of
from uhseg_jax.backbones.weights.places import require_there
from uhseg_jax.backbones.weights.readers.budget import ANY_MODEL, Budget
from uhseg_jax.backbones.weights.readers.diffusers import part_files
from uhseg_jax.backbones.weights.readers.lazy import LazyArrays, RefusedError, Stored
from uhseg_jax.backbones.weights.readers.msgpack_files import read_msgpack
from uhseg_jax.backbones.weights.readers.npz import read_npz
from uhseg_jax.backbones.weights.readers.onnx_graph import read_onnx
from uhseg_jax.backbones.weights.readers.orbax_folders import read_orbax
from uhseg_jax.backbones.weights.readers.safetensors import read_safetensors
from uhseg_jax.backbones.weights.readers.sharded import INDEX_SUFFIXES, read_sharded
from uhseg_jax.backbones.weights.readers.torch_files import read_torch
from uhseg_jax.files import parse_json

__all__ = [
    "ANY_MODEL",
    "SUFFIXES",
    "Budget",
    "LazyArrays",
    "has_known_suffix",
    "read_diffusers",
    "read_tensors",
]


def _read_index(path: Path, budget: Budget) -> LazyArrays:
    return read_sharded(path, budget, read_tensors)


_READERS: dict[str, Callable[[Path, Budget], LazyArrays]] = {
    ".safetensors": read_safetensors,
    ".onnx": read_onnx,
    ".npz": read_npz,
    ".pth": read_torch,
    ".pt": read_torch,
    ".bin": read_torch,
    ".pth.tar": read_torch,
    ".msgpack": read_msgpack,
    **dict.fromkeys(INDEX_SUFFIXES, _read_index),
}
SUFFIXES = tuple(_READERS)

# How files begin that are mistaken for weights, or one kind for another.
_BEGINNINGS = {
    b"PK\x03\x04": "a zip archive",
    b"\x89HDF": "an HDF5 file",
    b"\x1f\x8b": "a gzip archive",
    b"version https://git-lfs": "a pointer that Git LFS left in place of the file",
    b"<": "a web page",
    b"\x80": "a pickle",
}

_SMALL = 1 << 20  # bytes; a larger file is not parsed to say what it looks like


def has_known_suffix(path: Path) -> bool:
    """Whether a file's name says that it is of a kind that is read."""
    return _suffix(path) in _READERS


def read_tensors(path: Path, budget: Budget = ANY_MODEL) -> LazyArrays:
    """Opens a weight file; its arrays are read one by one, on access.

    Args:
      path: a file of one of `SUFFIXES`, an ``.index.json`` beside the files that it
        names, or a folder that Orbax wrote.
      budget: what it may hold.

    Returns:
      Arrays by the names that the file gives them, and in its layout; see `onnx_graph`
      for linear weights without a name and `torch_files` for nested checkpoints.

    Raises:
      WeightsError: the file does not exist, is of another kind, holds what is not read
        or is damaged. Damage inside an array is raised when the array is read.
    """
    kind = "an Orbax checkpoint" if path.is_dir() else _suffix(path)
    reader = read_orbax if path.is_dir() else _READERS.get(kind)
    require_there(path)
    if reader is None:
        raise WeightsError(
            f"{path} is not of a kind that weights are read from; expected "
            f"{', '.join(SUFFIXES)} or a folder that Orbax wrote."
        )
    try:
        if path.is_file():
            budget.require_size(path)
        arrays = reader(path, budget)
        budget.require_count(len(arrays))
    except WeightsError:
        raise
    except RefusedError as error:
        raise WeightsError(f"{path} was not read: {error}") from error
    except Exception as error:
        # A damaged file can make its parser raise anything, MemoryError included.
        raise WeightsError(
            f"{path} could not be read as {kind}: {reason_of(error)}. Expected one "
            f"whole file that holds all weights; found {_appearance(path)}, maybe cut "
            "short or damaged. Fetch it again."
        ) from error
    if not arrays:
        raise WeightsError(f"{path} holds no arrays; expected those of a model.")
    return arrays


def read_diffusers(
    folder: Path, parts: Sequence[str], budget: Budget = ANY_MODEL
) -> LazyArrays:
    """Opens the folder of a diffusers model.

    Args:
      folder: the folder of the whole model.
      parts: names of the folders below it, one for each part of the model.
      budget: what each part may hold.

    Returns:
      Arrays by their names within a part, after the name of the part and a dot.

    Raises:
      WeightsError: a part is missing, or its file is damaged or of another kind.
    """
    stored: dict[str, Stored] = {}
    for part, path in part_files(folder, parts).items():
        arrays = read_tensors(path, budget)
        stored |= {f"{part}.{name}": arrays.located(name) for name in arrays}
    return LazyArrays(folder, stored)


def _suffix(path: Path) -> str:
    name = path.name.lower()
    return next((x for x in SUFFIXES if name.endswith(x)), "")


def _appearance(path: Path) -> str:
    """What a file looks like from outside."""
    if path.is_dir():
        return "a folder"
    size = path.stat().st_size
    if not size:
        return "an empty file"
    with path.open("rb") as stream:
        head = stream.read(64)
    found = next((x for start, x in _BEGINNINGS.items() if head.startswith(start)), "")
    if not found and head[8:10] == b'{"':
        found = "a safetensors file"
    if not found and head.lstrip()[:1] == b"{" and size < _SMALL:
        with contextlib.suppress(ValueError):
            parse_json(path.read_bytes())
            found = "a JSON file"
    return f"{size:,} bytes" + (f" that look like {found}" if found else "")
