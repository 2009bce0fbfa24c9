"""The few directions in which features of many channels vary, and what they bound.

Features of neighbouring patches are much alike: of 768 channels the best 128 directions
hold all but one or two per cent of every row. They are found by a randomised range
finder (Halko, Martinsson and Tropp, SIAM Review 2011).
"""

import jax
import jax.numpy as jnp

from uhseg_jax.spectral import numerics
from uhseg_jax.types import Array, Bool, Float, Int, Scalar

__all__ = ["max_cosine_distance", "principal_coordinates"]

_DIRECTIONS = 128
_NOISE = 0.1  # of the random part of the first directions
_MARGIN = 64  # machine epsilons that round-off may take from a squared length
_TILE = 512  # rows and columns of the cosine matrix that exist at a time
_CHUNK = 64  # rows that are looked at in full at a time


def principal_coordinates(unit: Float[Array, "n d"]) -> Float[Array, "n p"]:
    """Rows in an orthonormal basis of their principal directions.

    Up to twice as many channels as directions are returned as they are.

    Args:
      unit: rows of length 1, or 0.

    Returns:
      The rows' components; their lengths are those of the rows, at most.
    """
    n, d = unit.shape
    if d <= 2 * _DIRECTIONS:
        return unit
    # Rows lie in the range, and the noise spans what all those taken miss.
    taken = unit[jnp.linspace(0, n - 1, _DIRECTIONS).astype(jnp.int32)]
    noise = jax.random.normal(jax.random.key(0), (d, _DIRECTIONS), unit.dtype)
    start, _ = numerics.orthonormalize(taken.T + _NOISE / d**0.5 * noise)
    products = numerics.matmul(unit.T, numerics.matmul(unit, start))
    # Along the axes of largest extent first, the products are nearly orthogonal.
    projected = numerics.matmul(start.T, products)
    _, axes = jnp.linalg.eigh((projected + projected.T) / 2)
    directions, _ = numerics.orthonormalize(numerics.matmul(products, axes[:, ::-1]))
    return numerics.matmul(unit, directions)


@jax.custom_jvp
def max_cosine_distance(
    unit: Float[Array, "n d"], coordinates: Float[Array, "n p"]
) -> Scalar:
    """Largest ``1 - cos`` over all pairs of unit rows, clipped below at 0.

    Exact, in O(n^2 p) time and O(n) memory: with a and r a row's components inside and
    outside of the directions, ``cos(u, v) >= a_u . a_v - |r_u| |r_v|``. Rows are looked
    at in full in the order of the least bound of their pairs, until none is left that
    may hold a smaller cosine than those found.

    Its derivative is that of the distance of the pair where it was found.

    Args:
      unit: rows of length 1, or 0.
      coordinates: their components, of `principal_coordinates`.
    """
    least, _ = _least_cosine(unit, coordinates)
    return jnp.maximum(1 - least, 0)


@max_cosine_distance.defjvp
def _max_cosine_distance_jvp(
    primals: tuple[Array, Array], tangents: tuple[Array, Array]
) -> tuple[Scalar, Scalar]:
    unit, coordinates = primals
    _, row = _least_cosine(*jax.lax.stop_gradient(primals))
    cosines = numerics.matmul(jax.lax.stop_gradient(unit), unit[row])
    pair = jnp.stack([row, jnp.argmin(cosines).astype(jnp.int32)])
    one, other = unit[pair]
    change, other_change = tangents[0][pair]
    moved = -(jnp.sum(change * other) + jnp.sum(one * other_change))
    # With a derivative of its own, so that the rule can be differentiated again.
    distance = max_cosine_distance(unit, coordinates)
    return distance, jnp.where(distance > 0, moved, 0)


def _least_cosine(
    unit: Float[Array, "n d"], coordinates: Float[Array, "n p"]
) -> tuple[Scalar, Int[Array, ""]]:
    """The least cosine of all pairs, and a row that has it."""
    n = unit.shape[0]
    bounds = _least_bounds(unit, coordinates)
    order = jnp.argsort(bounds)
    bounds = bounds[order]
    size = min(_CHUNK, n)

    def cond_fn(
        state: tuple[Int[Array, ""], Scalar, Int[Array, ""]],
    ) -> Bool[Array, ""]:
        start, least, _ = state
        return (start < n) & (bounds[jnp.minimum(start, n - 1)] <= least)

    def body_fn(
        state: tuple[Int[Array, ""], Scalar, Int[Array, ""]],
    ) -> tuple[Int[Array, ""], Scalar, Int[Array, ""]]:
        start, least, row = state
        rows = jax.lax.dynamic_slice_in_dim(order, start, size).astype(jnp.int32)
        cosines = jnp.min(numerics.matmul(unit[rows], unit.T), axis=1)
        best = jnp.argmin(cosines)
        row = jnp.where(cosines[best] < least, rows[best], row)
        return start + size, jnp.minimum(least, cosines[best]), row

    zero = jnp.asarray(0, jnp.int32)
    start = zero, jnp.asarray(jnp.inf, unit.dtype), zero
    _, least, row = jax.lax.while_loop(cond_fn, body_fn, start)
    return least, row


def _least_bounds(
    unit: Float[Array, "n d"], coordinates: Float[Array, "n p"]
) -> Float[Array, " n"]:
    """Lower bounds on the cosines of every row, each pair at one of its rows at least.

    That is on or above the diagonal, tile by tile.
    """
    n = unit.shape[0]
    lengths = jnp.sum(unit * unit, axis=1) - jnp.sum(coordinates**2, axis=1)
    margin = _MARGIN * jnp.finfo(unit.dtype).eps
    outside = jnp.sqrt(jnp.maximum(lengths, 0) + margin)[:, None]
    left = jnp.concatenate([coordinates, -outside], axis=1)
    right = jnp.concatenate([coordinates, outside], axis=1)
    tile = min(_TILE, n)
    count = -(-n // tile)
    pairs = jnp.triu_indices(count)

    def body_fn(i: Int[Array, ""], least: Float[Array, " n"]) -> Float[Array, " n"]:
        # The last tile overlaps with the one before, so that every tile is whole.
        row, column = (jnp.minimum(axis[i] * tile, n - tile) for axis in pairs)
        rows = jax.lax.dynamic_slice_in_dim(left, row, tile)
        columns = jax.lax.dynamic_slice_in_dim(right, column, tile)
        # The least over rows of the transpose is the faster reduction.
        found = jnp.min(numerics.matmul(columns, rows.T), axis=0)
        known = jax.lax.dynamic_slice_in_dim(least, row, tile)
        return jax.lax.dynamic_update_slice_in_dim(
            least, jnp.minimum(known, found), row, axis=0
        )

    everything = jnp.full((n,), jnp.inf, unit.dtype)
    return jax.lax.fori_loop(0, count * (count + 1) // 2, body_fn, everything)
