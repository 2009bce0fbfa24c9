"""Derivatives of eigenpairs by implicit differentiation, whatever found them.

With ``A X = X H`` for orthonormal columns X and ``H = X' A X``, a change dA turns the
span of X by the solution Y of the Sylvester equation ``Y H - A Y = P dA X`` with
``X' Y = 0``, where ``P = I - X X'`` (Stewart and Sun, "Matrix Perturbation Theory",
1990, chapter V). It takes products with A and dA alone, and divides by no distance
between two eigenvalues outside of the span. The derivative of a decomposition of the
whole matrix divides by all distances, and is not finite where any two eigenvalues
agree.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.spectral import numerics
from uhseg_jax.spectral.eigen.pairs import EigenOutput, is_present
from uhseg_jax.spectral.operators import Operator
from uhseg_jax.types import Array, Bool, Float, Int, Scalar

__all__ = ["CLOSED", "differentiable"]

CLOSED = 64
"""Machine epsilons, relative to the operator, within which two eigenvalues agree."""

_ITERATIONS = 1000  # of conjugate gradients at the most
_TOLERANCE = 8  # machine epsilons of the relative residual at which they stop
_ASYMMETRY = 128  # machine epsilons that rounding adds to a symmetric matrix
_SOLVED = 1e-3  # relative residual above which they have failed
_POWERS = 4  # products that the magnitude of an operator is measured by


def differentiable(
    operator: Operator, found: EigenOutput, *, separate: bool = True
) -> EigenOutput:
    """Pairs that a solver found, with the derivatives that eigenpairs have.

    They are those of the operator: how the pairs were found does not count, so a loop
    that stops by itself, which has no reverse mode, may have found them. The derivative
    is as exact as the pairs are, and can be differentiated again.

    An eigenvalue has the derivative ``x' dA x``; of one that occurs several times only
    symmetric functions of all its copies have one.

    A derivative of vectors is NaN where it does not exist, because eigenvalues agree
    that must differ for it, and where conjugate gradients do not converge. Where
    eigenvalues of the span agree, functions of the span have a derivative all the same:
    in reverse mode it is found (what depends on single vectors by less than 128 machine
    epsilons of it counts as rounding), in forward mode only if not ``separate``.

    Args:
      operator: the operator, a pytree with ``matmat``.
      found: its leading pairs; columns that are zero or absent are constants.
      separate: whether each vector turns by itself, for which all eigenvalues must
        differ (static). Else only the span turns and the vectors within it do not:
        right for functions of the span.

    Returns:
      The same pairs, with derivatives.
    """
    found = jax.lax.stop_gradient(found)
    there = is_present(found.values) & (jnp.sum(found.vectors**2, axis=0) > 0.5)
    values, vectors = _pairs(separate, operator, found.values, found.vectors, there)
    return dataclasses.replace(found, values=values, vectors=vectors)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _pairs(
    separate: bool,
    operator: Operator,
    values: Float[Array, " q"],
    vectors: Float[Array, "n q"],
    there: Bool[Array, " q"],
) -> tuple[Float[Array, " q"], Float[Array, "n q"]]:
    del separate, operator, there
    return values, vectors


@_pairs.defjvp
def _pairs_jvp(
    separate: bool, primals: tuple[Any, ...], tangents: tuple[Any, ...]
) -> tuple[Any, Any]:
    operator, _, _, there = primals
    # With derivatives of their own, so that the rule can be differentiated again.
    values, vectors = _pairs(separate, *primals)

    def product(operator: Operator) -> Float[Array, "n q"]:
        return jnp.where(there[None, :], operator.matmat(vectors), 0)

    products, changes = jax.jvp(product, (operator,), (tangents[0],))
    inside = numerics.matmul(vectors.T, changes)
    inside = (inside + inside.T) / 2
    compressed = numerics.matmul(vectors.T, products)
    compressed = (compressed + compressed.T) / 2
    scale = _magnitude(operator, compressed)
    turned = _turn(operator, vectors, compressed, there, changes, scale)
    if separate:
        mixed = _mix(values, there, inside, scale)
        turned = turned + numerics.matmul(vectors, mixed)
    return (values, vectors), (jnp.diagonal(inside), turned)


def _magnitude(operator: Operator, compressed: Float[Array, "q q"]) -> Scalar:
    """About the largest magnitude of all eigenvalues, which rounding is relative to.

    The leading ones may be small, or 0, while others are negative and large.
    """
    operator, compressed = jax.lax.stop_gradient((operator, compressed))
    tiny = jnp.finfo(compressed.dtype).tiny

    def length(x: Float[Array, "n 1"]) -> Scalar:  # squares neither vanish nor overflow
        largest = jnp.maximum(jnp.max(jnp.abs(x)), tiny)
        return largest * jnp.linalg.norm(x / largest)

    x = jnp.cos(jnp.arange(operator.size, dtype=compressed.dtype) ** 2)[:, None]
    for _ in range(_POWERS):
        x = operator.matmat(x / jnp.maximum(length(x), tiny))
    return jnp.maximum(jnp.maximum(length(x), jnp.max(jnp.abs(compressed))), tiny)


def _turn(
    operator: Operator,
    vectors: Float[Array, "n q"],
    compressed: Float[Array, "q q"],
    there: Bool[Array, " q"],
    changes: Float[Array, "n q"],
    scale: Scalar,
) -> Float[Array, "n q"]:
    """The solution Y of ``Y H - A Y = P dA X``, orthogonal to X."""

    def outside(x: Float[Array, "n q"]) -> Float[Array, "n q"]:
        return x - numerics.matmul(vectors, numerics.matmul(vectors.T, x))

    # Columns that are not there have no eigenvalue; any that is large does.
    shifts = compressed + jnp.diag(jnp.where(there, 0, 2 * scale))

    def matvec(y: Float[Array, "n q"]) -> Float[Array, "n q"]:
        # On the span of X, where the equation says nothing, the identity.
        free = outside(y)
        image = numerics.matmul(free, shifts) - operator.matmat(free)
        return outside(image) + scale * (y - free)

    solve = functools.partial(_conjugate_gradients, scale=scale)
    solution = jax.lax.custom_linear_solve(
        matvec, outside(changes), solve, symmetric=True
    )
    return outside(solution)


def _mix(
    values: Float[Array, " q"],
    there: Bool[Array, " q"],
    inside: Float[Array, "q q"],
    scale: Scalar,
) -> Float[Array, "q q"]:
    """How each vector turns into the others: ``x_i' dA x_j / (l_j - l_i)``."""
    gaps = values[None, :] - values[:, None]
    counts = there[None, :] & there[:, None] & ~jnp.eye(values.shape[0], dtype=bool)
    eps = jnp.finfo(values.dtype).eps
    closed = jnp.abs(gaps) <= CLOSED * eps * scale
    factors = jnp.where(counts & ~closed, 1 / jnp.where(counts & ~closed, gaps, 1), 0)

    def solve(_: object, right: Float[Array, "q q"]) -> Float[Array, "q q"]:
        return jnp.where(counts & closed & (right != 0), jnp.nan, factors * right)

    def transpose_solve(_: object, right: Float[Array, "q q"]) -> Float[Array, "q q"]:
        # What comes back from a function of the span is symmetric, and asks nothing.
        asked = jnp.abs(right - right.T) > _ASYMMETRY * eps * jnp.max(jnp.abs(right))
        return jnp.where(counts & closed & asked, jnp.nan, factors * right)

    return jax.lax.custom_linear_solve(
        lambda x: jnp.where(counts, gaps, 1) * x, inside, solve, transpose_solve
    )


@pytree_dataclass
class _State:
    """Conjugate gradients between two steps.

    Attributes:
      solution: ``[n, q]``, y.
      residual: ``[n, q]``, what is left of the right side.
      direction: ``[n, q]``, where the next step goes.
      squared: ``[]``, the residual's squared length.
      curved: ``[]``, whether the operator was positive definite in every direction.
      step: int32 ``[]``, steps taken.
    """

    solution: Float[Array, "n q"]
    residual: Float[Array, "n q"]
    direction: Float[Array, "n q"]
    squared: Scalar
    curved: Bool[Array, ""]
    step: Int[Array, ""]


def _conjugate_gradients(
    matvec: Callable[[Float[Array, "n q"]], Float[Array, "n q"]],
    right: Float[Array, "n q"],
    *,
    scale: Scalar,
) -> Float[Array, "n q"]:
    """The solution by conjugate gradients (Hestenes and Stiefel, 1952).

    NaN where the operator is not positive definite in a direction that the right side
    asks for, which is where the eigenvalues of the span meet another.

    Args:
      matvec: the product, symmetric.
      right: the right side, of any magnitude.
      scale: magnitude of the operator.
    """
    eps = jnp.finfo(right.dtype).eps
    # Both divided by their magnitudes, or squares would vanish or overflow.
    largest = jnp.max(jnp.abs(right))
    largest = jnp.where(largest > 0, largest, 1)
    right = right / largest
    total = _inner(right, right)
    enough = (_TOLERANCE * eps) ** 2 * total

    def init_fn() -> _State:
        zero = jnp.zeros_like(right)
        curved, step = jnp.asarray(True), jnp.asarray(0, jnp.int32)
        return _State(zero, right, right, total, curved, step)

    def cond_fn(state: _State) -> Bool[Array, ""]:
        goes_on = state.curved & (state.step < _ITERATIONS)
        return goes_on & (state.squared > enough)

    def body_fn(state: _State) -> _State:
        image = matvec(state.direction) / scale
        curvature = _inner(state.direction, image)
        length = _inner(state.direction, state.direction)
        curved = curvature > CLOSED * eps * length
        step = state.squared / jnp.where(curved, curvature, 1)
        residual = state.residual - step * image
        squared = _inner(residual, residual)
        ratio = squared / jnp.where(state.squared > 0, state.squared, 1)
        return _State(
            state.solution + step * state.direction,
            residual,
            residual + ratio * state.direction,
            squared,
            curved,
            state.step + 1,
        )

    state = jax.lax.while_loop(cond_fn, body_fn, init_fn())
    solved = state.curved & (state.squared <= _SOLVED**2 * total)
    return jnp.where(solved, state.solution * (largest / scale), jnp.nan)


def _inner(x: Float[Array, "n q"], y: Float[Array, "n q"]) -> Scalar:
    return jnp.sum(x * y)
