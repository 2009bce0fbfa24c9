import jax
import jax.numpy as jnp
import networkx as nx
import numpy as np
import pytest
from graphs import block_graph, normalized_laplacian, random_graph
from hypothesis import given, settings
from hypothesis import strategies as st

from uhseg_jax.spectral import coarsen, eigen, laplacian, ncut

MASK = np.ones(12, bool)
K = 5  # groups that there can be

# One program each: all graphs have twelve vertices.
costs_of = jax.jit(lambda *args: ncut.ncut_costs(*args, K))
best_threshold = jax.jit(ncut.best_threshold, static_argnames="min_size")
perturbation_norms = jax.jit(laplacian.perturbation_norms)
raised = jax.jit(coarsen.raise_contrast, static_argnums=1)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, K))
def test_costs_are_networkx_cuts_over_volumes(seed, k):
    weights = random_graph(seed, n=12, density=0.7)
    labels = np.random.default_rng(seed).integers(k, size=12)
    graph = nx.from_numpy_array(weights.astype(np.float64))
    costs = costs_of(weights, labels, MASK)
    for group in range(K):  # an empty one costs nothing
        members = set(np.flatnonzero(labels == group).tolist())
        volume = nx.volume(graph, members, weight="weight")
        cut = nx.cut_size(graph, members, weight="weight")
        expected = cut / volume if volume else 0.0
        assert abs(float(costs[group]) - expected) < 1e-5


def test_costs_count_only_the_subgraph():
    weights = random_graph(1, n=12)
    mask = np.arange(12) < 8
    labels = (np.arange(12) % 2).astype(np.int32)
    inside = np.where(np.outer(mask, mask), weights, 0)
    alone = costs_of(inside, labels, MASK)
    np.testing.assert_allclose(costs_of(weights, labels, mask), alone, rtol=1e-5)


@pytest.mark.parametrize("min_size", [1, 4, 6, 7])
def test_the_best_threshold_is_the_best_that_leaves_both_groups_enough(min_size):
    for seed in range(6):
        weights = random_graph(seed, n=12, density=0.4)
        exact = weights.astype(np.float64)
        rng = np.random.default_rng(seed)
        vector = rng.normal(size=12).astype(np.float32)
        mask = np.arange(12) < 12 - seed % 2
        best = np.asarray(
            best_threshold(weights, vector, mask, vector, min_size=min_size)
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
    constant = np.ones(12, np.float32)
    assert not best_threshold(
        random_graph(3, n=12), constant, MASK, constant, min_size=1
    ).any()


def test_perturbation_norms_agree_with_float64():
    weights = random_graph(4, n=12)
    labels = np.array([0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3])  # 3: a group of one
    ideal = (labels[:, None] == labels[None, :]).astype(float) - np.eye(12)
    difference = normalized_laplacian(weights) - normalized_laplacian(ideal)
    operator, frobenius = perturbation_norms(weights, labels, MASK)
    assert abs(float(operator) - np.linalg.norm(difference, 2)) < 1e-5
    assert abs(float(frobenius) - np.linalg.norm(difference)) < 1e-5


def test_the_ideal_graph_has_no_perturbation():
    weights = block_graph([4, 5, 3], across=0.0)
    labels = np.repeat([0, 1, 2], [4, 5, 3])
    operator, frobenius = perturbation_norms(weights, labels, MASK)
    assert float(operator) < 1e-6
    assert float(frobenius) < 1e-6


def coarse_graph(weights, sizes):
    spectrum = eigen.EigenOutput(jnp.zeros(1), jnp.zeros((12, 1)), jnp.zeros(1))
    weights = jnp.asarray(weights, jnp.float32)
    return coarsen.CoarseGraph(weights, jnp.asarray(sizes), jnp.arange(12), spectrum)


def test_contrast_raises_mean_weights_and_keeps_sizes():
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
def test_contrast_does_not_depend_on_the_scale_of_the_weights(scale):
    weights = random_graph(6, n=12)
    sizes = np.ones(12, np.float32)
    sharp, scaled = (
        np.asarray(
            coarsen.raise_contrast(coarse_graph(weights * s, sizes), 10.0).weights
        )
        for s in (1, scale)
    )
    np.testing.assert_allclose(scaled / scaled.max(), sharp / sharp.max(), atol=1e-5)
