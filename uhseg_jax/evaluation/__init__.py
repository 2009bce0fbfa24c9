"""The loop over a dataset: trees scored against ground truth, resumable."""

from uhseg_jax.evaluation.loop import EvaluationError, evaluate, settings_of
from uhseg_jax.evaluation.scores import ImageScores, Scores

__all__ = ["EvaluationError", "ImageScores", "Scores", "evaluate", "settings_of"]
