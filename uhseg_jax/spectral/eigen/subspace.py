"""The span of the leading eigenvectors, as a differentiable function of the operator.

Within a span eigenvectors may turn (those of an eigenvalue that occurs twice do so at
a touch), so what is learned from should not depend on them one by one. The span itself
changes smoothly as long as its eigenvalues differ from the others.
"""

import jax.numpy as jnp

from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.spectral import numerics
from uhseg_jax.spectral.eigen import implicit
from uhseg_jax.spectral.eigen.block_krylov import solve_block_krylov
from uhseg_jax.spectral.eigen.dense import solve_dense
from uhseg_jax.spectral.eigen.pairs import EigenOutput
from uhseg_jax.spectral.operators import Operator
from uhseg_jax.types import Array, Float, Scalar

__all__ = ["Subspace", "leading_subspace"]

_ACCURACY = 32  # machine epsilons of the residuals that are sought
_MAX_STEPS = 1000  # where eigenvalues lie close; they end by themselves


@pytree_dataclass
class Subspace:
    """The span of the q leading eigenvectors of an operator.

    Derivatives are those of functions of the span: of the projector, of anything that
    stays as it is when the vectors turn within it (``vectors @ rotation``), and of the
    eigenvalues. They exist where the gap is open; the values within the span may agree.
    Where it is closed, those of the vectors are NaN, and ``sum(values)`` has a
    subgradient.

    Where values within the span agree, second derivatives of functions of the values,
    even of their sum, are NaN if the outer one is taken in forward mode. Functions of
    ``vectors.T @ operator.matmat(vectors)``, whose trace is that sum, have them.

    Attributes:
      values: ``[q]``, eigenvalues, largest first.
      vectors: ``[n, q]``, orthonormal columns.
      gap: ``[]``, the last of these values minus the first of the others; infinity if
        there are no others.
    """

    values: Float[Array, " q"]
    vectors: Float[Array, "n q"]
    gap: Scalar

    @classmethod
    def of(cls, operator: Operator, found: EigenOutput, q: int) -> "Subspace":
        """That of the first q of the pairs that any solver found.

        Args:
          operator: the operator.
          found: its leading pairs, ``q + 1`` of them or more, unless q is its size.
          q: dimension of the span (static).

        Raises:
          ValueError: there is no such dimension, or there are too few pairs.
        """
        _require_dimension(operator, q)
        needed = min(q + 1, operator.size)
        if found.values.shape[0] < needed:
            raise ValueError(
                f"expected {needed} eigenpairs or more for a span of {q}, one beyond "
                f"it for its gap, but got {found.values.shape[0]}."
            )
        every = implicit.differentiable(operator, found).values
        gap = (
            every[q - 1] - every[q] if needed > q else jnp.full_like(every[0], jnp.inf)
        )
        first = EigenOutput(found.values[:q], found.vectors[:, :q], found.residuals[:q])
        span = implicit.differentiable(operator, first, separate=False)
        return cls(every[:q], span.vectors, gap)

    def project(self, x: Float[Array, "n k"]) -> Float[Array, "n k"]:
        """The columns' orthogonal projections onto the span, in O(n q k)."""
        return numerics.matmul(self.vectors, numerics.matmul(self.vectors.T, x))

    def projector(self) -> Float[Array, "n n"]:
        """The projector ``X X'`` as a matrix, for small n."""
        return numerics.matmul(self.vectors, self.vectors.T)


def leading_subspace(operator: Operator, q: int) -> Subspace:
    """The span of the q leading eigenvectors, with derivatives.

    An operator that knows a basis of its range (`AdjacencyOperator` of features) is
    solved and differentiated by products alone, in O(n d); others are decomposed whole
    and differentiated by products. For one that is too large for that, find the pairs
    as you like and take `Subspace.of`.

    Products find the pairs to float accuracy, unless the spectrum is so flat that a
    thousand steps do not get there.

    Args:
      operator: the operator, a pytree; ``AdjacencyOperator.of(affinity)`` for a graph.
      q: dimension of the span, at most the operator's size (static).

    Raises:
      ValueError: q is not between 1 and the size.
    """
    _require_dimension(operator, q)
    count = min(q + 1, operator.size)
    known = getattr(operator, "range_basis", None)
    basis = None if known is None else known(count)
    if basis is None or not count <= basis.shape[1] < operator.size:
        return Subspace.of(operator, solve_dense(operator, count), q)
    tolerance = _ACCURACY * float(jnp.finfo(basis.dtype).eps)
    found = solve_block_krylov(
        operator, count, basis=basis, tolerance=tolerance, max_steps=_MAX_STEPS
    )
    return Subspace.of(operator, found, q)


def _require_dimension(operator: Operator, q: int) -> None:
    if not 1 <= q <= operator.size:
        raise ValueError(
            f"expected a number of eigenvectors q from 1 to {operator.size}, the size "
            f"of the operator, but got {q}."
        )
