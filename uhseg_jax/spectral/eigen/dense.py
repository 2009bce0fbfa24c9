"""Leading eigenpairs by a decomposition of the whole matrix."""

import dataclasses

import jax
import jax.numpy as jnp

from uhseg_jax.spectral.eigen import implicit
from uhseg_jax.spectral.eigen.pairs import ABSENT, EigenOutput
from uhseg_jax.spectral.operators import Operator

__all__ = ["solve_dense"]


def solve_dense(operator: Operator, q: int) -> EigenOutput:
    """The q largest eigenpairs, exactly, in O(n^3).

    Pairs beyond the number of vertices in the operator's mask have eigenvalue `ABSENT`
    (so ``1 - value = 3``) and vectors outside of it. Derivatives are those of
    `implicit.differentiable`.
    """
    whole = jax.lax.stop_gradient(operator).dense()
    absent = jnp.where(whole.mask, 0.0, ABSENT).astype(whole.matrix.dtype)
    whole = dataclasses.replace(whole, matrix=whole.matrix + jnp.diag(absent))
    values, vectors = jnp.linalg.eigh(whole.matrix)
    values, vectors = values[::-1][:q], vectors[:, ::-1][:, :q]
    found = EigenOutput.measured(values, vectors, whole.matmat(vectors))
    return implicit.differentiable(operator, found)
