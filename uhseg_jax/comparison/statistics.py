"""How sure a score and a difference of two scores are, from resampled images."""

import dataclasses

import numpy as np

from uhseg_jax.types import Float

__all__ = ["LEVEL", "Estimate", "estimate"]

LEVEL = 0.95  # of the intervals


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A score, or by how much one score is above another.

    Attributes:
      value: of the images as they are.
      error: its standard error; NaN where it is not known.
      low: lower end of its interval; NaN where that is not known.
      high: upper end.
    """

    value: float
    error: float
    low: float
    high: float

    @property
    def is_clear(self) -> bool:
        """Whether all of the interval lies on one side of zero."""
        return self.low > 0 or self.high < 0


def estimate(value: float, resampled: Float[np.ndarray, " r"]) -> Estimate:
    """A value with its bootstrap standard error and percentile interval.

    The error is the standard deviation over the resamples, the interval reaches from
    their 2.5th to their 97.5th percentile. Resamples without a value, as of images that
    do not show a class at all, are left out; where that is every second, nothing is
    known.

    Args:
      value: of the images as they are.
      resampled: of the resamples, NaN where there is none.
    """
    found = resampled[np.isfinite(resampled)]
    if found.size < 2 or 2 * found.size < resampled.size:
        return Estimate(value, np.nan, np.nan, np.nan)
    outside = 100 * (1 - LEVEL) / 2
    low, high = np.percentile(found, [outside, 100 - outside])
    return Estimate(value, float(found.std(ddof=1)), float(low), float(high))
