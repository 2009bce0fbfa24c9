import jax.numpy as jnp
import networkx as nx
import numpy as np
import pytest
from graphs import block_graph, normalized_laplacian, random_graph
from hypothesis import given, settings
from hypothesis import strategies as st

from uhseg_jax.spectral import coarsen, eigen, laplacian, ncut

MASK = jnp.ones(12, bool)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 5))
def test_costs_are_networkx_cuts_over_volumes(seed, k):
    weights = random_graph(seed, n=12, density=0.7)
    labels = np.random.default_rng(seed).integers(k, size=12)
    graph = nx.from_numpy_array(weights.astype(np.float64))
    costs = ncut.ncut_costs(jnp.asarray(weights), jnp.asarray(labels), MASK, k)
    for group in range(k):
        members = set(np.flatnonzero(labels == group).tolist())
        volume = nx.volume(graph, members, weight="weight")
        cut = nx.cut_size(graph, members, weight="weight")
        expected = cut / volume if volume else 0.0
        assert abs(float(costs[group]) - expected) < 1e-5


def test_costs_count_only_the_subgraph():
    weights = random_graph(1, n=12)
    mask = np.arange(12) < 8
    labels = (np.arange(12) % 2).astype(np.int32)
    inside = ncut.ncut_costs(
        jnp.asarray(weights[:8, :8]), jnp.asarray(labels[:8]), jnp.ones(8, bool), 2
    )
    masked = ncut.ncut_costs(
        jnp.asarray(weights), jnp.asarray(labels), jnp.asarray(mask), 2
    )
    np.testing.assert_allclose(masked, inside, rtol=1e-5)


def test_the_best_threshold_is_the_best_of_all():
    weights = random_graph(2, n=12)
    vector = np.random.default_rng(2).normal(size=12).astype(np.float32)
    best = ncut.best_threshold(
        jnp.asarray(weights), jnp.asarray(vector), MASK, jnp.asarray(vector)
    )

    def mean_cost(labels):
        costs = ncut.ncut_costs(jnp.asarray(weights), jnp.asarray(labels), MASK, 2)
        return float(ncut.mean_ncut(costs, 2))

    rivals = [mean_cost((vector > t).astype(np.int32)) for t in np.sort(vector)[:-1]]
    assert mean_cost(np.asarray(best)) <= min(rivals) + 1e-6


@pytest.mark.parametrize("min_size", [1, 2, 4, 6, 7])
def test_both_groups_have_the_vertices_they_must(min_size):
    for seed in range(6):
        weights = random_graph(seed, n=12, density=0.4)
        exact = weights.astype(np.float64)
        rng = np.random.default_rng(seed)
        vector = rng.normal(size=12).astype(np.float32)
        mask = np.arange(12) < 12 - seed % 2
        best = np.asarray(
            ncut.best_threshold(
                jnp.asarray(weights),
                jnp.asarray(vector),
                jnp.asarray(mask),
                jnp.asarray(vector),
                min_size=min_size,
            )
        )

        def cost(above, exact=exact, mask=mask):
            below = mask & ~above
            cut = exact[np.ix_(above, below)].sum()
            volumes = [exact[np.ix_(side, mask)].sum() for side in (above, below)]
            return sum(cut / volume for volume in volumes if volume) / 2

        sides = [(vector > t) & mask for t in vector]
        allowed = [
            side for side in sides if min_size <= side.sum() <= mask.sum() - min_size
        ]
        assert not best[~mask].any()
        if not allowed:
            assert not best.any()
            continue
        assert any((best == side).all() for side in allowed)
        assert cost(best == 1) <= min(map(cost, allowed)) + 1e-6


def test_a_constant_vector_divides_nothing():
    weights = jnp.asarray(random_graph(3, n=12))
    constant = jnp.ones(12, jnp.float32)
    assert not ncut.best_threshold(weights, constant, MASK, constant).any()


def test_perturbation_norms_agree_with_float64():
    weights = random_graph(4, n=12)
    labels = np.array([0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3])  # 3: a group of one
    ideal = (labels[:, None] == labels[None, :]).astype(float) - np.eye(12)
    difference = normalized_laplacian(weights) - normalized_laplacian(ideal)
    operator, frobenius = laplacian.perturbation_norms(
        jnp.asarray(weights), jnp.asarray(labels), MASK
    )
    assert abs(float(operator) - np.linalg.norm(difference, 2)) < 1e-5
    assert abs(float(frobenius) - np.linalg.norm(difference)) < 1e-5


def test_the_ideal_graph_has_no_perturbation():
    weights = block_graph([4, 5, 3], across=0.0)
    labels = jnp.asarray(np.repeat([0, 1, 2], [4, 5, 3]))
    operator, frobenius = laplacian.perturbation_norms(
        jnp.asarray(weights), labels, MASK
    )
    assert float(operator) < 1e-6
    assert float(frobenius) < 1e-6


def coarse_graph(weights, sizes):
    spectrum = eigen.EigenOutput(jnp.zeros(1), jnp.zeros((12, 1)), jnp.zeros(1))
    weights = jnp.asarray(weights, jnp.float32)
    return coarsen.CoarseGraph(weights, jnp.asarray(sizes), jnp.arange(12), spectrum)


def test_sharpening_raises_mean_weights_and_keeps_sizes():
    weights = random_graph(5, n=12).astype(np.float64)
    sizes = np.arange(1, 13, dtype=np.float32)
    pairs = np.outer(sizes, sizes)
    graph = coarse_graph(weights * pairs, sizes)
    sharp = np.asarray(coarsen.raise_contrast(graph, 3.0).weights, np.float64)
    expected = pairs * weights**3
    expected *= sharp.max() / expected.max()
    np.testing.assert_allclose(sharp, expected, atol=1e-6 * sharp.max())
    np.testing.assert_array_equal(
        coarsen.raise_contrast(graph, 1.0).weights, graph.weights
    )


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_sharpening_does_not_depend_on_the_scale_of_the_weights(scale):
    weights = random_graph(6, n=12)
    sizes = np.ones(12, np.float32)
    sharp, scaled = (
        np.asarray(
            coarsen.raise_contrast(coarse_graph(weights * s, sizes), 10.0).weights
        )
        for s in (1, scale)
    )
    np.testing.assert_allclose(scaled / scaled.max(), sharp / sharp.max(), atol=1e-5)
