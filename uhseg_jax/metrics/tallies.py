"""Scores from the true positives, false positives and false negatives of classes."""

import numpy as np

from uhseg_jax.metrics.states import ratio
from uhseg_jax.types import Float, Int

__all__ = ["class_ious", "mean_over", "scores"]

Tally = Int[np.ndarray, " c"]


def class_ious(tp: Tally, fp: Tally, fn: Tally) -> Float[np.ndarray, " c"]:
    """IoU of every class over all images; NaN for one that neither side shows."""
    return ratio(tp, tp + fp + fn)


def scores(tp: Tally, fp: Tally, fn: Tally) -> dict[str, float]:
    """The four scores of semantic segmentation, over the classes that occur.

    A class occurs if the ground truth shows it (tp + fn > 0). With IoU_c = tp / (tp +
    fp + fn), summed over the images first (Long et al., "Fully Convolutional Networks",
    CVPR 2015, "Metrics"):

    Returns:
      Fractions of 1 (NaN if no class occurs): ``miou``, mean of IoU_c; ``pacc``, sum of
      tp / sum of (tp + fn); ``macc``, mean of tp / (tp + fn); ``fiou``, mean of IoU_c
      weighted by the class's share of the pixels.
    """
    sizes = tp + fn
    occurs = sizes > 0
    ious = class_ious(tp, fp, fn)
    return {
        "miou": mean_over(ious, occurs),
        "pacc": float(ratio(tp.sum(), sizes.sum())),
        "macc": mean_over(ratio(tp, sizes), occurs),
        "fiou": float(ratio((sizes[occurs] * ious[occurs]).sum(), sizes.sum())),
    }


def mean_over(values: Float[np.ndarray, " c"], chosen: np.ndarray) -> float:
    """Mean of the chosen values; NaN if there are none."""
    return float(ratio(np.sum(values[chosen]), np.sum(chosen)))
