"""The normalised Laplacian and its complement, matrix-free and dense."""

from collections.abc import Callable

import jax.numpy as jnp

from uhseg_jax.spectral import numerics
from uhseg_jax.spectral.affinity import Affinity
from uhseg_jax.types import Array, Bool, Float

__all__ = ["normalized_adjacency", "normalized_adjacency_matmat"]


def normalized_adjacency_matmat(
    affinity: Affinity,
) -> Callable[[Float[Array, "n k"]], Float[Array, "n k"]]:
    """The operator ``M = D^-1/2 W D^-1/2 = I - L`` of an affinity.

    Large eigenvalues of M are small eigenvalues of the normalised Laplacian L. Vertices
    of degree 0 get zero rows.
    """
    scale = numerics.inverse_sqrt(affinity.degrees())[:, None]

    def matmat(x: Float[Array, "n k"]) -> Float[Array, "n k"]:
        return scale * affinity.matmat(scale * x)

    return matmat


def normalized_adjacency(
    weights: Float[Array, "s s"], mask: Bool[Array, " s"]
) -> Float[Array, "s s"]:
    """``M = D^-1/2 W D^-1/2`` of the sub-graph of the vertices in the mask.

    Degrees are those within the sub-graph; rows and columns outside are 0.
    """
    inside = jnp.where(jnp.outer(mask, mask), weights, 0)
    scale = numerics.inverse_sqrt(jnp.sum(inside, axis=1))
    return scale[:, None] * inside * scale[None, :]
