"""Derivatives where eigenvalues agree or lie close, and at any magnitude."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from graphs import block_graph, random_graph

from uhseg_jax.spectral import eigen
from uhseg_jax.spectral.affinity import CosineAffinity, DenseAffinity
from uhseg_jax.spectral.operators import AdjacencyOperator, MatrixOperator

N = 12
RNG = np.random.default_rng(0)
VECTORS = np.linalg.qr(RNG.normal(size=(N, N)))[0]
TARGET = RNG.normal(size=(N, N)).astype(np.float32)


def matrix_of(values):
    """Of N given eigenvalues, float32."""
    return jnp.asarray(VECTORS @ np.diag(values) @ VECTORS.T, np.float32)


def operator_of(matrix):
    return MatrixOperator(matrix, jnp.ones((N,), bool))


def of_projector(matrix, q=3):
    return jnp.sum(TARGET * eigen.leading_subspace(operator_of(matrix), q).projector())


@pytest.mark.parametrize("first", [0.0, -0.2])
def test_gaps_are_closed_relative_to_all_eigenvalues_not_to_those_that_lead(first):
    # As of minus a Laplacian: the leading eigenvalues are 0, or negative.
    values = np.concatenate([[first, first], np.linspace(-0.5, -1, 10)])
    matrix = matrix_of(values)

    def of_a_vector(matrix):
        return jnp.sum(eigen.solve_dense(operator_of(matrix), 3).vectors[:, 1] ** 4)

    @jax.jit
    def gradients(matrix):
        closed, still_open = (jax.grad(of_projector)(matrix, q) for q in (1, 2))
        return jax.grad(of_a_vector)(matrix), closed, still_open

    each, closed, still_open = gradients(matrix)
    assert np.isnan(each).any()
    assert np.isnan(closed).any()
    assert np.isfinite(still_open).all()


def test_gradients_are_those_of_the_loss_at_any_magnitude():
    @jax.jit
    def gradient(factor, matrix):
        return jax.grad(lambda x: factor * of_projector(x))(matrix)

    values = np.linspace(1, -0.9, 12)
    expected = gradient(1.0, matrix_of(values))
    for factor in (1e-25, 1e25):
        scaled = gradient(factor, matrix_of(values)) / factor
        np.testing.assert_allclose(scaled, expected, atol=1e-5)
        of_scaled = gradient(1.0, matrix_of(factor * values)) * factor
        np.testing.assert_allclose(of_scaled, expected, atol=1e-5)


@pytest.mark.slow
@pytest.mark.usefixtures("float64")
def test_second_derivatives_where_eigenvalues_agree_are_right_or_nan():
    weights = jnp.asarray(block_graph([3] * 4).astype(np.float64))
    moved = jnp.asarray(random_graph(1, n=N).astype(np.float64)) - 0.5

    def by_values(weights):
        operator = AdjacencyOperator.of(DenseAffinity(weights))
        return jnp.sum(eigen.leading_subspace(operator, 4).values)

    def by_trace(weights):
        operator = AdjacencyOperator.of(DenseAffinity(weights))
        vectors = eigen.leading_subspace(operator, 4).vectors
        return jnp.sum(vectors * operator.matmat(vectors))

    def twice(function):
        def first(x):
            return jax.jvp(function, (x,), (moved,))[1]

        forward = jax.jvp(first, (weights,), (moved,))[1]
        return jax.jit(lambda: (forward, jnp.sum(jax.grad(first)(weights) * moved)))()

    forward, backward = twice(by_values)
    assert np.isnan(forward)
    expected = np.array(
        [float(by_values(weights + s * moved)) for s in (-1e-4, 0, 1e-4)]
    )
    expected = (expected[0] - 2 * expected[1] + expected[2]) / 1e-8
    np.testing.assert_allclose([backward, *twice(by_trace)], expected, rtol=1e-4)


def test_single_vectors_of_an_eigenvalue_have_no_derivative_and_their_span_has():
    matrix = matrix_of([1, 0.7, 0.7, *np.linspace(0.4, -0.5, 9)])

    def loss(matrix, factor):
        vectors = eigen.solve_dense(operator_of(matrix), 3).vectors
        single = jnp.sum(TARGET[0] * vectors[:, 2])
        return jnp.sum(TARGET * (vectors @ vectors.T)) + factor * single

    vectors = np.asarray(eigen.solve_dense(operator_of(matrix), 3).vectors)
    span = np.abs(vectors.T @ (TARGET + TARGET.T) @ vectors).max()
    single = np.abs(vectors[:, 1] @ TARGET[0])
    gradient = jax.jit(jax.grad(loss))
    for share, finite in ((0.0, True), (1e-6, True), (6e-5, False), (1.0, False)):
        found = gradient(matrix, jnp.float32(share * span / single))
        assert np.isfinite(found).all() == finite
    moved = jnp.asarray(random_graph(1, n=N))
    _, forward = jax.jvp(lambda x: loss(x, 0.0), (matrix,), (moved,))
    assert np.isnan(forward)


@pytest.mark.usefixtures("float64")
def test_pairs_of_a_flat_spectrum_are_found_to_float_accuracy():
    features = RNG.normal(size=(60, 40)) + 1

    @jax.jit
    def residuals(features):
        operator = AdjacencyOperator.of(CosineAffinity.from_features(features))
        span = eigen.leading_subspace(operator, 3)
        off = operator.matmat(span.vectors) - span.vectors * span.values[None, :]
        return jnp.linalg.norm(off, axis=0)

    for dtype in (np.float32, np.float64):
        assert residuals(jnp.asarray(features, dtype)).max() < 40 * np.finfo(dtype).eps
