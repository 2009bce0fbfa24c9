"""Lanczos' eigenpairs against LAPACK in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from graphs import block_graph, normalized_laplacian, random_graph

from uhseg_jax.spectral import eigen, laplacian
from uhseg_jax.spectral.operators import MatrixOperator

N, Q = 40, 4
EPS = float(np.finfo(np.float32).eps)


def clustered_graph(sizes, across, seed=0):
    """Groups of vertices, no two pairs alike."""
    noise = 1 + random_graph(seed, n=sum(sizes))
    return block_graph(sizes, across=across) * noise


def adjacency_and_known(weights):
    """M = D^-1/2 W D^-1/2 in float64, and its eigenvector of eigenvalue 1."""
    degrees = weights.astype(np.float64).sum(1)
    adjacency = np.diag(degrees > 0).astype(np.float64) - normalized_laplacian(weights)
    known = np.sqrt(degrees)
    return adjacency, (known / np.linalg.norm(known))[:, None]


@jax.jit
def pairs(operator, known, seed):
    operator = MatrixOperator(operator, jnp.ones(operator.shape[:1], bool))
    key = jax.random.key(seed)
    return eigen.solve_lanczos(operator, Q, key=key, known=known, num_steps=24)


def found_pairs(operator, known, *, seed=0):
    """Pairs in float32, with what must hold of all of them: pairs, known ones apart."""
    output = pairs(operator.astype(np.float32), known.astype(np.float32), seed)
    values, vectors = (
        np.asarray(x, np.float64) for x in (output.values, output.vectors)
    )
    present = np.linalg.norm(vectors, axis=0) > 0.5
    # Those that are not there come last, and are zero.
    assert (np.diff(present.astype(int)) <= 0).all()
    assert (vectors[:, ~present] == 0).all()
    assert (values[~present] == 0).all()
    gram = vectors[:, present].T @ vectors[:, present]
    np.testing.assert_allclose(gram, np.eye(present.sum()), atol=2e-5)
    np.testing.assert_allclose(known.T @ vectors, 0, atol=1e-5)
    assert (np.diff(values[present]) <= EPS).all()
    residuals = np.linalg.norm(operator @ vectors - vectors * values, axis=0)
    np.testing.assert_allclose(output.residuals, residuals, atol=16 * EPS)
    return values, vectors, residuals, int(present.sum())


def reference(operator, known, q):
    """The q largest eigenpairs beside the known ones, which sort last."""
    beside = operator - 3 * known @ known.T
    values, vectors = scipy.linalg.eigh(beside)
    return values[::-1][:q], vectors[:, ::-1][:, :q]


@pytest.mark.parametrize(
    ("weights", "reliable"),
    [
        (clustered_graph([16, 14, 10], 0.02), 2),
        (clustered_graph([20, 8, 7, 5], 0.1, seed=1), 3),
        (random_graph(2, n=N), 1),
        (random_graph(3, n=N, density=0.2), 2),
    ],
    ids=["three groups", "four groups", "dense", "sparse"],
)
def test_leading_pairs_of_graphs_are_those_of_lapack(weights, reliable):
    adjacency, known = adjacency_and_known(weights)
    values, vectors, residuals, count = found_pairs(adjacency, known)
    exact, exact_vectors = reference(adjacency, known, 5)
    assert count == 4
    for i in range(reliable):
        assert residuals[i] < 1e-4
        # An eigenvalue is off by at most the residual's square over the gap.
        assert abs(values[i] - exact[i]) < 4e-6
        gap = np.abs(np.delete(exact, i) - exact[i]).min()
        axis = exact_vectors[:, i]
        sine = np.linalg.norm(vectors[:, i] - axis * (axis @ vectors[:, i]))
        assert sine < 2 * (residuals[i] + 8 * EPS) / gap


def test_more_steps_than_vertices_find_every_pair():
    # Five vertices and thirty-five of no part: four pairs beside the known one.
    weights = np.zeros((N, N), np.float32)
    weights[:5, :5] = clustered_graph([3, 2], 0.3, seed=4)
    adjacency, known = adjacency_and_known(weights)
    values, _, residuals, count = found_pairs(adjacency, known)
    assert count == 4
    exact, _ = reference(adjacency[:5, :5], known[:5], 4)
    np.testing.assert_allclose(values, exact, atol=8 * EPS)
    assert residuals.max() < 32 * EPS


def test_a_part_of_its_own_is_found_beside_the_known_vector():
    # Three parts: the eigenvalue 1 three times, one of them known.
    weights = clustered_graph([16, 14, 10], 0.0)
    adjacency, known = adjacency_and_known(weights)
    values, vectors, residuals, _ = found_pairs(adjacency, known)
    assert abs(values[0] - 1) < 8 * EPS
    assert residuals[0] < 1e-5
    degrees = weights.sum(1)
    parts = np.split(vectors[:, 0] / np.sqrt(degrees), [16, 30])
    assert all(np.ptp(part) < 1e-4 for part in parts)
    means = np.array([part.mean() for part in parts])
    assert np.ptp(means) > 0.01


def test_vertices_without_edges_stay_out():
    weights = np.zeros((N, N), np.float32)
    inside = np.flatnonzero(np.arange(N) % 4 != 1)
    weights[np.ix_(inside, inside)] = clustered_graph([12, 10, 8], 0.05)
    adjacency, known = adjacency_and_known(weights)
    values, vectors, _, _ = found_pairs(adjacency, known)
    np.testing.assert_allclose(values[:2], reference(adjacency, known, 2)[0], atol=4e-6)
    assert (np.delete(vectors, inside, axis=0) == 0).all()


def test_masked_vertices_are_no_part_of_the_graph():
    weights = np.full((N, N), 7, np.float32)
    mask = np.arange(N) < 30
    weights[:30, :30] = clustered_graph([12, 10, 8], 0.05)
    adjacency = np.asarray(
        laplacian.normalized_adjacency(jnp.asarray(weights), jnp.asarray(mask)),
        np.float64,
    )
    small, known = adjacency_and_known(weights[:30, :30])
    known = np.pad(known, ((0, 10), (0, 0)))
    values, vectors, _, _ = found_pairs(adjacency, known)
    exact, _ = reference(small, known[:30], 2)
    np.testing.assert_allclose(values[:2], exact, atol=4e-6)
    assert (vectors[30:] == 0).all()


def low_rank(eigenvalues, seed=5):
    basis, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(N, N)))
    basis = basis[:, : len(eigenvalues)]
    return (basis * np.array(eigenvalues)) @ basis.T, basis


@pytest.mark.parametrize("others", [[], [0.5], [0.5, 0.2, -0.3]])
def test_a_space_that_ends_early_leaves_zero_vectors(others):
    operator, basis = low_rank([1, *others])
    values, vectors, residuals, count = found_pairs(operator, basis[:, :1])
    assert count == len(others)
    np.testing.assert_allclose(values[:count], others, atol=8 * EPS)
    along = np.abs(np.sum(vectors[:, :count] * basis[:, 1:], axis=0))
    np.testing.assert_allclose(along, 1, atol=1e-5)
    assert residuals.max() < 32 * EPS


def test_an_eigenvalue_of_all_vectors_is_found_once():
    # A complete graph: every vector beside the known one has eigenvalue -1 / (n - 1).
    weights = np.ones((N, N), np.float32) - np.eye(N, dtype=np.float32)
    adjacency, known = adjacency_and_known(weights)
    values, _, residuals, count = found_pairs(adjacency, known)
    assert count >= 1
    np.testing.assert_allclose(values[:count], -1 / (N - 1), atol=4 * EPS)
    assert residuals.max() < 16 * EPS


def test_zero_columns_are_no_known_vectors():
    operator, basis = low_rank([0.9, -0.6, 0.3])
    values, _, _, count = found_pairs(operator, np.zeros((N, 1)))
    assert count == 3
    np.testing.assert_allclose(values, [0.9, 0.3, -0.6, 0], atol=8 * EPS)
    # Several may be known, too.
    values, vectors, _, count = found_pairs(operator, basis[:, :2])
    assert count == 1
    np.testing.assert_allclose(values, [0.3, 0, 0, 0], atol=8 * EPS)
    assert abs(vectors[:, 0] @ basis[:, 2]) > 1 - 1e-5


def test_the_key_does_not_matter_to_what_has_converged():
    adjacency, known = adjacency_and_known(clustered_graph([16, 14, 10], 0.02))
    first, second = (found_pairs(adjacency, known, seed=seed) for seed in (0, 1))
    np.testing.assert_allclose(first[0][:2], second[0][:2], atol=4e-6)
    np.testing.assert_allclose(first[1][:, :2], second[1][:, :2], atol=1e-3)
