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


def reference(weights, q):
    """Smallest eigenpairs of the Laplacian by LAPACK in float64."""
    return scipy.linalg.eigh(normalized_laplacian(weights), subset_by_index=[0, q - 1])


def span_error(vectors, reference_vectors):
    """Sine of the largest angle between two spans."""
    u, v = np.asarray(vectors, np.float64), np.asarray(reference_vectors)
    return np.linalg.norm(v - u @ (u.T @ v), 2)


@pytest.mark.parametrize(
    "features",
    [
        clustered_features(0, n=300),
        acute_features(1, n=300),
        clustered_features(2, n=9),
    ],
    ids=["clustered", "acute", "fewer vertices than channels"],
)
def test_matrix_free_eigenvalues_agree_with_float64(features):
    q = 6
    graph = affinity.CosineAffinity.from_features(jnp.asarray(features))
    output = eigen.leading_eigenvectors(graph, q, num_refinements=2)
    values, _ = reference(dense_weights(features), q)
    # Weights are relative to 1/r; an eigenvalue's error is at most the residual.
    tolerance = 2e-5 / min(1, float(graph.max_distance))
    np.testing.assert_allclose(1 - output.values, values, atol=tolerance)
    gram = np.asarray(output.vectors).T @ np.asarray(output.vectors)
    np.testing.assert_allclose(gram, np.eye(q), atol=2e-5)


def test_leading_span_agrees_with_float64():
    features = clustered_features(5, n=400, groups=4, noise=0.2)
    graph = affinity.CosineAffinity.from_features(jnp.asarray(features))
    output = eigen.leading_eigenvectors(graph, 4)
    _, vectors = reference(dense_weights(features), 4)
    assert span_error(output.vectors, vectors) < 1e-3


def test_residuals_are_those_of_the_dense_matrix():
    features = clustered_features(6, n=200)
    graph = affinity.CosineAffinity.from_features(jnp.asarray(features))
    output = eigen.leading_eigenvectors(graph, 8)
    adjacency = np.eye(200) - normalized_laplacian(dense_weights(features))
    vectors = np.asarray(output.vectors, np.float64)
    residuals = adjacency @ vectors - vectors * np.asarray(output.values, np.float64)
    np.testing.assert_allclose(
        output.residuals, np.linalg.norm(residuals, axis=0), atol=2e-6
    )


def test_refinement_lowers_the_residuals():
    features = clustered_features(7, n=300, d=6, noise=1.0)
    graph = affinity.CosineAffinity.from_features(jnp.asarray(features))
    plain = eigen.leading_eigenvectors(graph, 4, num_refinements=0)
    refined = eigen.leading_eigenvectors(graph, 4, num_refinements=1)
    assert float(jnp.max(refined.residuals)) < 0.5 * float(jnp.max(plain.residuals))


def test_rank_deficient_features_leave_zero_columns():
    features = np.repeat(np.eye(3, 8, dtype=np.float32), 20, axis=0)
    graph = affinity.CosineAffinity.from_features(jnp.asarray(features))
    output = eigen.leading_eigenvectors(graph, 12)
    norms = np.linalg.norm(output.vectors, axis=0)
    assert np.isfinite(np.asarray(output.vectors)).all()
    assert np.all((abs(norms - 1) < 1e-4) | (norms < 1e-4))
    assert (norms[:3] > 0.9).all()
    np.testing.assert_allclose(
        output.values[:3], 1 - reference(dense_weights(features), 3)[0], atol=1e-5
    )


@pytest.mark.parametrize("size", [1, 2, 7, 20])
def test_subgraph_spectrum_ignores_padding(size):
    weights = random_graph(3, n=20)
    mask = np.zeros(20, bool)
    mask[np.random.default_rng(size).permutation(20)[:size]] = True
    q = min(5, size)
    output = eigen.subgraph_spectrum(jnp.asarray(weights), jnp.asarray(mask), 5)
    inside = weights[np.ix_(mask, mask)]
    expected = np.linalg.eigvalsh(
        np.eye(size) * (size > 1) - normalized_laplacian(inside)
    )
    np.testing.assert_allclose(output.values[:q], expected[::-1][:q], atol=1e-5)
    assert (np.asarray(output.values)[q:] == -2).all()
    assert np.abs(np.asarray(output.vectors)[~mask][:, :q]).max(initial=0) < 1e-5


def test_the_sign_of_a_vector_does_not_depend_on_the_solver():
    features = clustered_features(8, n=120)
    graph = affinity.CosineAffinity.from_features(jnp.asarray(features))
    dense = affinity.DenseAffinity(jnp.asarray(dense_weights(features), jnp.float32))
    ours = eigen.leading_eigenvectors(graph, 4).vectors
    theirs = eigen.leading_eigenvectors(dense, 4).vectors
    assert (np.sum(np.asarray(ours) * np.asarray(theirs), axis=0) > 0.99).all()
