import jax
import jax.numpy as jnp
import numpy as np
import pytest
from graphs import acute_features, clustered_features, dense_weights

from uhseg_jax.spectral import affinity

FEATURES = {
    "some cosines negative (1 - 1/r > 0)": clustered_features(0),
    "all cosines positive (1 - 1/r < 0)": acute_features(1),
    "nearly alike (cancellation)": acute_features(2) * np.float32([1] + [0.1] * 11),
    "wider than long": clustered_features(3, n=20, d=64),
}
EPS = np.finfo(np.float32).eps


@pytest.fixture(params=FEATURES, ids=str)
def features(request) -> np.ndarray:
    return FEATURES[request.param]


def operators(features):
    low_rank = affinity.CosineAffinity.from_features(jnp.asarray(features))
    dense = affinity.DenseAffinity(jnp.asarray(dense_weights(features), jnp.float32))
    return low_rank, dense


def absolute_terms(low_rank, x):
    """Summed absolute terms of the low-rank product: what round-off is relative to."""
    unit = np.abs(np.asarray(low_rank.features, np.float64))
    r = float(low_rank.max_distance)
    x = np.abs(x.astype(np.float64))
    return abs(1 - 1 / r) * x.sum(0) + unit @ (unit.T @ x) / r + x


def test_sign_of_the_constant_term_is_as_the_cases_say():
    signs = [
        1
        - 1 / float(affinity.CosineAffinity.from_features(jnp.asarray(f)).max_distance)
        for f in FEATURES.values()
    ]
    assert signs[0] > 0 > signs[1]
    assert signs[2] < -10


def test_max_distance_is_that_of_all_pairs(features):
    unit = features.astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    low_rank, _ = operators(features)
    expected = (1 - unit @ unit.T).max()
    assert abs(float(low_rank.max_distance) - expected) <= 8 * EPS


def test_max_distance_does_not_depend_on_the_tile(monkeypatch):
    unit = affinity.CosineAffinity.from_features(
        jnp.asarray(clustered_features(4, n=101))
    ).features
    whole = affinity.max_cosine_distance(unit)
    monkeypatch.setattr(affinity, "_TILE", 7)
    assert abs(float(affinity.max_cosine_distance(unit) - whole)) <= 2 * EPS


def test_products_equal_the_dense_ones(features):
    low_rank, _ = operators(features)
    x = np.random.default_rng(0).normal(size=(len(features), 3)).astype(np.float32)
    exact = dense_weights(features) @ x.astype(np.float64)
    error = np.abs(np.asarray(low_rank.matmat(jnp.asarray(x))) - exact)
    # r itself is known to a few eps, which scales every term of 1/r once more.
    bound = 32 * EPS * absolute_terms(low_rank, x) / float(low_rank.max_distance)
    assert (error <= bound).all()


def test_degrees_equal_the_dense_ones(features):
    low_rank, dense = operators(features)
    exact = dense_weights(features).sum(1)
    ones = np.ones((len(features), 1))
    bound = 32 * EPS * absolute_terms(low_rank, ones) / float(low_rank.max_distance)
    assert (np.abs(np.asarray(low_rank.degrees()) - exact) <= bound[:, 0]).all()
    np.testing.assert_allclose(dense.degrees(), exact, rtol=1e-5)


@pytest.mark.parametrize("m", [1, 7, 30])
def test_condensed_graphs_equal_the_dense_ones(features, m):
    low_rank, dense = operators(features)
    assignment = np.random.default_rng(m).integers(m, size=len(features))
    groups = np.eye(m)[assignment]
    exact = groups.T @ dense_weights(features) @ groups
    np.fill_diagonal(exact, 0)
    sizes = groups.sum(0)
    unit = np.abs(np.asarray(low_rank.features, np.float64))
    r = float(low_rank.max_distance)
    sums = groups.T @ unit
    terms = abs(1 - 1 / r) * np.outer(sizes, sizes) + sums @ sums.T / r
    ours = np.asarray(low_rank.condense(jnp.asarray(assignment, jnp.int32), m))
    assert (np.abs(ours - exact) <= 32 * EPS * terms / r).all()
    assert (np.diag(ours) == 0).all()
    np.testing.assert_allclose(
        dense.condense(jnp.asarray(assignment, jnp.int32), m),
        exact,
        rtol=1e-4,
        atol=1e-4,
    )


def test_constant_features_have_weight_one_everywhere():
    graph = affinity.CosineAffinity.from_features(jnp.ones((6, 4), jnp.float32) * 3)
    assert bool(graph.is_constant)
    np.testing.assert_allclose(
        graph.matmat(jnp.eye(6, dtype=jnp.float32)), 1 - np.eye(6), atol=1e-6
    )


def test_jit_equals_eager(features):
    def degrees(x):
        return affinity.CosineAffinity.from_features(x).degrees()

    eager, jitted = degrees(jnp.asarray(features)), jax.jit(degrees)(features)
    low_rank, _ = operators(features)
    bound = 32 * EPS * absolute_terms(low_rank, np.ones((len(features), 1)))[:, 0]
    assert (np.abs(np.asarray(eager - jitted)) <= bound / low_rank.max_distance).all()
