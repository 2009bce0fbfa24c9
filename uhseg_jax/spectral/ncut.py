"""Normalised cuts of a partition, and the best threshold of a vector."""

import jax
import jax.numpy as jnp

from uhseg_jax.spectral import numerics
from uhseg_jax.types import Array, Bool, Float, Int

__all__ = ["best_threshold", "mean_ncut", "ncut_costs"]


def ncut_costs(
    weights: Float[Array, "s s"],
    labels: Int[Array, " s"],
    mask: Bool[Array, " s"],
    k: int,
) -> Float[Array, " k"]:
    """Normalised cut ``cut(S, rest) / vol(S)`` of every group within the sub-graph.

    Shi and Malik, PAMI 2000. The sub-graph is that of the vertices in the mask, so the
    cut and the volume count only edges inside it. A group without edges costs 0, since
    nothing is cut, and so does an empty group.
    """
    groups = jax.nn.one_hot(labels, k, dtype=weights.dtype, axis=0)
    groups = jnp.where(mask[None, :], groups, 0)
    inside = jnp.where(jnp.outer(mask, mask), weights, 0)
    between = numerics.matmul(numerics.matmul(groups, inside), groups.T)
    volumes = jnp.sum(between, axis=1)
    # Summed cut rather than volume minus association: no cancellation, never below 0.
    cuts = jnp.sum(jnp.where(jnp.eye(k, dtype=bool), 0, between), axis=1)
    return numerics.ratio(cuts, volumes, empty=0.0)


def mean_ncut(costs: Float[Array, " k"], num_groups: Int[Array, ""] | int) -> Array:
    """Mean cost over the groups, ``Ncut_k / k``."""
    return jnp.sum(costs) / jnp.asarray(num_groups, costs.dtype)


def best_threshold(
    weights: Float[Array, "s s"],
    vector: Float[Array, " s"],
    mask: Bool[Array, " s"],
    thresholds: Float[Array, " t"],
    *,
    min_size: int = 1,
) -> Int[Array, " s"]:
    """The two groups ``vector > threshold`` of least mean normalised cut.

    Thresholds that leave a side with fewer than ``min_size`` vertices, at least 1, are
    passed over; if all do, every label is 0.

    Returns:
      int32 ``[s]``: 1 above the best threshold (ties: the first), 0 below and outside
      the mask.
    """
    above = (vector[None, :] > thresholds[:, None]) & mask[None, :]  # [t, s]
    groups = above.astype(weights.dtype)
    inside = jnp.where(jnp.outer(mask, mask), weights, 0)
    degrees = jnp.sum(inside, axis=1)
    reach = numerics.matmul(groups, inside)
    cut = jnp.sum(jnp.where(above, 0, reach), axis=1)
    volume = numerics.matmul(groups, degrees)
    rest = jnp.sum(degrees) - volume
    mean = (
        numerics.ratio(cut, volume, empty=0.0) + numerics.ratio(cut, rest, empty=0.0)
    ) / 2
    count = jnp.sum(above, axis=1)
    divides = (count >= min_size) & (jnp.sum(mask) - count >= min_size)
    best = jnp.argmin(jnp.where(divides, mean, jnp.inf))
    return (above[best] & divides[best]).astype(jnp.int32)
