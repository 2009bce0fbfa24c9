"""Attention as a random walk between the cells of an image, and the graphs it gives.

A row of an attention map is a distribution over cells, so a map is the transition
matrix P of a Markov chain: Ivanova, Aversa, Henderson and Williamson, "Unsupervised
Segmentation by Diffusing, Walking and Cutting" (arXiv 2412.04678, WACV 2026). The
powers of P collect longer walks. Two graphs are cut: that of the walk itself, whose
normalised cuts are escape probabilities, and that of the cosine similarity of its rows.

Unlike other affinities, these have a diagonal: a walker may stay where he is.
"""

import jax
import jax.numpy as jnp

from uhseg_jax.derivatives import constant
from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.spectral import numerics
from uhseg_jax.spectral.affinity import DenseAffinity
from uhseg_jax.types import Array, Bool, Float, Int, Scalar

__all__ = [
    "StationaryOutput",
    "escape_probabilities",
    "is_constant",
    "power",
    "row_similarity",
    "stabilities",
    "stationary_distribution",
    "teleport",
    "transition_matrix",
    "walk_affinity",
]

_MAX_ITERATIONS = 2000
_HOLDING = 1 / 8  # probability to stay, which ends swinging between two sides
_SAME = 16  # machine epsilons within which entries are called equal


def transition_matrix(attention: Float[Array, "n n"]) -> Float[Array, "n n"]:
    """Non-negative rows scaled to sum to one.

    Rows of attention sum to less where tokens that are no cells were left out. A row
    of zeros says nothing about where to go, so its walker stays: 1 on the diagonal.
    """
    sums = jnp.sum(attention, axis=1, keepdims=True)
    stay = jnp.eye(attention.shape[0], dtype=attention.dtype)
    return jnp.where(sums > 0, attention / jnp.where(sums > 0, sums, 1), stay)


def teleport(
    transitions: Float[Array, "n n"], probability: float
) -> Float[Array, "n n"]:
    """The walk that jumps to any cell with a small probability.

    Every cell reaches every other then: there is one stationary distribution.
    """
    n = transitions.shape[0]
    return (1 - probability) * transitions + probability / n


def power(transitions: Float[Array, "n n"], steps: int) -> Float[Array, "n n"]:
    """``P ** steps`` by repeated squaring, its rows still summing to one.

    Args:
      transitions: P.
      steps: static, at least 1.

    Raises:
      ValueError: there are fewer.
    """
    if steps < 1:
        raise ValueError(f"steps must be at least 1, but is {steps}.")
    if steps == 1:
        return transitions
    half = power(transitions, steps // 2)
    square = _product(half, half)
    return _product(square, transitions) if steps % 2 else square


def _product(p: Float[Array, "n n"], q: Float[Array, "n n"]) -> Float[Array, "n n"]:
    # Rounding makes the sums of rows drift by n eps at every squaring.
    return transition_matrix(numerics.matmul(p, q))


@pytree_dataclass
class StationaryOutput:
    """The distribution that a walk does not change.

    Attributes:
      distribution: ``[n]``, positive, sums to one.
      residual: ``[]``, the mass ``|pi P - pi|_1`` that one more step would move, or
        more: it is measured before the last step, and steps never raise it.
      iterations: int32 ``[]``, steps that were taken.
    """

    distribution: Float[Array, " n"]
    residual: Scalar
    iterations: Int[Array, ""]


def stationary_distribution(
    transitions: Float[Array, "n n"], *, max_iterations: int = _MAX_ITERATIONS
) -> StationaryOutput:
    """Power iteration from the uniform distribution until float accuracy.

    The steps are those of the lazy random walk with holding probability 1/8, which has
    the same stationary distribution, and converges even where P has a period, as
    between the two sides of a bipartite graph.

    Of a walk in several parts that only `teleport` joins, it keeps the mass of each
    part, which is what the jumps would lead to.

    Args:
      transitions: P, of a chain with one stationary distribution; see `teleport`.
      max_iterations: steps at the most, static.
    """
    transitions = constant(
        "The stationary distribution of a walk comes without its derivative",
        transitions,
    )
    n = transitions.shape[0]
    tolerance = 4 * jnp.finfo(transitions.dtype).eps

    def init_fn() -> StationaryOutput:
        uniform = jnp.full((n,), 1 / n, transitions.dtype)
        return StationaryOutput(
            uniform, jnp.asarray(jnp.inf, uniform.dtype), jnp.asarray(0, jnp.int32)
        )

    def cond_fn(state: StationaryOutput) -> Bool[Array, ""]:
        return (state.residual > tolerance) & (state.iterations < max_iterations)

    def body_fn(state: StationaryOutput) -> StationaryOutput:
        stepped = numerics.matmul(state.distribution, transitions)
        stepped = stepped / jnp.sum(stepped)
        moved = jnp.sum(jnp.abs(stepped - state.distribution))
        lazy = (1 - _HOLDING) * stepped + _HOLDING * state.distribution
        return StationaryOutput(lazy, moved, state.iterations + 1)

    return jax.lax.while_loop(cond_fn, body_fn, init_fn())


def is_constant(transitions: Float[Array, "n n"]) -> Bool[Array, ""]:
    """Whether every row is the same to float accuracy: nothing separates."""
    low = jnp.min(transitions, axis=0)
    high = jnp.max(transitions, axis=0)
    spread = _SAME * jnp.finfo(transitions.dtype).eps
    return jnp.all(high - low <= spread * jnp.max(high))


def walk_affinity(
    transitions: Float[Array, "n n"], stationary: Float[Array, " n"], steps: int
) -> DenseAffinity:
    """The graph of a walk, ``W = (diag(pi) P^k + (P^k)' diag(pi)) / 2``.

    With pi the stationary distribution of this P, reversible or not, the degrees of W
    are pi, and the normalised cut of a set is the probability that a walker of long
    standing who is in it is outside after k steps (Meila & Shi, AISTATS 2001):
    ``cut(S, rest) / vol(S) = Pr(X_k not in S | X_0 in S)``.

    Args:
      transitions: P.
      stationary: pi.
      steps: k, static, at least 1.
    """
    flows = stationary[:, None] * power(transitions, steps)
    return DenseAffinity((flows + flows.T) / 2)


def row_similarity(
    transitions: Float[Array, "n n"], *, exponent: float, stretched: bool
) -> DenseAffinity:
    """The graph of the cosines between rows of P^k.

    Two cells are alike if walkers from them end up in the same places. DiffCut
    (Couairon et al., NeurIPS 2024) does the same with features, stretches the cosines
    to [0, 1] and raises them to the power 10.

    Args:
      transitions: P^k; its rows are not negative, so nor are their cosines.
      exponent: above 0.
      stretched: whether smallest and largest cosine of all pairs become 0 and 1; rows
        that are all the same stay alike.
    """
    units = numerics.normalize_rows(transitions)
    cosines = jnp.clip(numerics.matmul(units, units.T), 0, 1)
    if stretched:
        low, high = jnp.min(cosines), jnp.max(cosines)
        # Rounding alone is no difference to stretch.
        least = _SAME * jnp.finfo(cosines.dtype).eps * high
        spread = jnp.where(high - low > least, high - low, 0)
        spread = jnp.broadcast_to(spread, cosines.shape)
        cosines = numerics.ratio(cosines - low, spread, empty=1.0)
    if exponent != 1:
        cosines = cosines**exponent
    return DenseAffinity(cosines)


def escape_probabilities(
    transitions: Float[Array, "n n"],
    assignment: Int[Array, " n"],
    contains: Bool[Array, "t g"],
) -> Float[Array, " t"]:
    """The chance that one step from a cell of a set leads out of it.

    The mean over the cells of the set, each counted alike.

    Args:
      transitions: P.
      assignment: the group of every cell, from 0.
      contains: ``[t, g]``, which of the g groups each of the t sets is made of.

    Returns:
      ``[t]``; 0 for a set without cells.
    """
    alike = jnp.ones((transitions.shape[0],), transitions.dtype)
    flows, sizes = _flows(transitions, alike, assignment, contains.shape[1])
    members = contains.astype(flows.dtype)
    # Summed flows out rather than one minus those within: never below 0.
    out = jnp.sum(numerics.matmul(members, flows) * (1 - members), axis=1)
    return numerics.ratio(out, numerics.matmul(members, sizes), empty=0.0)


def stabilities(
    transitions: Float[Array, "n n"],
    stationary: Float[Array, " n"],
    assignment: Int[Array, " n"],
    contains: Bool[Array, "t g"],
) -> Float[Array, " t"]:
    """What each set adds to the Markov stability of a partition that it is part of.

    The chance of finding a walker in the set before and after one step, minus that of
    finding two independent walkers there (Delvenne, Yaliraki and Barahona, PNAS 2010).

    Args:
      transitions: P.
      stationary: its stationary distribution.
      assignment: the group of every cell, from 0.
      contains: ``[t, g]``, which of the g groups each of the t sets is made of.

    Returns:
      ``[t]``, from -1/4 to 1/4.
    """
    flows, masses = _flows(transitions, stationary, assignment, contains.shape[1])
    members = contains.astype(flows.dtype)
    stay = jnp.sum(numerics.matmul(members, flows) * members, axis=1)
    return stay - numerics.matmul(members, masses) ** 2


def _flows(
    transitions: Float[Array, "n n"],
    weights: Float[Array, " n"],
    assignment: Int[Array, " n"],
    num_groups: int,
) -> tuple[Float[Array, "g g"], Float[Array, " g"]]:
    """Weight that goes from group to group in a step, and that of every group."""
    groups = jax.nn.one_hot(assignment, num_groups, dtype=weights.dtype)
    weighted = weights[:, None] * groups
    flows = numerics.matmul(weighted.T, numerics.matmul(transitions, groups))
    return flows, jnp.sum(weighted, axis=0)
