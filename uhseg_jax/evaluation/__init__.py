"""What the trees of a dataset are scored by."""

from uhseg_jax.evaluation.scoring import Scoring

__all__ = ["Scoring"]
