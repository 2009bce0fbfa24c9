"""A fully connected CRF of pixels, by mean field on the permutohedral lattice."""

from uhseg_jax.refinement.dense_crf.mean_field import PRESETS, DenseCRF, mean_field

__all__ = ["PRESETS", "DenseCRF", "mean_field"]
