"""Products at full precision and guarded divisions, shared by the spectral room."""

import functools

import jax
import jax.numpy as jnp

from uhseg_jax.types import Array, Bool, Float

__all__ = ["inverse_sqrt", "matmul", "normalize_rows", "ratio"]

# The default precision of accelerators (bfloat16, TF32 passes) is not enough for
# degrees and eigenvalues.
matmul = functools.partial(jnp.matmul, precision=jax.lax.Precision.HIGHEST)


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
