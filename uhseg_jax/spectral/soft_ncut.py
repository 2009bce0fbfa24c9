"""Normalised cuts of soft assignments, which can be differentiated and learned from."""

import jax.numpy as jnp

from uhseg_jax.spectral import numerics
from uhseg_jax.spectral.affinity import Affinity
from uhseg_jax.types import Array, Float

__all__ = ["soft_ncut"]


def soft_ncut(
    affinity: Affinity, assignment: Float[Array, "n k"]
) -> Float[Array, " k"]:
    """Normalised cut of every group of a soft assignment, in O(n d k) for features.

    With s_a the memberships of group a, ``sum over b != a of s_a' W s_b`` over
    ``sum over b of s_a' W s_b``. Where rows sum to one, that is
    ``1 - s_a' W s_a / s_a' W 1``, whose sum over the groups is the soft normalised cut
    of Xia and Kulis, "W-Net" (arXiv 1711.08506). For a one-hot assignment these are the
    costs of `ncut.ncut_costs` (Shi and Malik, PAMI 2000).

    Derivatives are those of the assignment and of the affinity.

    Args:
      affinity: W.
      assignment: memberships from 0 to 1; rows sum to one, as a softmax makes them. A
        row of zeros leaves its vertex out of the graph.

    Returns:
      ``[k]``, from 0 to 1; 0 for a group without edges.
    """
    between = numerics.matmul(assignment.T, affinity.matmat(assignment))
    volumes = jnp.sum(between, axis=1)
    # Summed cut rather than volume minus association: no cancellation.
    own = jnp.eye(between.shape[0], dtype=bool)
    cuts = jnp.sum(jnp.where(own, 0, between), axis=1)
    return numerics.ratio(cuts, volumes, empty=0.0)
