"""Walks and their graphs against chains in float64 numpy."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from chains import (
    N,
    exact_stationary,
    flow_asymmetry,
    random_chain,
    reversible_chain,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from uhseg_jax.spectral import ncut, walk

EPS = float(np.finfo(np.float32).eps)
ALL = jnp.ones(N, bool)


def escape(chain, stationary, inside, steps):
    """Pr(X_k not in S | X_0 in S), from pi on S taken k steps on, in float64."""
    walkers = np.where(inside, stationary, 0) / stationary[inside].sum()
    for _ in range(steps):
        walkers = walkers @ np.asarray(chain, np.float64)
    return walkers[~inside].sum()


@functools.partial(jax.jit, static_argnames="steps")
def graph_of(chain, labels, *, steps):
    """The package's distribution and graph of a walk, and what cutting it costs."""
    stationary = walk.stationary_distribution(chain)
    graph = walk.walk_affinity(chain, stationary.distribution, steps)
    return stationary, graph.weights, ncut.ncut_costs(graph.weights, labels, ALL, 2)


def check_escape(chain, inside, steps):
    exact_pi = exact_stationary(chain)
    stationary, weights, costs = graph_of(chain, np.int32(inside), steps=steps)
    # Mass that is out of place comes back to within the residual at the rate at which
    # the chain forgets, Dobrushin's coefficient.
    exact = np.asarray(chain, np.float64)
    apart = np.abs(exact[:, None, :] - exact[None, :, :]).sum(2).max() / 2
    out_of_place = (float(stationary.residual) + 4 * EPS) / (1 - apart)
    np.testing.assert_allclose(stationary.distribution, exact_pi, atol=out_of_place)
    np.testing.assert_array_equal(weights, np.asarray(weights).T)
    degrees = np.asarray(weights, np.float64).sum(1)
    np.testing.assert_allclose(degrees, exact_pi, atol=2 * out_of_place)
    flows = exact_pi[:, None] * np.linalg.matrix_power(exact, steps)
    np.testing.assert_allclose(weights, (flows + flows.T) / 2, atol=2 * out_of_place)
    for group, side in enumerate([~inside, inside]):
        tolerance = 2 * out_of_place / exact_pi[side].sum() + 2 * N * EPS
        assert tolerance < 1e-2
        expected = escape(chain, exact_pi, side, steps)
        assert abs(float(costs[group]) - expected) < tolerance


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10_000),
    st.integers(1, 2**N - 2),
    st.sampled_from([1, 3, 8]),
    st.sampled_from([0.0, 1.0, 3.0, 6.0]),
)
def test_cuts_of_any_walk_are_escape_probabilities(seed, side, steps, contrast):
    inside = (side >> np.arange(N)) % 2 == 1
    check_escape(random_chain(seed, contrast=contrast), inside, steps)


@pytest.mark.parametrize("steps", [1, 3, 8])
@pytest.mark.parametrize("reversible", [True, False])
def test_cuts_are_escape_probabilities_reversible_or_not(reversible, steps):
    chain = reversible_chain(steps) if reversible else random_chain(steps)
    assert (flow_asymmetry(chain) < 1e-6) == reversible
    for side in ([0], [3, 4, 5], list(range(0, N, 2))):
        check_escape(chain, np.isin(np.arange(N), side), steps)


def test_walkers_who_may_jump_have_the_distribution_and_flows_of_the_same_chain():
    # The chain that is cut is the one that jumps; its stationary distribution with the
    # flows of the other is none of them, and the identity is lost.
    attention = np.exp(4 * np.random.default_rng(0).normal(size=(N, N)))
    plain = walk.transition_matrix(jnp.asarray(attention, jnp.float32))
    chain = np.asarray(walk.teleport(plain, 0.2))
    inside = np.arange(N) < 5
    check_escape(chain, inside, 3)
    graph = walk.walk_affinity(plain, jnp.float32(exact_stationary(chain)), 3)
    cut = np.asarray(graph.weights)[np.ix_(inside, ~inside)].sum()
    exact = escape(chain, exact_stationary(chain), inside, 3)
    assert abs(cut / graph.weights[inside].sum() - exact) > 1e-2


@pytest.mark.parametrize("steps", [1, 2, 3, 7, 12, 1024])
def test_powers_are_those_of_float64_and_stay_stochastic(steps):
    chain = random_chain(3, contrast=2.0, teleport=0.0)
    power = np.asarray(walk.power(jnp.asarray(chain), steps))
    exact = np.linalg.matrix_power(chain.astype(np.float64), steps)
    if steps == 1024:  # where rounding might drift
        exact = np.tile(exact_stationary(chain), (N, 1))
    np.testing.assert_allclose(power, exact, atol=1e-5 if steps > 20 else 2 * N * EPS)
    np.testing.assert_allclose(power.sum(1), 1, atol=4 * EPS)
    assert (power >= 0).all()


def test_transitions_are_rows_in_proportion_and_walkers_without_a_way_stay():
    attention = np.random.default_rng(5).random((N, N)).astype(np.float32)
    attention *= np.logspace(-12, 6, N, dtype=np.float32)[:, None]
    attention[4] = 0
    transitions = np.asarray(walk.transition_matrix(jnp.asarray(attention)))
    np.testing.assert_allclose(transitions.sum(1), 1, atol=4 * EPS)
    np.testing.assert_array_equal(transitions[4], np.eye(N)[4])
    rest = np.arange(N) != 4
    exact = attention[rest].astype(np.float64)
    exact /= exact.sum(1, keepdims=True)
    np.testing.assert_allclose(transitions[rest], exact, rtol=8 * EPS)


def test_a_walk_is_constant_if_every_step_forgets_where_it_was():
    row = np.random.default_rng(7).dirichlet(np.ones(N)).astype(np.float32)
    same = np.tile(row, (N, 1))
    other = same.copy()
    other[3, [0, 1]] += np.float32(1e-3) * np.array([1, -1], np.float32) * row.min()
    assert walk.is_constant(jnp.asarray(same))
    assert not walk.is_constant(jnp.asarray(other))


def test_jit_and_vmap_change_nothing():
    attention = np.exp(np.random.default_rng(9).normal(size=(3, N, N)) * 2)
    attention = jnp.asarray(attention, jnp.float32)

    def graph(attention):
        chain = walk.teleport(walk.transition_matrix(attention), 1e-2)
        stationary = walk.stationary_distribution(chain).distribution
        weights = walk.walk_affinity(chain, stationary, 3).weights
        similarity = walk.row_similarity(chain, exponent=2.0, stretched=True).weights
        return stationary, weights, similarity

    mapped = jax.jit(jax.vmap(graph))(attention)
    for eager, jitted in zip(graph(attention[1]), mapped, strict=True):
        np.testing.assert_allclose(jitted[1], eager, atol=1e-6)


@pytest.mark.parametrize("stretched", [True, False])
@pytest.mark.parametrize("exponent", [1.0, 2.5])
def test_row_similarity_is_the_cosine_of_rows(exponent, stretched):
    chain = random_chain(10)
    graph = walk.row_similarity(
        jnp.asarray(chain), exponent=exponent, stretched=stretched
    )
    rows = chain.astype(np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    cosines = rows @ rows.T
    if stretched:
        cosines = (cosines - cosines.min()) / (cosines.max() - cosines.min())
    np.testing.assert_allclose(
        graph.weights, cosines**exponent, atol=4 * N * EPS * max(exponent, 1)
    )


@pytest.mark.parametrize("stretched", [True, False])
def test_rows_that_are_all_the_same_are_alike(stretched):
    row = np.random.default_rng(11).dirichlet(np.ones(N)).astype(np.float32)
    # Alike to the last bit, and but for rounding.
    for scale in (np.ones((N, 1)), 1 + np.arange(N)[:, None] / 7):
        rows = jnp.asarray(np.tile(row, (N, 1)) * scale, jnp.float32)
        graph = walk.row_similarity(rows, exponent=10.0, stretched=stretched)
        np.testing.assert_allclose(graph.weights, 1, atol=1e-5)
