"""Features of the first pass: kept in a folder, or computed again."""

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np

from uhseg_jax.backbones import Backbone
from uhseg_jax.methods.multilevel_clustering.config import Config
from uhseg_jax.methods.multilevel_clustering.features import (
    ImageFeatures,
    image_features,
)
from uhseg_jax.parts import read_arrays, write_arrays
from uhseg_jax.types import UInt8

__all__ = ["FeatureStore"]

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
