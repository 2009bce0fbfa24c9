"""Leading eigenpairs by Rayleigh-Ritz in a space that grows by their residuals.

Parlett, "The Symmetric Eigenvalue Problem" (1980), chapters 11 and 13. Everything of
the operator's size is a product; decompositions have the size of the blocks.
"""

import jax
import jax.numpy as jnp

from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.spectral import numerics
from uhseg_jax.spectral.eigen import implicit
from uhseg_jax.spectral.eigen.pairs import ABSENT, EigenOutput, is_present
from uhseg_jax.spectral.operators import Operator
from uhseg_jax.types import Array, Bool, Float, Int

__all__ = ["TOLERANCE", "solve_block_krylov"]

TOLERANCE = 3e-5
"""Of residuals, of an operator whose eigenvalues lie in [-1, 1]."""


@pytree_dataclass
class _Ritz:
    """Ritz pairs with what they were made of.

    Attributes:
      values: ``[q]``, largest first; 0 for pairs that are not there.
      vectors: ``[n, q]``, orthonormal, or zero columns.
      products: ``[n, q]``, of the operator with them.
    """

    values: Float[Array, " q"]
    vectors: Float[Array, "n q"]
    products: Float[Array, "n q"]

    @property
    def residuals(self) -> Float[Array, "n q"]:
        """What keeps the pairs from being eigenpairs."""
        return self.products - self.vectors * self.values[None, :]


def solve_block_krylov(
    operator: Operator,
    q: int,
    *,
    basis: Float[Array, "n p"],
    tolerance: float = TOLERANCE,
    max_steps: int = 4,
) -> EigenOutput:
    """The q largest eigenpairs of an operator, from a space that all but holds them.

    As long as a residual is above the tolerance, the space becomes that of the q Ritz
    vectors and their residuals (a block Krylov step). Derivatives are those of
    `implicit.differentiable`.

    Args:
      operator: the operator.
      q: number of pairs, static.
      basis: columns that span the first space.
      tolerance: bound on the residuals.
      max_steps: after which residuals may be larger.

    Returns:
      q eigenpairs, or one for every basis vector if those are fewer. If the basis has a
      smaller rank, the last ones may be zero columns with eigenvalue 0.
    """
    given, (operator, basis) = operator, jax.lax.stop_gradient((operator, basis))
    columns, present = numerics.orthonormalize(basis)
    start = _in_span(columns, operator.matmat(columns), present, q)

    def cond_fn(state: tuple[_Ritz, Int[Array, ""]]) -> Bool[Array, ""]:
        ritz, step = state
        largest = jnp.max(jnp.linalg.norm(ritz.residuals, axis=0))
        return (largest > tolerance) & (step < max_steps)

    def body_fn(state: tuple[_Ritz, Int[Array, ""]]) -> tuple[_Ritz, Int[Array, ""]]:
        ritz, step = state
        added, present = numerics.orthonormalize(ritz.residuals, ritz.vectors)
        found = jnp.sum(ritz.vectors**2, axis=0) > 0.5
        columns = jnp.concatenate([ritz.vectors, added], axis=1)
        products = jnp.concatenate([ritz.products, operator.matmat(added)], axis=1)
        present = jnp.concatenate([found, present])
        return _in_span(columns, products, present, ritz.values.shape[0]), step + 1

    zero = jnp.asarray(0, jnp.int32)
    ritz, _ = jax.lax.while_loop(cond_fn, body_fn, (start, zero))
    found = EigenOutput.measured(ritz.values, ritz.vectors, ritz.products)
    return implicit.differentiable(given, found)


def _in_span(
    columns: Float[Array, "n p"],
    products: Float[Array, "n p"],
    present: Bool[Array, " p"],
    q: int,
) -> _Ritz:
    """The q largest Ritz pairs in the span of orthonormal columns that are there."""
    projected = numerics.matmul(columns.T, products)
    absent = jnp.diag(jnp.where(present, 0.0, ABSENT).astype(columns.dtype))
    values, coordinates = jnp.linalg.eigh((projected + projected.T) / 2 + absent)
    values, coordinates = values[::-1][:q], coordinates[:, ::-1][:, :q]
    return _Ritz(
        jnp.where(is_present(values), values, 0),
        numerics.matmul(columns, coordinates),
        numerics.matmul(products, coordinates),
    )
