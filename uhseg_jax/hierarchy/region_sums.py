"""Weighted sums of rows over the regions that they belong to."""

import numpy as np

from uhseg_jax.types import Float, Integer

__all__ = ["region_sums"]


def region_sums(
    rows: Float[np.ndarray, "n d"],
    weights: Float[np.ndarray, " n"],
    regions: Integer[np.ndarray, " n"],
    count: int,
) -> Float[np.ndarray, "m d"]:
    """The weighted sum of the rows of every region, float32.

    Args:
      rows: of the vertices.
      weights: of each; shares of its region give means.
      regions: of the vertices, from 0.
      count: how many regions there are.
    """
    from scipy.sparse import csr_array

    n = len(regions)
    matrix = csr_array((weights, (regions, np.arange(n))), shape=(count, n))
    sums: np.ndarray = matrix @ rows
    return sums.astype(np.float32)
