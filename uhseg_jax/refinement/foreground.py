"""A soft foreground on the patch grid as a mask of pixels."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from uhseg_jax.entry import entry_point
from uhseg_jax.interpolation import bilinear_cells
from uhseg_jax.refinement.config import Refinement
from uhseg_jax.refinement.label_columns import WIDTH
from uhseg_jax.refinement.labels import resize_labels
from uhseg_jax.refinement.pixel_grid import PixelGrid, capacity, working_copy
from uhseg_jax.refinement.refiners import run_refiners
from uhseg_jax.types import Array, Bool, Float, UInt8

__all__ = ["refine_foreground"]

_MIN_PROBABILITY = 1e-5
_ABSENT = np.finfo(np.float32).min / 4  # the logarithm of no label


@entry_point
def refine_foreground(
    probability: Float[Array | np.ndarray, "h w"],
    image: UInt8[np.ndarray, "H W 3"],
    refinement: Refinement,
) -> Bool[np.ndarray, "H W"]:
    """The foreground of an image at its pixels.

    The probability is interpolated bilinearly; the refiners then treat background and
    foreground as two labels, with the constants that they have for leaves of a tree.

    Args:
      probability: the probability of foreground at every patch.
      image: RGB pixels, of any size and aspect.
      refinement: with refiners and ``max_megapixels``; the other parameters are for
        trees and have no influence.
    """
    size = image.shape[:2]
    coarse = np.asarray(probability, np.float32)
    if refinement.refiners is None:
        inside = coarse > 0.5
        return resize_labels(inside.astype(np.int32), size).astype(bool)
    if not refinement.refiners:
        return _enlarged(coarse, size) > 0.5
    working = working_copy(image, refinement.max_megapixels)
    height, width = working.shape[:2]
    length = capacity(height * width, round(refinement.max_megapixels * 1e6))
    foreground = np.zeros(length, np.float32)
    foreground[: height * width] = _enlarged(coarse, (height, width)).ravel()
    p = np.stack([1 - foreground, foreground], axis=1)
    logits = np.full((length, WIDTH), _ABSENT, np.float32)
    logits[:, :2] = np.log(np.clip(p, _MIN_PROBABILITY, 1))
    pixels = PixelGrid.of(working, length)
    (refined,) = run_refiners(refinement.refiners, [jnp.asarray(logits)], pixels, 2)
    found = np.asarray(refined)[: height * width, 1].reshape(height, width)
    return (found if working.shape == image.shape else _enlarged(found, size)) > 0.5


def _enlarged(
    values: Float[np.ndarray, "h w"], size: tuple[int, ...]
) -> Float[np.ndarray, "H W"]:
    """Values interpolated bilinearly."""
    rows, columns = (
        [(cells, weights.astype(np.float32)) for cells, weights in bilinear_cells(*x)]
        for x in zip(values.shape, size, strict=True)
    )
    tall = sum(weights[:, None] * values[cells] for cells, weights in rows)
    return sum(weights * tall[:, cells] for cells, weights in columns)
