"""What every solver gives."""

import jax.numpy as jnp

from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.types import Array, Bool, Float

__all__ = ["ABSENT", "EigenOutput", "is_present"]

ABSENT = -2.0
"""Eigenvalue of directions that are not there.

Those of a normalised adjacency lie in [-1, 1], so that these sort behind all.
"""


def is_present(values: Float[Array, " q"]) -> Bool[Array, " q"]:
    """Which eigenvalues are those of directions that are there."""
    return values > (ABSENT - 1) / 2


@pytree_dataclass
class EigenOutput:
    """Eigenpairs of an operator, largest eigenvalue first.

    Attributes:
      values: ``[q]``; of M the eigenvalues of the Laplacian are ``1 - values``.
      vectors: ``[n, q]``, orthonormal columns.
      residuals: ``[q]``, ``|M x - values x|`` of every pair.
    """

    values: Float[Array, " q"]
    vectors: Float[Array, "n q"]
    residuals: Float[Array, " q"]

    @classmethod
    def measured(
        cls,
        values: Float[Array, " q"],
        vectors: Float[Array, "n q"],
        products: Float[Array, "n q"],
    ) -> "EigenOutput":
        """Pairs with their residuals, each vector with a sign of its own.

        The sign makes the sum of cubes positive: it does not depend on the solver.

        Args:
          values: eigenvalues, largest first.
          vectors: orthonormal columns.
          products: of the operator with them.
        """
        residuals = jnp.linalg.norm(products - vectors * values[None, :], axis=0)
        skewness = jnp.sum(vectors**3, axis=0, keepdims=True)
        return cls(values, jnp.where(skewness < 0, -vectors, vectors), residuals)
