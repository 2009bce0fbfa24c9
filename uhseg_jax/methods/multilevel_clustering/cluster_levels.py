"""Levels of clusters of which some are foreground, for `multilevel_clustering`.

Pure functions of one set of centroids and the patches it was made from.
"""

import functools

import jax
import jax.numpy as jnp

from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.spectral import numerics
from uhseg_jax.types import Array, Bool, Float, Int

__all__ = [
    "Level",
    "evidence_level",
    "foreground_by_evidence",
    "foreground_by_majority",
    "majority_level",
    "margins",
    "nearest_centroids",
]

# Of two clusters, one has more of both or there is a tie, and scores are 1 and -1 but
# for round-off: then neither is foreground.
_TIE = 1e-4
_FARTHEST = 2.0  # of two cosines: the margin where a level has only one of the kinds


@pytree_dataclass
class Level:
    """The clusters of one level.

    Attributes:
      centroids: ``[k, d]``, of unit length.
      is_foreground: ``[k]``, false for clusters without points.
      sizes: ``[k]``, points of each.
    """

    centroids: Float[Array, "k d"]
    is_foreground: Bool[Array, " k"]
    sizes: Float[Array, " k"]


# -- which clusters are foreground ------------------------------------------------


def foreground_by_evidence(
    assignment: Int[Array, " n"],
    k: int,
    attention: Float[Array, " n"],
    on_border: Bool[Array, " n"],
    mask: Bool[Array, " n"],
) -> Bool[Array, " k"]:
    """Clusters that the class token attends to and that keep away from the border.

    The sign of z(mean class attention) - z(share of patches on the border), with z the
    standard score among the clusters that have points (the rule is ours).

    Args:
      assignment: cluster of every patch.
      k: number of clusters.
      attention: of the class token to every patch, mean over the heads.
      on_border: whether a patch touches the border of its image.
      mask: the patches that count.
    """
    groups = _groups(assignment, k, mask)
    sizes = jnp.sum(groups, axis=1)

    def mean(values: Float[Array, " n"]) -> Float[Array, " k"]:
        sums = numerics.matmul(groups, jnp.where(mask, values, 0))
        return numerics.ratio(sums, sizes, empty=0.0)

    attended = _standard_scores(mean(attention), sizes > 0)
    at_border = _standard_scores(mean(on_border.astype(attention.dtype)), sizes > 0)
    return (attended - at_border > _TIE) & (sizes > 0)


def foreground_by_majority(
    assignment: Int[Array, " n"],
    k: int,
    in_mask: Bool[Array, " n"],
    mask: Bool[Array, " n"],
    *,
    majority: float,
) -> Bool[Array, " k"]:
    """Clusters of which at least a share of ``majority`` lies in a mask.

    Args:
      assignment: cluster of every patch.
      k: number of clusters.
      in_mask: whether a patch is foreground at the level above.
      mask: the patches that count.
      majority: the share.
    """
    groups = _groups(assignment, k, mask)
    sizes = jnp.sum(groups, axis=1)
    inside = numerics.matmul(groups, (in_mask & mask).astype(groups.dtype))
    return (inside >= majority * sizes) & (sizes > 0)


def _groups(
    assignment: Int[Array, " n"], k: int, mask: Bool[Array, " n"]
) -> Float[Array, "k n"]:
    groups = jax.nn.one_hot(assignment, k, dtype=jnp.float32, axis=0)
    return jnp.where(mask[None, :], groups, 0)


def _standard_scores(
    values: Float[Array, " k"], there: Bool[Array, " k"]
) -> Float[Array, " k"]:
    """Standard scores among those that are there; 0 if all of them are alike."""
    count = jnp.maximum(jnp.sum(there), 1).astype(values.dtype)
    centred = jnp.where(there, values, 0)
    centred = jnp.where(there, values - jnp.sum(centred) / count, 0)
    variance = jnp.sum(centred * centred) / count
    # Below this the clusters differ by round-off alone.
    floor = (4 * jnp.finfo(values.dtype).eps * jnp.max(jnp.abs(values))) ** 2
    return centred * jnp.where(variance > floor, numerics.inverse_sqrt(variance), 0)


# -- the levels ----------------------------------------------------------------------


def nearest_centroids(
    units: Float[Array, "n d"], centroids: Float[Array, "k d"]
) -> Int[Array, " n"]:
    """The centroid with the largest cosine, for vectors of any length."""
    return jnp.argmax(numerics.matmul(units, centroids.T), axis=1).astype(jnp.int32)


@jax.jit
def evidence_level(
    centroids: Float[Array, "k d"],
    units: Float[Array, "n d"],
    attention: Float[Array, " n"],
    on_border: Bool[Array, " n"],
    mask: Bool[Array, " n"],
) -> Level:
    """A level whose clusters are foreground by `foreground_by_evidence`."""
    k = centroids.shape[0]
    assignment = nearest_centroids(units, centroids)
    chosen = foreground_by_evidence(assignment, k, attention, on_border, mask)
    return Level(centroids, chosen, jnp.sum(_groups(assignment, k, mask), axis=1))


@functools.partial(jax.jit, static_argnames="majority")
def majority_level(
    centroids: Float[Array, "k d"],
    units: Float[Array, "n d"],
    in_mask: Bool[Array, " n"],
    mask: Bool[Array, " n"],
    *,
    majority: float,
) -> Level:
    """A level whose clusters are foreground by `foreground_by_majority`."""
    k = centroids.shape[0]
    assignment = nearest_centroids(units, centroids)
    chosen = foreground_by_majority(assignment, k, in_mask, mask, majority=majority)
    return Level(centroids, chosen, jnp.sum(_groups(assignment, k, mask), axis=1))


def margins(units: Float[Array, "n d"], level: Level) -> Float[Array, " n"]:
    """How much nearer every vector is to foreground than to background, in cosine.

    2 where a level has no background and -2 where it has no foreground. Clusters
    without points count for neither.
    """
    cosines = numerics.matmul(units, level.centroids.T)
    there = level.sizes > 0

    def nearest(chosen: Bool[Array, " k"]) -> Float[Array, " n"]:
        return jnp.max(jnp.where(chosen[None, :], cosines, -jnp.inf), axis=1)

    foreground, background = level.is_foreground & there, ~level.is_foreground & there
    difference = nearest(foreground) - nearest(background)
    difference = jnp.where(jnp.any(background), difference, _FARTHEST)
    return jnp.where(jnp.any(foreground), difference, -_FARTHEST)
