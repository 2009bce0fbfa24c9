"""Leading eigenpairs of a symmetric operator by Lanczos with full reorthogonalisation.

Parlett, "The Symmetric Eigenvalue Problem" (1980), chapter 13. For a graph of thousands
of vertices a few dozen products replace a decomposition of the whole matrix.
"""

import jax
import jax.numpy as jnp

from uhseg_jax.derivatives import constant
from uhseg_jax.spectral import numerics
from uhseg_jax.spectral.eigen.pairs import ABSENT, EigenOutput, is_present
from uhseg_jax.spectral.operators import Operator
from uhseg_jax.types import Array, Float, Key

__all__ = ["solve_lanczos"]

_EXHAUSTED = 64  # machine epsilons below which nothing new is left of a product


def solve_lanczos(
    operator: Operator,
    q: int,
    *,
    key: Key[Array, ""],
    known: Float[Array, "n p"],
    num_steps: int,
) -> EigenOutput:
    """The q largest eigenpairs apart from known ones.

    Of an eigenvalue that occurs several times one vector is found, any of its space.

    Args:
      operator: symmetric; vertices that take no part have zero rows.
      q: number of pairs, static, at most ``num_steps``.
      key: random key of the first vector.
      known: orthonormal columns of the eigenvectors that are known already, or zeros.
      num_steps: products with the operator, static.

    Returns:
      q pairs with their residuals. Where the Krylov space ends before, the last pairs
      are zero vectors of eigenvalue 0.
    """
    operator, known = constant(
        "The Lanczos solver computes no derivative; eigen.differentiable gives its "
        "pairs theirs",
        (operator, known),
    )
    n = known.shape[0]
    dtype = known.dtype
    # One product first: the start lies in the range, outside of absent vertices.
    start = operator.matmat(jax.random.normal(key, (n, 1), dtype))[:, 0]

    def orthogonal(x: Float[Array, " n"], basis: Float[Array, "steps n"]) -> Array:
        for _ in range(2):  # twice is enough (Kahan and Parlett)
            x = x - numerics.matmul(known, numerics.matmul(known.T, x))
            x = x - numerics.matmul(numerics.matmul(basis, x), basis)
        return x

    def unit(x: Float[Array, " n"], floor: Array) -> tuple[Array, Array]:
        """A unit vector and the length before; zeros where nothing is left."""
        length = jnp.linalg.norm(x)
        left = length > floor
        return jnp.where(left, x / jnp.where(left, length, 1), 0), length

    def body_fn(step: Array, state: tuple[Array, Array]) -> tuple[Array, Array]:
        basis, products = state
        product = operator.matmat(basis[step][:, None])[:, 0]
        products = products.at[step].set(product)
        following, _ = unit(orthogonal(product, basis), floor)
        return basis.at[step + 1].set(following, mode="drop"), products

    floor = jnp.asarray(_EXHAUSTED * jnp.finfo(dtype).eps, dtype)
    empty = jnp.zeros((num_steps, n), dtype)
    first, _ = unit(orthogonal(start, empty), floor * jnp.linalg.norm(start))
    basis, products = jax.lax.fori_loop(
        0, num_steps, body_fn, (empty.at[0].set(first), empty)
    )
    projected = numerics.matmul(basis, products.T)
    present = jnp.sum(basis * basis, axis=1) > 0.5
    absent = jnp.diag(jnp.where(present, 0, ABSENT).astype(dtype))
    values, coordinates = jnp.linalg.eigh((projected + projected.T) / 2 + absent)
    values, coordinates = values[::-1][:q], coordinates[:, ::-1][:, :q]
    found = is_present(values)
    vectors = jnp.where(found[None, :], numerics.matmul(basis.T, coordinates), 0)
    values = jnp.where(found, values, 0)
    return EigenOutput.measured(values, vectors, operator.matmat(vectors))
