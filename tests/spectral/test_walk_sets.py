"""Escape from sets of cells, and their stability, against loops over cells."""

import jax.numpy as jnp
import numpy as np
from chains import ASSIGNMENT, N, exact_stationary, random_chain, star
from graphs import block_graph, random_graph
from hypothesis import given, settings
from hypothesis import strategies as st

from uhseg_jax.spectral import walk

EPS = float(np.finfo(np.float32).eps)


SETS = np.array(
    [[1, 0, 0, 0], [0, 1, 0, 1], [1, 1, 1, 1], [0, 0, 1, 0], [0, 0, 0, 0]], bool
)  # one group, two, all, one without cells, none


def test_escape_probabilities_are_those_of_a_loop_over_cells():
    chain = random_chain(12)
    found = walk.escape_probabilities(
        jnp.asarray(chain), jnp.asarray(ASSIGNMENT), jnp.asarray(SETS)
    )
    for contains, probability in zip(SETS, found, strict=True):
        members = [i for i in range(N) if contains[ASSIGNMENT[i]]]
        out = [
            sum(float(chain[i, j]) for j in range(N) if j not in members)
            for i in members
        ]
        expected = sum(out) / len(out) if out else 0.0
        assert abs(float(probability) - expected) < N * EPS
    assert found[2] == 0  # nothing leads out of the whole
    assert (found[3:] == 0).all()


def test_stabilities_are_those_of_a_loop_over_pairs():
    chain = random_chain(13)
    pi = exact_stationary(chain)
    found = walk.stabilities(
        jnp.asarray(chain),
        jnp.asarray(pi, jnp.float32),
        jnp.asarray(ASSIGNMENT),
        jnp.asarray(SETS),
    )
    for contains, stability in zip(SETS, found, strict=True):
        members = [i for i in range(N) if contains[ASSIGNMENT[i]]]
        stay = sum(pi[i] * float(chain[i, j]) for i in members for j in members)
        mass = sum(pi[i] for i in members)
        assert abs(float(stability) - (stay - mass**2)) < N * EPS
    assert abs(float(found[2])) < N * EPS  # the whole always keeps its walker


def test_the_stability_of_a_reversible_step_is_modularity():
    weights = random_graph(14, n=N).astype(np.float64) ** 3
    degrees, total = weights.sum(1), weights.sum()
    found = walk.stabilities(
        jnp.asarray(weights / degrees[:, None], jnp.float32),
        jnp.asarray(degrees / total, jnp.float32),
        jnp.asarray(ASSIGNMENT),
        jnp.eye(4, dtype=bool),
    )
    # Newman: edges within groups, less what degrees alone would lead to.
    same = ASSIGNMENT[:, None] == ASSIGNMENT[None, :]
    excess = weights / total - np.outer(degrees, degrees) / total**2
    assert abs(float(jnp.sum(found)) - excess[same].sum()) < 2 * N * EPS


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 2**4 - 1))
def test_stabilities_lie_within_a_quarter(seed, chosen):
    # Bipartite chains swing and reach the lower end, parts the upper.
    chain = star(N) if seed % 3 == 0 else random_chain(seed, contrast=4.0)
    contains = ((chosen >> np.arange(4)) % 2 == 1)[None, :]
    contains = np.repeat(contains, 5, axis=0)
    found = walk.stabilities(
        jnp.asarray(chain),
        jnp.asarray(exact_stationary(chain), jnp.float32),
        jnp.asarray(ASSIGNMENT),
        jnp.asarray(contains),
    )
    assert (np.abs(found) <= 0.25 + N * EPS).all()


def test_stabilities_reach_a_quarter_at_both_ends():
    middle = jnp.asarray((np.arange(N) > 0).astype(np.int32))
    pi = jnp.asarray(exact_stationary(star(N)), jnp.float32)
    swing = walk.stabilities(
        jnp.asarray(star(N)), pi, middle, jnp.asarray(np.eye(2, dtype=bool))
    )
    np.testing.assert_allclose(swing, -0.25, atol=N * EPS)
    halves = jnp.asarray(np.repeat([0, 1], N // 2).astype(np.int32))
    apart = block_graph([6, 6], across=0.0) / np.float32(5)
    uniform = jnp.full((N,), 1 / N, jnp.float32)
    stay = walk.stabilities(jnp.asarray(apart), uniform, halves, jnp.eye(2, dtype=bool))
    np.testing.assert_allclose(stay, 0.25, atol=N * EPS)
