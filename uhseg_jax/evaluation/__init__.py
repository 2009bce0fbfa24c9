"""The loop over a dataset: trees scored against ground truth, resumable."""

from uhseg_jax.evaluation.loop import evaluate, settings_of
from uhseg_jax.evaluation.score_files import EvaluationError
from uhseg_jax.protocols.scoring import Scoring

__all__ = ["EvaluationError", "Scoring", "evaluate", "settings_of"]
