"""Products at full precision and guarded divisions, shared by the spectral room."""

import functools

import jax
import jax.numpy as jnp

from uhseg_jax.types import Array, Bool, Float

__all__ = [
    "inverse_sqrt",
    "matmul",
    "normalize_blocks",
    "normalize_rows",
    "orthonormalize",
    "ratio",
]

_SHIFT = 8  # machine epsilons times columns, added to the diagonal of Gram matrices

matmul = functools.partial(jnp.matmul, precision=jax.lax.Precision.HIGHEST)
"""A matrix product in full precision.

The default of accelerators (bfloat16, TF32 passes) is not enough for degrees and
eigenvalues.
"""


def ratio(
    numerator: Float[Array, "*s"], denominator: Float[Array, "*s"], *, empty: float
) -> Float[Array, "*s"]:
    """``numerator / denominator``, and ``empty`` where the denominator is not > 0."""
    positive = denominator > 0
    return jnp.where(positive, numerator / jnp.where(positive, denominator, 1), empty)


def inverse_sqrt(x: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """``x ** -0.5``, and 0 where x is not positive (isolated vertices, padding)."""
    positive = x > 0
    return jnp.where(positive, jax.lax.rsqrt(jnp.where(positive, x, 1)), 0)


def normalize_rows(
    x: Float[Array, "n d"], mask: Bool[Array, " n"] | None = None
) -> Float[Array, "n d"]:
    """Rows divided by their Euclidean norm; zero rows, and rows masked out, are 0."""
    rows = x * inverse_sqrt(jnp.sum(x * x, axis=1))[:, None]
    return rows if mask is None else jnp.where(mask[:, None], rows, 0)


def normalize_blocks(x: Float[Array, "n d"], num_blocks: int) -> Float[Array, "n d"]:
    """Rows of unit length, to which every one of equal blocks of columns adds as much.

    Args:
      x: rows of several features side by side.
      num_blocks: how many these are.
    """
    n, d = x.shape
    blocks = normalize_rows(x.reshape(n * num_blocks, d // num_blocks))
    return normalize_rows(blocks.reshape(n, d))


def orthonormalize(
    columns: Float[Array, "n p"], against: Float[Array, "n q"] | None = None
) -> tuple[Float[Array, "n p"], Bool[Array, " p"]]:
    """Orthonormal columns of the same span, by products and Cholesky factors.

    Shifted Cholesky-QR (Fukaya et al., SIAM J. Sci. Comput. 2020), which batches well.
    Each column is what those before it leave of it; where that is nothing, to float
    accuracy, it is zero.

    Args:
      columns: of any lengths and directions.
      against: orthonormal or zero columns; their span is taken out.

    Returns:
      The columns, and which of them are not zero.
    """
    p = columns.shape[1]
    # Columns of equal length make the Gram matrix as well conditioned as scaling can.
    columns = columns * inverse_sqrt(jnp.sum(columns * columns, axis=0))[None, :]

    def one_pass(columns: Float[Array, "n p"], shift: Float[Array, " p"]) -> Array:
        if against is not None:
            columns = columns - matmul(against, matmul(against.T, columns))
        gram = matmul(columns.T, columns) + jnp.diag(shift)
        factor = jnp.linalg.cholesky((gram + gram.T) / 2)
        inverse = jax.scipy.linalg.solve_triangular(
            factor, jnp.eye(p, dtype=columns.dtype), lower=True
        )
        return matmul(columns, inverse.T)

    # The shift keeps the first pass from failing. What it scales up is not orthogonal
    # yet; the second pass needs none.
    shift = jnp.full((p,), _SHIFT * p * jnp.finfo(columns.dtype).eps, columns.dtype)
    columns = one_pass(columns, shift)
    present = jnp.sum(columns * columns, axis=0) > 0.5
    columns = jnp.where(present[None, :], columns, 0)
    columns = one_pass(columns, jnp.where(present, 0, 1).astype(columns.dtype))
    return columns, present
