"""What has features of images: by the name of the image."""

import dataclasses
from typing import Any, Protocol, runtime_checkable

import numpy as np

from uhseg_jax.types import Float

__all__ = ["FeatureSource", "FeaturesOfOne"]


@runtime_checkable
class FeatureSource(Protocol):
    """Features by the names of images; where a `Segmenter` would have a backbone."""

    def read(self, name: str) -> Float[np.ndarray, "h w d"]:
        """The features of an image, checked (`checked_features`), as they are.

        In any thread.

        Raises:
          images.ImageError: there are none, or they cannot be read.
        """
        ...

    def settings(self) -> dict[str, Any]:
        """What stands for the model in the settings of a run."""
        ...

    def fingerprint(self) -> str:
        """Tells all these features from others, by what their files hold."""
        ...


@dataclasses.dataclass(frozen=True)
class FeaturesOfOne:
    """Features of one image, whatever it is called.

    Attributes:
      features: as `checked_features` gives them.
    """

    features: Float[np.ndarray, "h w d"]

    def read(self, name: str) -> Float[np.ndarray, "h w d"]:
        """The features."""
        del name
        return self.features

    def settings(self) -> dict[str, Any]:
        """See `FeatureSource.settings`."""
        return {"model": "features", "weights_sha256": "", "dtype": "float32"}

    def fingerprint(self) -> str:
        """Empty: features in memory are of no run."""
        return ""
