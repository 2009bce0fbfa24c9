"""How far a partition is from the ideal one, against the eigengap that protects it."""

import jax.numpy as jnp

from uhseg_jax.spectral import laplacian
from uhseg_jax.types import Array, Bool, Float, Int, Scalar

__all__ = ["perturbation_norms"]


def perturbation_norms(
    weights: Float[Array, "s s"], labels: Int[Array, " s"], mask: Bool[Array, " s"]
) -> tuple[Scalar, Scalar]:
    """Operator and Frobenius norm of ``H = L - L'``.

    L' is the normalised Laplacian of the ideal block graph: weight 1 inside a group, 0
    across, zero diagonal. By Davis and Kahan (in the form of Yu, Wang and Samworth)
    ``|sin Theta|_F <= 2 min(sqrt(k) |H|_op, |H|_F) / gap``, so a gap that is small
    beside H means that the groups are noise (Rossetti & Pirri, section 4).

    Returns:
      ``(|H|_op, |H|_F)``.
    """
    same = (labels[:, None] == labels[None, :]) & ~jnp.eye(labels.shape[0], dtype=bool)
    ideal = laplacian.normalized_adjacency(same.astype(weights.dtype), mask)
    # L = I - M with a zero row for a group of one, as the guarded degrees give it:
    # its diagonal entry is 0 where the vertex has no edge and 1 elsewhere.
    isolated = mask & ~jnp.any(same & mask[None, :], axis=1)
    actual = laplacian.normalized_adjacency(weights, mask)
    difference = ideal - actual + jnp.diag(isolated.astype(weights.dtype))
    operator = jnp.max(jnp.abs(jnp.linalg.eigvalsh(difference)))
    return operator, jnp.linalg.norm(difference)
