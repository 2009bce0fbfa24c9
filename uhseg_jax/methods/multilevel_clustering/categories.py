"""Regions of a whole collection as categories, by their class tokens."""

import dataclasses

import jax
import numpy as np

from uhseg_jax.methods.multilevel_clustering.upper_levels import padded, unit_rows
from uhseg_jax.spectral.kmeans import k_means
from uhseg_jax.types import Float, Int

__all__ = ["Categories", "find_categories", "whiten"]

_REGIONS_PER_COMPONENT = 4


@dataclasses.dataclass(frozen=True)
class Categories:
    """The category of every region.

    Attributes:
      numbers: ``[r]``, from 1, the category with most regions first.
      distances: ``[r]``, to the centroid of the category, in the space clustered.
      count: of categories, none of them empty.
    """

    numbers: Int[np.ndarray, " r"]
    distances: Float[np.ndarray, " r"]
    count: int


def find_categories(
    tokens: Float[np.ndarray, "r e"],
    *,
    num_categories: int,
    whitened: int,
    restarts: int,
    max_iterations: int,
    seed: int,
) -> Categories:
    """Whitens the class tokens of all regions, normalises and clusters them.

    Args:
      tokens: the class token of every region, in any order.
      num_categories: at the most; fewer where there are fewer distinct regions.
      whitened: principal components, see `whiten`.
      restarts: how many seedings are tried.
      max_iterations: Lloyd steps of each at the most.
      seed: seeds the random key.
    """
    if not len(tokens):
        return Categories(np.zeros(0, np.int64), np.zeros(0, np.float32), 0)
    units = unit_rows(whiten(tokens, whitened))
    points, mask = padded(units)
    k = min(num_categories, len(tokens))
    best = k_means(
        jax.random.key(seed),
        points,
        k,
        mask=mask,
        num_restarts=restarts,
        max_iterations=max_iterations,
        in_turn=True,
    )
    found = np.asarray(best.assignment)[: len(tokens)]
    sizes = np.bincount(found, minlength=k)
    order = np.argsort(-sizes, kind="stable")
    number = np.empty(k, np.int64)
    number[order] = np.arange(1, k + 1)
    offsets = units - np.asarray(best.centroids)[found]
    return Categories(
        number[found],
        np.linalg.norm(offsets, axis=1).astype(np.float32),
        int((sizes > 0).sum()),
    )


def whiten(
    tokens: Float[np.ndarray, "r e"], components: int
) -> Float[np.ndarray, "r c"]:
    """Centred tokens along their leading principal axes, each of unit variance.

    No more axes than a quarter of the regions, for the variance along an axis that few
    regions span says nothing: with as many axes as regions, all would be equally far
    from one another. Axes of no variance are left out.

    Args:
      tokens: class tokens, float32.
      components: how many axes at the most; 0 gives the tokens as they are.
    """
    if components == 0:
        return tokens
    centred = tokens.astype(np.float64) - tokens.mean(axis=0, dtype=np.float64)
    count = min(components, len(tokens) // _REGIONS_PER_COMPONENT)
    variances, axes = np.linalg.eigh(centred.T @ centred / len(tokens))
    variances, axes = variances[::-1][:count], axes[:, ::-1][:, :count]
    floor = len(axes) * np.finfo(np.float32).eps * max(variances[:1].sum(), 1e-30)
    spans = variances > floor
    if not spans.any():  # fewer than four regions, or all of them alike
        return tokens
    projected = centred @ axes[:, spans] / np.sqrt(variances[spans])
    return projected.astype(np.float32)
