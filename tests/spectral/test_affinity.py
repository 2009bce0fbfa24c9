import jax
import jax.numpy as jnp
import numpy as np
import pytest
from graphs import acute_features, clustered_features, dense_weights

from uhseg_jax.spectral import affinity

N, D = 90, 16
FEATURES = {
    "some cosines negative (1 - 1/r > 0)": clustered_features(0, n=N, d=D),
    "all cosines positive (1 - 1/r < 0)": acute_features(1, n=N, d=D),
    "nearly alike (cancellation)": acute_features(2, n=N, d=D)
    * np.float32([1] + [0.1] * (D - 1)),
    "wider than long": clustered_features(3, n=20, d=64),
}
EPS = np.finfo(np.float32).eps
M = 30  # groups, some of them empty


def everything(features, weights, x, assignment):
    """What both kinds of affinity say of the same graph: one program for a shape."""
    low_rank = affinity.CosineAffinity.from_features(features)
    dense = affinity.DenseAffinity(weights)
    return low_rank, [
        (graph.matmat(x), graph.degrees(), graph.condense(assignment, M))
        for graph in (low_rank, dense)
    ]


jitted = jax.jit(everything)


@pytest.fixture(params=FEATURES, ids=str)
def case(request):
    """Features, their exact weights and numbers to multiply them with."""
    features = FEATURES[request.param]
    x = np.random.default_rng(0).normal(size=(len(features), 3)).astype(np.float32)
    return features, dense_weights(features), x


def arguments(case, num_groups=M):
    features, exact, x = case
    assignment = np.random.default_rng(1).integers(num_groups, size=len(features))
    return jax.tree.map(
        jnp.asarray, (features, np.float32(exact), x, np.int32(assignment))
    )


def absolute_terms(low_rank, x):
    """Summed absolute terms of the low-rank product: what round-off is relative to."""
    unit = np.abs(np.asarray(low_rank.features, np.float64))
    r = float(low_rank.max_distance)
    x = np.abs(x.astype(np.float64))
    # r itself is known to a few eps, which scales every term of 1/r once more.
    return (abs(1 - 1 / r) * x.sum(0) + unit @ (unit.T @ x) / r + x) / r


def test_sign_of_the_constant_term_is_as_the_cases_say():
    signs = [1 - 1 / (1 - unit_cosines(f)).max() for f in FEATURES.values()]
    assert signs[0] > 0 > signs[1]
    assert signs[2] < -10


def unit_cosines(features):
    unit = features.astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    return unit @ unit.T


def test_products_degrees_and_distance_are_the_exact_ones(case):
    features, exact, x = case
    low_rank, outputs = jitted(*arguments(case))
    expected = (1 - unit_cosines(features)).max()
    assert abs(float(low_rank.max_distance) - expected) <= 8 * EPS
    (product, degrees, _), (dense_product, dense_degrees, _) = outputs
    bound = 32 * EPS * absolute_terms(low_rank, x)
    assert (np.abs(product - exact @ x.astype(np.float64)) <= bound).all()
    np.testing.assert_allclose(dense_product, exact @ x, atol=1e-4)
    bound = 32 * EPS * absolute_terms(low_rank, np.ones((len(x), 1)))[:, 0]
    assert (np.abs(degrees - exact.sum(1)) <= bound).all()
    np.testing.assert_allclose(dense_degrees, exact.sum(1), rtol=1e-5)


@pytest.mark.parametrize("num_groups", [1, 7, M])
def test_condensed_graphs_are_the_exact_ones(case, num_groups):
    args = arguments(case, num_groups)
    groups = np.eye(M)[args[-1]]
    exact = groups.T @ case[1] @ groups
    np.fill_diagonal(exact, 0)
    low_rank, ((_, _, ours), (_, _, dense)) = jitted(*args)
    unit = np.abs(np.asarray(low_rank.features, np.float64))
    r, sizes, sums = float(low_rank.max_distance), groups.sum(0), groups.T @ unit
    terms = abs(1 - 1 / r) * np.outer(sizes, sizes) + sums @ sums.T / r
    assert (np.abs(ours - exact) <= 32 * EPS * terms / r).all()
    assert (np.diag(ours) == 0).all()
    np.testing.assert_allclose(dense, exact, rtol=1e-4, atol=1e-4)


def test_constant_features_have_weight_one_everywhere():
    features = jnp.ones((N, D), jnp.float32) * 3
    x = jnp.eye(N, 3, dtype=jnp.float32)
    low_rank, ((product, *_), _) = jitted(
        features, jnp.zeros((N, N)), x, jnp.zeros(N, jnp.int32)
    )
    assert bool(low_rank.is_constant)
    np.testing.assert_allclose(product, 1 - np.eye(N, 3), atol=1e-6)


def test_jit_equals_eager():
    case = FEATURES["wider than long"]
    case = case, dense_weights(case), np.ones((len(case), 1), np.float32)
    (graph, eager), (_, compiled) = (f(*arguments(case)) for f in (everything, jitted))
    bound = 32 * EPS * absolute_terms(graph, case[2])
    assert (np.abs(np.asarray(eager[0][0] - compiled[0][0])) <= bound).all()
