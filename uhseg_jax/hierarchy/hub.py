"""Regions with many neighbours in a merging, of which few have to be looked at."""

import dataclasses
import math

import numpy as np

from uhseg_jax.types import Float

__all__ = ["Hub"]

_ROUNDING = 1e-6  # of a distance, relative to the vectors' length


@dataclasses.dataclass
class Hub:
    """A region with many neighbours when all were looked at, and what is left of that.

    Its mean hardly moves when it takes in a small region. So no dissimilarity falls by
    much: as areas only grow, its root falls at most by the way of the mean, times the
    root of the factor of the areas.

    Attributes:
      near: the neighbours to look at: those that were nearest when all were looked at,
        and all that have changed since.
      least: dissimilarity of the others, at the least, when all were looked at.
      factor: by which the areas of the others multiplied, at the most.
      vector: of the region then.
    """

    near: set[int]
    least: float
    factor: float
    vector: Float[np.ndarray, " d"]

    def bound(self, vector: Float[np.ndarray, " d"]) -> float:
        """What no dissimilarity of the others is below, now that the mean is here."""
        way = float(np.linalg.norm(vector - self.vector))
        way += _ROUNDING * float(np.linalg.norm(vector))
        return max(0.0, math.sqrt(self.least) - math.sqrt(self.factor) * way) ** 2
