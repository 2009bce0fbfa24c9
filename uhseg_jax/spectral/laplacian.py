"""The normalised Laplacian L of a graph, by its complement ``M = I - L``.

Large eigenvalues of M are small eigenvalues of L. Vertices of degree 0 get zero rows.
"""

import jax.numpy as jnp

from uhseg_jax.spectral import numerics
from uhseg_jax.types import Array, Bool, Float, Int, Scalar

__all__ = ["normalized_adjacency", "perturbation_norms"]


def normalized_adjacency(
    weights: Float[Array, "s s"], mask: Bool[Array, " s"]
) -> Float[Array, "s s"]:
    """M of the sub-graph of the vertices in the mask.

    Degrees are those within the sub-graph; rows and columns outside are 0.
    """
    inside = jnp.where(jnp.outer(mask, mask), weights, 0)
    scale = numerics.inverse_sqrt(jnp.sum(inside, axis=1))
    return scale[:, None] * inside * scale[None, :]


def perturbation_norms(
    weights: Float[Array, "s s"], labels: Int[Array, " s"], mask: Bool[Array, " s"]
) -> tuple[Scalar, Scalar]:
    """How far a partition is from the ideal one: norms of ``H = L - L'``.

    L' is the normalised Laplacian of the ideal block graph: weight 1 inside a group, 0
    across, zero diagonal. By Davis and Kahan (in the form of Yu, Wang and Samworth)
    ``|sin Theta|_F <= 2 min(sqrt(k) |H|_op, |H|_F) / gap``, so a gap that is small
    beside H means that the groups are noise (Rossetti & Pirri, section 4).

    Returns:
      The operator and the Frobenius norm, ``(|H|_op, |H|_F)``.
    """
    same = (labels[:, None] == labels[None, :]) & ~jnp.eye(labels.shape[0], dtype=bool)
    ideal = normalized_adjacency(same.astype(weights.dtype), mask)
    # L = I - M with a zero row for a group of one, as the guarded degrees give it:
    # its diagonal entry is 0 where the vertex has no edge and 1 elsewhere.
    isolated = mask & ~jnp.any(same & mask[None, :], axis=1)
    actual = normalized_adjacency(weights, mask)
    difference = ideal - actual + jnp.diag(isolated.astype(weights.dtype))
    operator = jnp.max(jnp.abs(jnp.linalg.eigvalsh(difference)))
    return operator, jnp.linalg.norm(difference)
