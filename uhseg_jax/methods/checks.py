"""What features must be for a method to work on them."""

import math

import numpy as np

from uhseg_jax.types import Float

__all__ = ["check_lengths"]


def check_lengths(features: Float[np.ndarray, "*b h w d"]) -> None:
    """Refuses features that have no cosine.

    Raises:
      ValueError: a vector is zero.
    """
    missing = int((~np.any(features, axis=-1)).sum())
    if missing:
        raise ValueError(
            f"expected features of some length, but {missing} of "
            f"{math.prod(features.shape[:-1])} vectors are zero and have no cosine; "
            "leave them out or add a constant channel."
        )
