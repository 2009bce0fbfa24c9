"""Features of the first pass: kept in a folder, or computed again."""

import hashlib
import json
import zipfile
from pathlib import Path

import numpy as np

from uhseg_jax.discovery.extractor import Extractor, ImageFeatures
from uhseg_jax.files import atomic_write
from uhseg_jax.types import UInt8

__all__ = ["FeatureStore", "read_arrays", "write_arrays"]

_FIELDS = ("patches", "attention", "class_token")
# What the features depend on; the other parameters can change and find them there.
_PARAMETERS = (
    "image_size",
    "facet",
    "block",
    "normed",
    "attention_block",
    "class_block",
    "class_normed",
)


class FeatureStore:
    """The features of images, from a folder where they are there already.

    A file is named after the pixels that the backbone saw and what it was asked for,
    so an image that changed, or another model, never finds those of before; two equal
    images share one.

    Args:
      extractor: what computes them.
      folder: for the files; None to keep nothing.
    """

    def __init__(self, extractor: Extractor, folder: Path | None):
        self._extractor, self._folder = extractor, folder
        backbone, config = extractor.backbone, extractor.config
        asked = {name: getattr(config, name) for name in _PARAMETERS}
        asked |= {
            "weights": backbone.weights_sha256,
            "dtype": str(backbone.module.dtype),
        }
        self._asked = json.dumps(asked, sort_keys=True).encode()

    def __call__(self, pixels: UInt8[np.ndarray, "H W 3"]) -> ImageFeatures:
        """The features of an image.

        Raises:
          OSError: they cannot be saved.
        """
        if self._folder is None:
            return self._extractor.image(pixels)
        path = self._folder / f"{self._digest(pixels)}.npz"
        arrays = read_arrays(path, _FIELDS)
        if arrays is not None:
            return ImageFeatures(**arrays)
        found = self._extractor.image(pixels)
        write_arrays(path, **{name: getattr(found, name) for name in _FIELDS})
        return found

    def _digest(self, pixels: UInt8[np.ndarray, "H W 3"]) -> str:
        digest = hashlib.sha256(self._asked)
        digest.update(repr(pixels.shape).encode())
        digest.update(pixels.tobytes())
        return digest.hexdigest()[:32]


def write_arrays(path: Path, **arrays: np.ndarray) -> None:
    """Writes an npz aside and renames it.

    Raises:
      OSError: it cannot be written; the message names it.
    """
    with atomic_write(path) as aside, open(aside, "wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def read_arrays(path: Path, names: tuple[str, ...]) -> dict[str, np.ndarray] | None:
    """The arrays of an npz; None if it is not there, damaged or something else."""
    try:
        with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as file:
            return {name: file[name] for name in names}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
