"""The loop over a dataset: trees scored against ground truth, resumable."""

from uhseg_jax.evaluation.loop import EvaluationError, evaluate, settings_of

__all__ = ["EvaluationError", "evaluate", "settings_of"]
