"""Regions that touch no other, where there are too many: small ones join large ones."""

import numpy as np

from uhseg_jax.hierarchy.region_sums import region_sums
from uhseg_jax.types import Float, Int, Integer

__all__ = ["join_scattered"]

_ROWS = 4096  # regions whose distances are computed at once


def join_scattered(
    regions: Integer[np.ndarray, " n"],
    vectors: Float[np.ndarray, "n d"],
    areas: Float[np.ndarray, " n"],
    *,
    num_regions: int,
) -> Int[np.ndarray, " n"]:
    """Joins the smallest regions, wherever they lie, with the most similar large ones.

    `condense` leaves a region for each component of a graph, such as the islands of an
    archipelago; this bounds their number.

    Args:
      regions: of the vertices, from 0 without gaps.
      vectors: of the vertices.
      areas: their shares of the whole, positive.
      num_regions: that are left at most: the largest, of equal ones the first.

    Returns:
      int32, the region of every vertex, numbered from 0 in the order of their lowest
      vertices.
    """
    sizes = np.bincount(regions, areas)
    if len(sizes) <= num_regions:
        return regions.astype(np.int32)
    means = region_sums(vectors, areas / sizes[regions], regions, len(sizes))
    order = np.argsort(-sizes, kind="stable")
    kept, small = np.sort(order[:num_regions]), order[num_regions:]
    joined = np.arange(len(sizes))
    halves = np.einsum("nd,nd->n", means[kept], means[kept]) / 2
    for start in range(0, len(small), _ROWS):
        some = small[start : start + _ROWS]
        joined[some] = kept[(halves - means[some] @ means[kept].T).argmin(axis=1)]
    found = joined[regions]
    _, first, numbers = np.unique(found, return_index=True, return_inverse=True)
    ranks = np.empty(len(first), np.int32)
    ranks[np.argsort(first)] = np.arange(len(first))
    return ranks[numbers]
