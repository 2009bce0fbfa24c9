"""A soft foreground on the patch grid as a mask of pixels."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from uhseg_jax.entry import entry_point
from uhseg_jax.interpolation import Taps, read_taps, with_margin
from uhseg_jax.refinement.config import Refinement
from uhseg_jax.refinement.labels import resize_labels
from uhseg_jax.refinement.pixel_grid import PixelGrid, padded_taps, working_copy
from uhseg_jax.refinement.refiners import run_refiners
from uhseg_jax.types import Array, Bool, Float, UInt8

__all__ = ["refine_foreground"]

_MIN_PROBABILITY = 1e-5


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
    coarse = jnp.asarray(probability, jnp.float32)
    if refinement.refiners is None:
        inside = np.asarray(coarse) > 0.5
        return resize_labels(inside.astype(np.int32), size).astype(bool)
    if refinement.refiners:
        working = working_copy(image, refinement.max_megapixels)
        pixels = PixelGrid.of(working, coarse.shape, kernel="bilinear")
        refined = _refined(coarse, pixels, refinement=refinement)
        coarse = refined[: working.shape[0], : working.shape[1]]
        if working.shape == image.shape:
            return np.asarray(coarse) > 0.5
    fine = _interpolated(coarse, *padded_taps(coarse.shape, size, "bilinear"))
    return np.asarray(fine)[: size[0], : size[1]] > 0.5


@jax.jit
def _interpolated(
    probability: Float[Array, "h w"], rows: Taps, columns: Taps
) -> Float[Array, "H W"]:
    return read_taps(with_margin(probability[:, :, None]), rows, columns)[:, :, 0]


@functools.partial(jax.jit, static_argnames="refinement")
def _refined(
    probability: Float[Array, "h w"], pixels: PixelGrid, *, refinement: Refinement
) -> Float[Array, "H W"]:
    """The probability of foreground after the refiners."""
    foreground = _interpolated(probability, pixels.rows, pixels.columns)
    p = jnp.stack([1 - foreground, foreground], axis=-1)
    log_p = jnp.log(jnp.clip(p, _MIN_PROBABILITY, 1))
    return run_refiners(refinement.refiners or (), log_p, pixels, 2)[:, :, 1]
