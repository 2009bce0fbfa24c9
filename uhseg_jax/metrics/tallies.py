"""Scores from the true positives, false positives and false negatives of classes."""

import numpy as np

from uhseg_jax.metrics.states import Additive, ratio
from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.types import Bool, Float, Int

__all__ = ["Tally", "mean_over"]


@pytree_dataclass
class Tally(Additive):
    """Pixels of ``c`` classes and of the regions given to them; tallies add up.

    Attributes:
      true_positives: ``[c]``, pixels of the class in its region.
      false_positives: ``[c]``, pixels of its region outside the class.
      false_negatives: ``[c]``, pixels of the class outside its region.
    """

    true_positives: Int[np.ndarray, " c"]
    false_positives: Int[np.ndarray, " c"]
    false_negatives: Int[np.ndarray, " c"]

    @classmethod
    def empty(cls, num_classes: int) -> "Tally":
        """The tally of no image."""
        return cls(*(np.zeros(num_classes, np.int64) for _ in range(3)))

    @property
    def sizes(self) -> Int[np.ndarray, " c"]:
        """``[c]``, pixels of every class."""
        return self.true_positives + self.false_negatives

    def ious(self) -> Float[np.ndarray, " c"]:
        """IoU of every class; NaN for one that neither side shows."""
        return ratio(self.true_positives, self.sizes + self.false_positives)

    def accuracy(self) -> float:
        """Share of the pixels that are true positives; NaN if there are none."""
        return float(ratio(self.true_positives.sum(), self.sizes.sum()))

    def scores(self) -> dict[str, float]:
        """The four scores of semantic segmentation, over the classes that occur.

        A class occurs if the ground truth shows it (tp + fn > 0). With IoU_c = tp / (tp
        + fp + fn), summed over the images first (Long et al., "Fully Convolutional
        Networks", CVPR 2015, "Metrics"):

        Returns:
          Fractions of 1 (NaN if no class occurs): ``miou``, mean of IoU_c; ``pacc``,
          sum of tp / sum of (tp + fn); ``macc``, mean of tp / (tp + fn); ``fiou``, mean
          of IoU_c weighted by the class's share of the pixels.
        """
        sizes, ious = self.sizes, self.ious()
        occurs = sizes > 0
        weighted = (sizes[occurs] * ious[occurs]).sum()
        return {
            "miou": mean_over(ious, occurs),
            "pacc": self.accuracy(),
            "macc": mean_over(ratio(self.true_positives, sizes), occurs),
            "fiou": float(ratio(weighted, sizes.sum())),
        }


def mean_over(values: Float[np.ndarray, " c"], chosen: Bool[np.ndarray, " c"]) -> float:
    """Mean of the chosen values; NaN if there are none."""
    return float(ratio(np.sum(values[chosen]), np.sum(chosen)))
