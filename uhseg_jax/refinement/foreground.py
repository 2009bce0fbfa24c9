"""A soft foreground on the patch grid as a mask of pixels."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from uhseg_jax import images
from uhseg_jax.interpolation import Taps, read_taps, with_margin
from uhseg_jax.refinement.config import Refinement
from uhseg_jax.refinement.labels import resize_labels
from uhseg_jax.refinement.pixel_grid import PixelGrid, padded_taps, working_size
from uhseg_jax.refinement.sharpening import sharpen
from uhseg_jax.types import Array, Bool, Float, UInt8

__all__ = ["refine_foreground"]

_LEAST = 1e-5  # probability


def refine_foreground(
    probability: Float[Array | np.ndarray, "h w"],
    image: UInt8[np.ndarray, "H W 3"],
    refinement: Refinement,
) -> Bool[np.ndarray, "H W"]:
    """The foreground of an image at its pixels.

    The probability is interpolated bilinearly; PAMR and the dense CRF then treat
    foreground and background as two labels, with the constants that leaves of a tree
    have.

    Args:
      probability: of foreground at every patch.
      image: RGB pixels, of any size and aspect.
      refinement: how; its ``kernel``, ``temperature``, ``locality``, ``min_area`` and
        ``connected`` are of trees and not looked at.
    """
    size = image.shape[:2]
    coarse = np.asarray(probability, np.float32)
    if refinement.refiner == "none":
        return resize_labels((coarse > 0.5).astype(np.int32), size).astype(bool)
    height, width = size
    if refinement.refiner != "upsample":
        height, width = working_size(size, refinement.max_megapixels)
        working = images.resize(image, (height, width))
        points = PixelGrid.of(working, coarse.shape, kernel="bilinear")
        fine = _refined(jnp.asarray(coarse), points, refinement=refinement)
        coarse = np.asarray(fine)[:height, :width]
        if (height, width) == size:
            return coarse > 0.5
    rows, columns = (
        padded_taps(cells, pixels, "bilinear")
        for cells, pixels in zip(coarse.shape, size, strict=True)
    )
    fine = _interpolated(jnp.asarray(coarse), rows, columns)
    return np.asarray(fine)[: size[0], : size[1]] > 0.5


@jax.jit
def _interpolated(
    probability: Float[Array, "h w"], rows: Taps, columns: Taps
) -> Float[Array, "H W"]:
    return read_taps(with_margin(probability[:, :, None]), rows, columns)[:, :, 0]


@functools.partial(jax.jit, static_argnames="refinement")
def _refined(
    probability: Float[Array, "h w"], points: PixelGrid, *, refinement: Refinement
) -> Float[Array, "H W"]:
    """The probability of foreground after PAMR, the CRF or both."""
    foreground = _interpolated(probability, points.rows, points.columns)
    p = jnp.stack([1 - foreground, foreground], axis=-1)
    log_p = jnp.log(jnp.clip(p, _LEAST, 1))
    return sharpen(log_p, points, 2, refinement)[:, :, 1]
