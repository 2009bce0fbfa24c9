"""Leading eigenpairs within a space of few dimensions."""

import jax.numpy as jnp

from uhseg_jax.spectral import numerics
from uhseg_jax.spectral.eigen.pairs import ABSENT, EigenOutput, is_present
from uhseg_jax.spectral.operators import Operator
from uhseg_jax.types import Array, Float

__all__ = ["solve_rayleigh_ritz"]


def solve_rayleigh_ritz(
    operator: Operator,
    q: int,
    *,
    basis: Float[Array, "n p"],
    num_refinements: int = 1,
) -> EigenOutput:
    """The q largest eigenpairs of an operator that is low rank plus diagonal.

    They are sought in the span of its range, a problem of the size of the features.
    What the diagonal adds lies outside that space; each refinement enlarges the space
    of the q Ritz vectors by their residuals (a block Krylov step).

    Args:
      operator: the operator.
      q: number of pairs, static.
      basis: columns that span its range up to the diagonal.
      num_refinements: block steps after the first solve, static.

    Returns:
      q eigenpairs, or one for every basis vector if those are fewer. If the basis has a
      smaller rank, the last ones are zero columns with eigenvalue 0.
    """
    output = _in_span(operator, basis, q)
    for _ in range(num_refinements):
        products = operator.matmat(output.vectors)
        residual = products - output.vectors * output.values[None, :]
        basis = jnp.concatenate([output.vectors, residual], axis=1)
        output = _in_span(operator, basis, q)
    return output


def _in_span(operator: Operator, basis: Float[Array, "n p"], q: int) -> EigenOutput:
    """The q largest Ritz pairs in the span of a basis.

    Directions in which the basis is dependent to float accuracy are left out.
    """
    # Columns of equal length make the Gram matrix as well conditioned as scaling can.
    basis = basis * numerics.inverse_sqrt(jnp.sum(basis * basis, axis=0))[None, :]
    lengths, directions = jnp.linalg.eigh(_symmetric(numerics.matmul(basis.T, basis)))
    p = basis.shape[1]
    present = lengths > p * jnp.finfo(basis.dtype).eps * jnp.max(lengths)
    inverse = jnp.where(present, numerics.inverse_sqrt(lengths), 0)
    whitening = directions * inverse[None, :]
    orthonormal = numerics.matmul(basis, whitening)
    projected = _symmetric(numerics.matmul(orthonormal.T, operator.matmat(orthonormal)))
    absent = jnp.diag(jnp.where(present, 0.0, ABSENT).astype(basis.dtype))
    values, coordinates = jnp.linalg.eigh(projected + absent)
    values, coordinates = values[::-1][:q], coordinates[:, ::-1][:, :q]
    vectors = numerics.matmul(orthonormal, coordinates)
    values = jnp.where(is_present(values), values, 0)
    return EigenOutput.measured(operator, values, vectors)


def _symmetric(x: Float[Array, "p p"]) -> Float[Array, "p p"]:
    return (x + x.T) / 2
