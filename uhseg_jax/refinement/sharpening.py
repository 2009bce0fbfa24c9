"""Probabilities of labels that follow the colours: PAMR, the dense CRF or both."""

import jax.numpy as jnp

from uhseg_jax.refinement import dense_crf, pamr
from uhseg_jax.refinement.config import Refinement
from uhseg_jax.refinement.pixel_grid import PixelGrid
from uhseg_jax.types import Array, Float, Int

__all__ = ["sharpen"]

# PAMR leaves many pixels certain; the CRF is to weigh them all the same.
_LEAST = 1e-5  # probability


def sharpen(
    log_p: Float[Array, "H W k"],
    points: PixelGrid,
    num_labels: Int[Array, ""] | int,
    refinement: Refinement,
) -> Float[Array, "H W k"]:
    """What the config's refiner makes of the probabilities.

    Args:
      log_p: their logarithms.
      points: the pixels.
      num_labels: slots from there on hold no label.
      refinement: with "pamr", "crf" or "pamr_crf".
    """
    colors, inside = points.colors, points.inside
    if refinement.refiner in ("pamr", "pamr_crf"):
        p = pamr.refine(jnp.exp(log_p), colors, refinement.pamr, mask=inside)
        if refinement.refiner == "pamr":
            return p
        present = jnp.arange(p.shape[-1]) < num_labels
        log_p = jnp.where(present, jnp.log(jnp.maximum(p, _LEAST)), log_p)
    return dense_crf.mean_field(-log_p, colors, refinement.crf, mask=inside)
