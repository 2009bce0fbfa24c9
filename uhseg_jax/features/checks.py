"""What features must be, wherever they come from, and how long they are."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from uhseg_jax.derivatives import require_values
from uhseg_jax.types import Float

__all__ = ["at_unit_length", "at_unit_scale", "checked_features"]


def checked_features(
    features: Any, *, batched: bool = True, integers: bool = False
) -> Float[np.ndarray, "*b h w d"]:
    """Features as an array of float32 or more, or a sentence on what is wrong.

    On the host, wherever they were: devices divide in ways of their own.

    Args:
      features: an array, or nested lists.
      batched: whether they may be those of several images.
      integers: whether they may be integers, which become float32.

    Raises:
      ValueError: they have another shape, are no real numbers, or not finite.
      derivatives.NoDerivativeError: JAX is tracing them.
    """
    require_values("This function of features", features)
    expected = "[h, w, d] or [b, h, w, d]" if batched else "[h, w, d]"
    try:
        features = np.asarray(features)
    except ValueError as error:  # nested lists of several lengths
        raise ValueError(
            f"expected features as an array {expected}, but {error}"
        ) from error
    if features.ndim not in ((3, 4) if batched else (3,)) or 0 in features.shape:
        raise ValueError(
            f"expected features {expected} with no empty axis, but got shape "
            f"{features.shape}."
        )
    if integers and features.dtype.kind in "biu":
        features = features.astype(np.float32)
    if not jnp.issubdtype(features.dtype, jnp.floating):
        wanted = "features of real numbers" if integers else "floating-point features"
        raise ValueError(
            f"expected {wanted}, but got {features.dtype}; convert them with "
            ".astype('float32')."
        )
    if features.dtype.itemsize < 4:
        features = features.astype(np.float32)
    largest = np.max(np.abs(features), axis=-1, keepdims=True)
    if not np.isfinite(largest).all():
        count = int((~np.isfinite(largest)).sum())
        raise ValueError(
            f"expected finite features, but {count} of {largest.size} vectors hold NaN "
            "or infinity; check the backbone's input and dtype."
        )
    return features


def at_unit_scale(features: Float[np.ndarray, "*b d"]) -> Float[np.ndarray, "*b d"]:
    """float32 vectors whose largest entries are 1 or -1; zero vectors stay.

    In their own type first: features of float64, and squares of very large or small
    ones of float32, leave float32's range.
    """
    largest = np.max(np.abs(features), axis=-1, keepdims=True)
    scaled = features / np.where(largest > 0, largest, 1)
    return scaled.astype(np.float32)


def at_unit_length(features: Float[np.ndarray, "*b d"]) -> Float[np.ndarray, "*b d"]:
    """float32 vectors of length 1, so that they count by their direction alone.

    Whoever averages them needs it; zero vectors stay.
    """
    scaled = at_unit_scale(features)
    lengths = np.linalg.norm(scaled, axis=-1, keepdims=True)
    unit: np.ndarray = scaled / np.where(lengths > 0, lengths, np.float32(1))
    return unit
