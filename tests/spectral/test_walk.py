"""Walks and their graphs against chains in float64 numpy."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from chains import (
    ASSIGNMENT,
    N,
    exact_law,
    flow_asymmetry,
    random_chain,
    reversible_chain,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from uhseg_jax.spectral import ncut, walk

EPS = float(np.finfo(np.float32).eps)
ALL = jnp.ones(N, bool)


def escape(chain, law, inside, steps):
    """Pr(X_k not in S | X_0 in S), the law on S taken k steps on, in float64."""
    walkers = np.where(inside, law, 0) / law[inside].sum()
    for _ in range(steps):
        walkers = walkers @ np.asarray(chain, np.float64)
    return walkers[~inside].sum()


@functools.partial(jax.jit, static_argnames="steps")
def cut_walk(chain, labels, *, steps):
    """What the package says of two sides of the graph of a walk."""
    stationary = walk.stationary_distribution(chain)
    graph = walk.WalkAffinity(chain, stationary.law, steps)
    dense = graph.dense()
    costs = ncut.ncut_costs(dense.weights, labels, ALL, 2)
    return stationary, graph.degrees(), dense.degrees(), costs


def check_escape(chain, inside, steps):
    law = exact_law(chain)
    labels = jnp.asarray(inside, jnp.int32)
    stationary, degrees, dense_degrees, costs = cut_walk(
        jnp.asarray(chain), labels, steps=steps
    )
    # Mass that is out of place comes back to within the residual at the rate at which
    # the chain forgets, Dobrushin's coefficient.
    exact = np.asarray(chain, np.float64)
    apart = np.abs(exact[:, None, :] - exact[None, :, :]).sum(2).max() / 2
    out_of_place = (float(stationary.residual) + 4 * EPS) / (1 - apart)
    np.testing.assert_allclose(stationary.law, law, atol=out_of_place)
    np.testing.assert_array_equal(degrees, stationary.law)
    np.testing.assert_allclose(dense_degrees, law, atol=2 * out_of_place)
    for group, side in enumerate([~inside, inside]):
        tolerance = 2 * out_of_place / law[side].sum() + 2 * N * EPS
        assert tolerance < 1e-2
        assert abs(float(costs[group]) - escape(chain, law, side, steps)) < tolerance


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10_000),
    st.integers(1, 2**N - 2),
    st.sampled_from([1, 2, 3, 8]),
    st.sampled_from([0.0, 1.0, 3.0, 6.0]),
)
def test_cuts_of_any_walk_are_escape_probabilities(seed, side, steps, contrast):
    inside = (side >> np.arange(N)) % 2 == 1
    check_escape(random_chain(seed, contrast=contrast), inside, steps)


@pytest.mark.parametrize("steps", [1, 2, 3, 8])
@pytest.mark.parametrize("reversible", [True, False])
def test_cuts_are_escape_probabilities_reversible_or_not(reversible, steps):
    chain = reversible_chain(steps) if reversible else random_chain(steps)
    assert (flow_asymmetry(chain) < 1e-6) == reversible
    for side in ([0], [3, 4, 5], list(range(0, N, 2))):
        check_escape(chain, np.isin(np.arange(N), side), steps)


def test_walkers_who_may_jump_have_the_law_and_the_flows_of_the_same_chain():
    # The chain that is cut is the mixed one; its law with the flows of the other is
    # not stationary, and the identity is lost.
    attention = np.exp(4 * np.random.default_rng(0).normal(size=(N, N)))
    plain = walk.transition_matrix(jnp.asarray(attention, jnp.float32))
    chain = walk.mix(plain, 0.2)
    inside = np.arange(N) < 5
    check_escape(np.asarray(chain), inside, 2)

    @jax.jit
    def mistaken_costs(plain, chain, labels):
        graph = walk.WalkAffinity(
            plain, walk.stationary_distribution(chain).law, 2
        ).dense()
        return ncut.ncut_costs(graph.weights, labels, ALL, 2)

    costs = mistaken_costs(plain, chain, jnp.asarray(inside, jnp.int32))
    exact = escape(chain, exact_law(chain), inside, 2)
    assert abs(float(costs[1]) - exact) > 1e-2


@pytest.mark.parametrize("steps", range(1, 18))
def test_powers_are_those_of_float64_and_stay_stochastic(steps):
    chain = random_chain(3, contrast=2.0, teleport=0.0)
    power = np.asarray(walk.power(jnp.asarray(chain), steps))
    exact = np.linalg.matrix_power(chain.astype(np.float64), steps)
    np.testing.assert_allclose(power, exact, atol=2 * N * EPS)
    np.testing.assert_allclose(power.sum(1), 1, atol=4 * EPS)
    assert (power >= 0).all()


def test_powers_do_not_drift():
    chain = jnp.asarray(random_chain(4, teleport=0.0))
    power = np.asarray(walk.power(chain, 1024))
    np.testing.assert_allclose(power.sum(1), 1, atol=4 * EPS)
    np.testing.assert_allclose(power, np.tile(exact_law(chain), (N, 1)), atol=1e-5)


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


@functools.partial(jax.jit, static_argnames="steps")
def graph_forms(chain, x, assignment, *, steps):
    graph = walk.WalkAffinity(chain, walk.stationary_distribution(chain).law, steps)
    return (
        graph.dense().weights,
        graph.matmat(x),
        graph.condense(assignment, 4),
        graph.is_constant,
    )


@pytest.mark.parametrize("steps", [1, 2, 3, 8])
def test_products_and_groups_are_those_of_the_dense_matrix(steps):
    chain = random_chain(6)
    x = np.random.default_rng(6).normal(size=(N, 3)).astype(np.float32)
    weights, product, condensed, constant = graph_forms(
        jnp.asarray(chain), jnp.asarray(x), jnp.asarray(ASSIGNMENT), steps=steps
    )
    flows = exact_law(chain)[:, None] * np.linalg.matrix_power(
        chain.astype(np.float64), steps
    )
    exact = (flows + flows.T) / 2
    np.testing.assert_allclose(weights, exact, atol=4e-6)
    np.testing.assert_array_equal(weights, np.asarray(weights).T)
    np.testing.assert_allclose(product, np.asarray(weights) @ x, atol=N * EPS)
    groups = np.eye(4)[ASSIGNMENT]
    summed = groups.T @ np.asarray(weights, np.float64) @ groups
    np.testing.assert_allclose(condensed, summed, atol=N * EPS)
    assert np.diag(condensed)[[0, 1, 3]].min() > 0
    assert not constant


def test_a_walk_is_constant_if_every_step_forgets_where_it_was():
    law = np.random.default_rng(7).dirichlet(np.ones(N)).astype(np.float32)
    same = np.tile(law, (N, 1))
    other = same.copy()
    other[3, [0, 1]] += np.float32(1e-3) * np.array([1, -1], np.float32) * law.min()
    x = jnp.zeros((N, 3), jnp.float32)
    for chain, constant in ((same, True), (other, False)):
        forms = graph_forms(jnp.asarray(chain), x, jnp.asarray(ASSIGNMENT), steps=1)
        assert bool(forms[3]) == constant


def test_jit_and_vmap_change_nothing():
    attention = np.exp(np.random.default_rng(9).normal(size=(3, N, N)) * 2)
    attention = jnp.asarray(attention, jnp.float32)

    def graph(attention):
        chain = walk.mix(walk.transition_matrix(attention), 1e-2)
        stationary = walk.stationary_distribution(chain)
        weights = walk.WalkAffinity(chain, stationary.law, 3).dense().weights
        likeness = walk.row_similarity(chain, exponent=2.0, stretched=True).weights
        return stationary.law, weights, likeness

    eager = [graph(x) for x in attention]
    jitted = jax.jit(graph)(attention[0])
    mapped = jax.jit(jax.vmap(graph))(attention)
    for one, two in zip(eager[0], jitted, strict=True):
        np.testing.assert_allclose(two, one, atol=1e-6)
    for i in range(3):
        for one, three in zip(eager[i], mapped, strict=True):
            np.testing.assert_allclose(three[i], one, atol=1e-6)


@pytest.mark.parametrize("stretched", [True, False])
@pytest.mark.parametrize("exponent", [1.0, 2.5, 10.0])
def test_likeness_is_the_cosine_of_rows(exponent, stretched):
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
