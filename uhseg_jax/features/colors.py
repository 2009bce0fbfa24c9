"""Features as colours to look at: their three principal components."""

import numpy as np
import numpy.typing as npt

from uhseg_jax.features.checks import at_unit_length, checked_features
from uhseg_jax.types import Float, UInt8

__all__ = ["pca_colors"]

_OUTLIERS = 1.0  # per cent of the cells at either end of a component that are clipped


def pca_colors(features: npt.ArrayLike) -> UInt8[np.ndarray, "*b h w 3"]:
    """Dense features as an image: cells that are alike have like colours.

    Red, green and blue are the first, second and third principal component of the
    vectors, each stretched to the range of all but its outliers. Vectors count by
    their direction, as in the affinities of the methods.

        >>> features = uhseg_jax.extract_features("photo.jpg")  # doctest: +SKIP
        >>> Image.fromarray(pca_colors(features)).save("colors.png")  # doctest: +SKIP

    Args:
      features: ``[h, w, d]``, or ``[b, h, w, d]`` of several images, of which the same
        colour then means the same.

    Returns:
      uint8 RGB of the same grid. Components that do not vary are grey (128).

    Raises:
      ValueError: features of another shape, or not finite.
    """
    unit = at_unit_length(checked_features(features))
    components = _components(unit.reshape(-1, unit.shape[-1]))
    low, high = np.percentile(components, (_OUTLIERS, 100 - _OUTLIERS), axis=0)
    varies = high - low > np.finfo(np.float32).eps
    stretched = (components - low) / np.where(varies, high - low, 1)
    colors = np.where(varies, np.clip(stretched, 0, 1), 0.5)
    found: np.ndarray = np.rint(255 * colors).astype(np.uint8)
    return found.reshape(*unit.shape[:-1], 3)


def _components(rows: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n 3"]:
    """Three principal components, of signs that do not depend on the solver."""
    centred = (rows - rows.mean(axis=0)).astype(np.float64)
    _, axes = np.linalg.eigh(centred.T @ centred)  # the largest come last
    found = centred @ axes[:, ::-1][:, :3]
    found *= np.where((found**3).sum(axis=0) < 0, -1, 1)
    return np.pad(found, ((0, 0), (0, 3 - found.shape[1])))
