"""Curves of scores that are more than a number: precision against recall."""

import dataclasses

import numpy as np

from uhseg_jax.types import Float

__all__ = ["Curve", "f_measure"]


@dataclasses.dataclass(frozen=True)
class Curve:
    """Points of a curve of a whole set, in their order along it.

    Attributes:
      x: where the points lie; NaN, or nothing at all, where nothing was scored.
      y: their values, as many.
      x_name: what ``x`` is, in words.
      y_name: what ``y`` is.
    """

    x: tuple[float, ...]
    y: tuple[float, ...]
    x_name: str
    y_name: str

    @classmethod
    def recall_and_precision(
        cls, recall: Float[np.ndarray, " t"], precision: Float[np.ndarray, " t"]
    ) -> "Curve":
        """The curve of a set over scales from coarse to fine."""
        x, y = (tuple(map(float, values)) for values in (recall, precision))
        return cls(x, y, "recall", "precision")


def f_measure(
    recall: Float[np.ndarray, "*s"], precision: Float[np.ndarray, "*s"]
) -> Float[np.ndarray, "*s"]:
    """Harmonic mean of recall and precision, 0 where both are 0."""
    total = recall + precision
    return np.asarray(2 * recall * precision / np.where(total > 0, total, 1))
