"""Features of the first pass: kept in a folder, or computed again."""

import dataclasses
import hashlib
import json
import zipfile
import zlib
from pathlib import Path

import numpy as np

from uhseg_jax.backbones import Backbone
from uhseg_jax.files import atomic_write
from uhseg_jax.methods.multilevel_clustering.config import Config
from uhseg_jax.methods.multilevel_clustering.features import (
    ImageFeatures,
    image_features,
)
from uhseg_jax.types import UInt8

__all__ = ["FeatureStore", "read_arrays", "write_arrays"]

_FIELDS = ("patches", "attention", "class_token")


class FeatureStore:
    """The features of images, from a folder where they are there already.

    A file is named after the image's pixels, the request and the weights, so features
    of an image that changed, or of another model, are never read; two equal images
    share one file.

    Args:
      backbone: the model.
      config: the parameters, with the request.
      folder: for the files; None to keep nothing.
    """

    def __init__(self, backbone: Backbone, config: Config, folder: Path | None):
        self._backbone, self._config, self._folder = backbone, config, folder
        identity = {
            "request": dataclasses.asdict(config.request),
            "weights": backbone.weights_sha256,
            "dtype": str(backbone.module.dtype),
        }
        self._identity = json.dumps(identity, sort_keys=True).encode()

    def __call__(self, pixels: UInt8[np.ndarray, "H W 3"]) -> ImageFeatures:
        """The features of an image.

        Raises:
          OSError: they cannot be saved.
        """
        if self._folder is None:
            return image_features(self._backbone, pixels, self._config)
        path = self._folder / f"{self._digest(pixels)}.npz"
        arrays = read_arrays(path)
        if arrays is not None and arrays.keys() == set(_FIELDS):
            return ImageFeatures(**arrays)
        found = image_features(self._backbone, pixels, self._config)
        write_arrays(path, **{name: getattr(found, name) for name in _FIELDS})
        return found

    def _digest(self, pixels: UInt8[np.ndarray, "H W 3"]) -> str:
        digest = hashlib.sha256(self._identity)
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


def read_arrays(path: Path, only: str | None = None) -> dict[str, np.ndarray] | None:
    """The arrays of an npz; None if it is not there, damaged or something else.

    Args:
      path: the file.
      only: name of one array, which must be there; the others are not read.
    """
    try:
        with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as file:
            return {name: file[name] for name in ([only] if only else file.files)}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        return None
