"""Leading eigenpairs, by products and of whole matrices, against float64 LAPACK."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from graphs import (
    acute_features,
    clustered_features,
    dense_weights,
    normalized_laplacian,
    random_graph,
)

from uhseg_jax.spectral import affinity, eigen
from uhseg_jax.spectral.operators import AdjacencyOperator, MatrixOperator

N, Q = 200, 6  # of most graphs here: one program for all of them
FEATURES = {
    "clustered": clustered_features(0, n=N, d=8),
    "acute": acute_features(1, n=N, d=8),
    "few groups": clustered_features(5, n=N, d=8, groups=4, noise=0.2),
    "noise": clustered_features(7, n=N, d=8, noise=1.0),
    "fewer vertices than channels": clustered_features(2, n=8, d=8),
}


@jax.jit
def leading(features):
    graph = affinity.CosineAffinity.from_features(features)
    return eigen.leading_eigenvectors(graph, Q), graph.max_distance


@functools.partial(jax.jit, static_argnames=("q", "max_steps"))
def krylov(features, *, q, max_steps):
    graph = affinity.CosineAffinity.from_features(features)
    operator = AdjacencyOperator.of(graph)
    return eigen.solve_block_krylov(
        operator, q, basis=operator.range_basis(q), max_steps=max_steps, tolerance=1e-6
    )


def reference(weights, q):
    """Smallest eigenpairs of the Laplacian by LAPACK in float64."""
    return scipy.linalg.eigh(normalized_laplacian(weights), subset_by_index=[0, q - 1])


@pytest.mark.parametrize("name", FEATURES)
def test_matrix_free_eigenpairs_agree_with_float64(name):
    weights = dense_weights(FEATURES[name])
    output, max_distance = leading(FEATURES[name])
    values, vectors = reference(weights, Q)
    # Weights are relative to 1/r; an eigenvalue's error is at most the residual.
    tolerance = 2e-5 / min(1, float(max_distance))
    np.testing.assert_allclose(1 - output.values, values, atol=tolerance)
    found = np.asarray(output.vectors, np.float64)
    np.testing.assert_allclose(found.T @ found, np.eye(Q), atol=2e-5)
    # Residuals are those of the dense matrix.
    adjacency = np.eye(len(weights)) - normalized_laplacian(weights)
    residuals = adjacency @ found - found * np.asarray(output.values, np.float64)
    np.testing.assert_allclose(
        output.residuals, np.linalg.norm(residuals, axis=0), atol=0.1 * tolerance
    )
    if name == "few groups":  # the sine of the largest angle between the two spans
        u, v = found[:, :4], vectors[:, :4]
        assert np.linalg.norm(v - u @ (u.T @ v), 2) < 1e-3


def test_steps_lower_the_residuals_to_the_tolerance():
    plain, refined = (
        krylov(FEATURES["noise"], q=4, max_steps=count).residuals for count in (0, 30)
    )
    assert float(jnp.max(plain)) > 1e-4
    assert float(jnp.max(refined)) <= 1e-6


def smooth_features(n, d, seed=0):
    """Rows of many channels that vary in few directions, as those of patches do."""
    rng = np.random.default_rng(seed)
    scale = np.exp(-np.arange(d) / 12)
    rows = rng.normal(size=(n, d)) * scale + 0.5 * scale
    return (rows @ np.linalg.qr(rng.normal(size=(d, d)))[0]).astype(np.float32)


def test_a_start_in_few_directions_ends_at_the_whole_operator_s_eigenpairs():
    features = smooth_features(320, 300)
    weights = dense_weights(features)
    output = krylov(features, q=20, max_steps=8)
    values, vectors = reference(weights, 20)
    np.testing.assert_allclose(1 - output.values, values, atol=4e-6)
    u, v = np.asarray(output.vectors, np.float64)[:, :12], vectors[:, :12]
    gap = values[12] - values[11]
    sine = np.linalg.norm(v - u @ (u.T @ v), 2)
    assert sine < 2 * np.linalg.norm(output.residuals[:12]) / gap + 1e-4


def test_rank_deficient_features_leave_zero_columns():
    features = np.repeat(np.eye(4, 8, dtype=np.float32), N // 4, axis=0)
    output, _ = leading(features)
    norms = np.linalg.norm(output.vectors, axis=0)
    assert np.isfinite(np.asarray(output.vectors)).all()
    assert np.all((abs(norms - 1) < 1e-4) | (norms < 1e-4))
    assert (norms[:4] > 0.9).all()
    np.testing.assert_allclose(
        output.values[:4], 1 - reference(dense_weights(features), 4)[0], atol=1e-5
    )


@jax.jit
def of_subgraph(weights, mask):
    return eigen.solve_dense(MatrixOperator.of_subgraph(weights, mask), 5)


@pytest.mark.parametrize("size", [1, 2, 7, 20])
def test_the_spectrum_of_a_subgraph_ignores_padding(size):
    weights = random_graph(3, n=20)
    mask = np.zeros(20, bool)
    mask[np.random.default_rng(size).permutation(20)[:size]] = True
    q = min(5, size)
    output = of_subgraph(weights, mask)
    inside = weights[np.ix_(mask, mask)]
    expected = np.linalg.eigvalsh(
        np.eye(size) * (size > 1) - normalized_laplacian(inside)
    )
    np.testing.assert_allclose(output.values[:q], expected[::-1][:q], atol=1e-5)
    assert (np.asarray(output.values)[q:] == eigen.ABSENT).all()
    np.testing.assert_array_equal(eigen.is_present(output.values), np.arange(5) < q)
    assert np.abs(np.asarray(output.vectors)[~mask][:, :q]).max(initial=0) < 1e-5


def test_the_sign_of_a_vector_does_not_depend_on_the_solver():
    features = FEATURES["few groups"]
    weights = jnp.asarray(dense_weights(features), jnp.float32)
    ours = leading(features)[0].vectors[:, :4]
    dense = jax.jit(lambda w: eigen.leading_eigenvectors(affinity.DenseAffinity(w), 4))
    theirs = dense(weights).vectors
    assert (np.sum(np.asarray(ours) * np.asarray(theirs), axis=0) > 0.99).all()
