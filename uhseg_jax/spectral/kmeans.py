"""k-means with k-means++ seeding, masks and restarts, in static shapes."""

import functools
import math

import jax
import jax.numpy as jnp

from uhseg_jax.derivatives import constant
from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.spectral import numerics
from uhseg_jax.types import Array, Bool, Float, Int, Key, Scalar

__all__ = ["KMeansOutput", "k_means", "k_means_plus_plus"]


@pytree_dataclass
class KMeansOutput:
    """A clustering.

    Attributes:
      assignment: int32 ``[n]``, cluster of every point; 0 for points masked out.
      centroids: ``[k, d]``, mean of every cluster, of unit length if spherical; an
        empty cluster keeps its last centroid.
      inertia: ``[]``, summed squared distance of the points to their centroids.
      iterations: int32 ``[]``, Lloyd steps taken.
      converged: ``[]``, whether the last of them moved no point.
    """

    assignment: Int[Array, " n"]
    centroids: Float[Array, "k d"]
    inertia: Scalar
    iterations: Int[Array, ""]
    converged: Bool[Array, ""]


@functools.partial(
    jax.jit,
    static_argnames=(
        "k",
        "num_restarts",
        "max_iterations",
        "greedy",
        "spherical",
        "in_turn",
    ),
)
def k_means(
    key: Key[Array, ""],
    points: Float[Array, "n d"],
    k: int,
    *,
    num_clusters: Int[Array, ""] | int | None = None,
    mask: Bool[Array, " n"] | None = None,
    num_restarts: int = 1,
    max_iterations: int = 100,
    greedy: bool = False,
    spherical: bool = False,
    in_turn: bool = False,
) -> KMeansOutput:
    """Lloyd's algorithm from k-means++ seeds; the restart with least inertia wins.

    Args:
      key: random key for the seeds.
      points: ``[n, d]``.
      k: number of centroids that exist (static).
      num_clusters: how many of them take part, at most k (may be traced); all if None.
      mask: the points that count; all if None.
      num_restarts: seedings tried (static).
      max_iterations: Lloyd steps at the most (static); each restart stops when no point
        moves.
      greedy: draw each seed as the best of several (static); see `k_means_plus_plus`.
      spherical: for points of unit length: centroids are brought to unit length, and
        the nearest has the largest cosine (static).
      in_turn: run the restarts one after the other, so that each stops when its own
        points rest and memory holds one; for large clusterings (static).

    Returns:
      The clustering with the least inertia (ties: the first restart).
    """
    points = constant("k-means has no derivative", points)
    n = points.shape[0]
    mask = jnp.ones((n,), bool) if mask is None else mask
    num_clusters = jnp.asarray(k if num_clusters is None else num_clusters, jnp.int32)

    def run_fn(restart_key: Key[Array, ""]) -> KMeansOutput:
        seeds = k_means_plus_plus(
            restart_key,
            points,
            k,
            num_clusters=num_clusters,
            mask=mask,
            num_draws=2 + int(math.log(k)) if greedy else 1,
        )
        return _lloyd(points, seeds, num_clusters, mask, max_iterations, spherical)

    if num_restarts == 1 and not in_turn:
        return run_fn(key)
    keys = jax.random.split(key, num_restarts)
    runs = jax.lax.map(run_fn, keys) if in_turn else jax.vmap(run_fn)(keys)
    best = jnp.argmin(runs.inertia)
    return jax.tree.map(lambda x: x[best], runs)


def k_means_plus_plus(
    key: Key[Array, ""],
    points: Float[Array, "n d"],
    k: int,
    *,
    num_clusters: Int[Array, ""],
    mask: Bool[Array, " n"],
    num_draws: int = 1,
) -> Float[Array, "k d"]:
    """Seeds drawn with probability proportional to the squared distance to the others.

    Arthur and Vassilvitskii, "k-means++", SODA 2007. Seeds beyond ``num_clusters``, and
    those for which no distinct point is left, repeat the first. Of ``num_draws`` for a
    seed (static) the one that lowers the sum of squared distances most is taken (their
    section 4, "greedy").
    """
    n = points.shape[0]
    first_key, loop_key = jax.random.split(key)
    first = jax.random.categorical(first_key, jnp.where(mask, 0.0, -jnp.inf))
    norms = jnp.sum(points * points, axis=1)

    def squared_distances(index: Int[Array, ""]) -> Float[Array, " n"]:
        products = numerics.matmul(points, points[index])
        return jnp.maximum(norms + norms[index] - 2 * products, 0)

    def best_of(drawn: Int[Array, " t"], nearest: Float[Array, " n"]) -> Array:
        squared = jax.lax.map(squared_distances, drawn)
        lowered = jnp.minimum(squared, nearest[None, :])
        return drawn[jnp.argmin(jnp.sum(jnp.where(mask[None, :], lowered, 0), axis=1))]

    # Below this a distance is round-off: such a point is a copy of a seed.
    floor = 8 * jnp.finfo(points.dtype).eps * jnp.max(norms)

    def body_fn(
        i: Int[Array, ""], state: tuple[Int[Array, " k"], Float[Array, " n"]]
    ) -> tuple[Int[Array, " k"], Float[Array, " n"]]:
        seeds, nearest = state
        free = mask & (nearest > floor)
        logits = jnp.where(free, jnp.log(jnp.where(free, nearest, 1)), -jnp.inf)
        if noise is None:
            draw_key = jax.random.fold_in(loop_key, i)
            drawn = jax.random.categorical(draw_key, logits, shape=(num_draws,))
            drawn = best_of(drawn, nearest)
        else:
            drawn = _first_least(-noise[i] - logits)
        drawn = jnp.where(jnp.any(free), drawn, seeds[0]).astype(jnp.int32)
        nearest = jnp.minimum(nearest, squared_distances(drawn))
        return seeds.at[i].set(drawn), nearest

    # What a draw adds to the logits, for all of them at once: one at a time they would
    # take most of the time.
    noise = None
    if num_draws == 1:
        noise = jax.vmap(
            lambda i: jax.random.gumbel(jax.random.fold_in(loop_key, i), (n,))
        )(jnp.arange(k))

    first = first.astype(jnp.int32)
    seeds = jnp.full((k,), first)
    # Fewer clusters take fewer draws: the bound is traced, the shapes are not.
    seeds, _ = jax.lax.fori_loop(
        1, num_clusters, body_fn, (seeds, squared_distances(first))
    )
    return points[seeds]


@pytree_dataclass
class _LloydState:
    """Between two steps of Lloyd's algorithm.

    Attributes:
      centroids: ``[k, d]``.
      assignment: int32 ``[n]``, the nearest of them to every point.
      moved: ``[]``, whether the last step changed the cluster of a point.
      iterations: int32 ``[]``, steps taken.
    """

    centroids: Float[Array, "k d"]
    assignment: Int[Array, " n"]
    moved: Bool[Array, ""]
    iterations: Int[Array, ""]


def _lloyd(
    points: Float[Array, "n d"],
    seeds: Float[Array, "k d"],
    num_clusters: Int[Array, ""],
    mask: Bool[Array, " n"],
    max_iterations: int,
    spherical: bool,
) -> KMeansOutput:
    """Alternates nearest centroids and means until no point moves."""
    k = seeds.shape[0]
    takes_part = jnp.arange(k) < num_clusters
    transposed = points.T

    def nearest_fn(centroids: Float[Array, "k d"]) -> Int[Array, " n"]:
        # |x|^2 is the same for every centroid and left out.
        norms = jnp.sum(centroids * centroids, axis=1)[:, None]
        scores = norms - 2 * numerics.matmul(centroids, transposed)
        scores = jnp.where(takes_part[:, None], scores, jnp.inf)
        return jnp.where(mask, _first_least(scores), 0)

    def init_fn() -> _LloydState:
        return _LloydState(
            seeds, nearest_fn(seeds), jnp.asarray(True), jnp.asarray(0, jnp.int32)
        )

    def cond_fn(state: _LloydState) -> Bool[Array, ""]:
        return state.moved & (state.iterations < max_iterations)

    def body_fn(state: _LloydState) -> _LloydState:
        # A product with the one-hot assignment, not a scatter: sums in a fixed order.
        groups = jax.nn.one_hot(state.assignment, k, dtype=points.dtype, axis=0)
        groups = jnp.where(mask[None, :], groups, 0)
        sizes = jnp.sum(groups, axis=1)[:, None]
        means = numerics.matmul(groups, points) / jnp.maximum(sizes, 1)
        if spherical:
            means = numerics.normalize_rows(means)
        centroids = jnp.where(sizes > 0, means, state.centroids)
        assignment = nearest_fn(centroids)
        return _LloydState(
            centroids,
            assignment,
            jnp.any(assignment != state.assignment),
            state.iterations + 1,
        )

    state = jax.lax.while_loop(cond_fn, body_fn, init_fn())
    offsets = points - state.centroids[state.assignment]
    inertia = jnp.sum(jnp.where(mask[:, None], offsets * offsets, 0))
    return KMeansOutput(
        state.assignment, state.centroids, inertia, state.iterations, ~state.moved
    )


def _first_least(x: Float[Array, "*s"]) -> Int[Array, "*t"]:
    """Where each column is least first; two reductions, as `argmin` has no SIMD."""
    index = jnp.arange(x.shape[0], dtype=jnp.int32)
    index = jnp.expand_dims(index, tuple(range(1, x.ndim)))
    is_least = x == jnp.min(x, axis=0, keepdims=True)
    return jnp.min(jnp.where(is_least, index, x.shape[0] - 1), axis=0)
