"""Two-way normalised cuts of one region (Shi & Malik, PAMI 2000)."""

import jax.numpy as jnp

from uhseg_jax.hierarchy.split import SplitOutput, finish
from uhseg_jax.spectral import eigen, ncut, numerics
from uhseg_jax.spectral.operators import MatrixOperator
from uhseg_jax.types import Array, Bool, Float, Key, Scalar

__all__ = ["by_two_way_ncut"]

# Regions up to this size are solved whole. Beyond, a decomposition costs more than the
# products of Lanczos' method.
_LARGEST_DENSE = 512
_LANCZOS_STEPS = 40


def by_two_way_ncut(
    key: Key[Array, ""],
    weights: Float[Array, "s s"],
    mask: Bool[Array, " s"],
    *,
    max_ncut: float | Scalar,
    num_thresholds: int | None = None,
    min_size: int = 1,
) -> SplitOutput:
    """Two groups by the best threshold of the relaxed normalised cut.

    The second generalised eigenvector ``D^-1/2 y_1`` is cut where the mean NCut is
    least (section 3 of the paper); the region is a leaf if that reaches ``max_ncut``.

    Args:
      key: random key of Lanczos' method; small regions use none.
      weights: ``[s, s]`` affinity of the padded region.
      mask: its vertices.
      max_ncut: bound on the mean normalised cut of the two groups, in (0, 1].
      num_thresholds: evenly spaced ones that are tried (Shi & Malik; DiffCut), over the
        range in which both groups are large enough, so that entries far from all others
        use up none; None for a threshold at every entry.
      min_size: vertices that either group must have.
    """
    inside = jnp.where(jnp.outer(mask, mask), weights, 0)
    degrees = jnp.sum(inside, axis=1)
    spectrum = _second_eigenpair(key, weights, mask, degrees)
    # A vertex without edges keeps its entry, so that it may stand alone.
    scale = jnp.where(degrees > 0, numerics.inverse_sqrt(degrees), 1)
    relaxed = spectrum.vectors[:, -1] * scale
    thresholds = relaxed
    if num_thresholds is not None:
        thresholds = _evenly_spaced(relaxed, mask, num_thresholds, min_size)
    labels = ncut.best_threshold(weights, relaxed, mask, thresholds, min_size=min_size)
    costs = ncut.ncut_costs(weights, labels, mask, 2)
    accepted = (jnp.sum(mask) > 1) & (ncut.mean_ncut(costs, 2) < max_ncut)
    return finish(weights, labels, mask, 2, accepted, spectrum)


def _evenly_spaced(
    vector: Float[Array, " s"],
    mask: Bool[Array, " s"],
    num_thresholds: int,
    min_size: int,
) -> Float[Array, " t"]:
    """Thresholds inside the range that leaves ``min_size`` entries on either side."""
    ordered = jnp.sort(jnp.where(mask, vector, jnp.inf))
    last = mask.shape[0] - 1
    low = ordered[min(min_size - 1, last)]
    high = ordered[jnp.clip(jnp.sum(mask) - min_size, 0, last)]
    # Not at the ends: vertices that are alike share them, but for rounding.
    steps = (jnp.arange(num_thresholds, dtype=vector.dtype) + 0.5) / num_thresholds
    return low + (high - low) * steps


def _second_eigenpair(
    key: Key[Array, ""],
    weights: Float[Array, "s s"],
    mask: Bool[Array, " s"],
    degrees: Float[Array, " s"],
) -> eigen.EigenOutput:
    """The second eigenpair of the normalised adjacency, last of those returned.

    Lanczos' method does not see vertices without edges, whose entries are 0 then.
    """
    adjacency = MatrixOperator.of_subgraph(weights, mask)
    if adjacency.size <= _LARGEST_DENSE:
        return eigen.solve_dense(adjacency, min(2, adjacency.size))
    first = numerics.normalize_rows(jnp.sqrt(degrees)[None, :]).T  # of eigenvalue 1
    return eigen.solve_lanczos(
        adjacency, 1, key=key, known=first, num_steps=_LANCZOS_STEPS
    )
