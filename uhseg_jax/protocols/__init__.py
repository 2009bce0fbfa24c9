"""Ways to score segmentations against ground truth, one file for each."""

from uhseg_jax.protocols.collection import average_seeds
from uhseg_jax.protocols.protocol import Protocol, Scorer
from uhseg_jax.protocols.scoring import PROTOCOLS, Scoring

__all__ = ["PROTOCOLS", "Protocol", "Scorer", "Scoring", "average_seeds"]
