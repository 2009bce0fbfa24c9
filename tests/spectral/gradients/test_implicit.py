"""Derivatives of eigenvalues, vectors and spans, against eigh and finite differences.

In float64, so that they are compared to many digits, and in float32 where it is about
rounding.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from graphs import block_graph, clustered_features, random_graph

from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.spectral import eigen, numerics
from uhseg_jax.spectral.affinity import CosineAffinity, DenseAffinity
from uhseg_jax.spectral.operators import AdjacencyOperator, MatrixOperator
from uhseg_jax.types import Array, Float

N, D, Q = 40, 6, 3
RNG = np.random.default_rng(0)
FEATURES = clustered_features(0, n=N, d=D).astype(np.float64)
TARGET = RNG.normal(size=(N, N))
MOVED = RNG.normal(size=(N, D))


def span_of(features):
    graph = CosineAffinity.from_features(features)
    return eigen.leading_subspace(AdjacencyOperator.of(graph), Q)


def spectrum_of(features):
    """The same by its definition and JAX's own decomposition of the whole matrix."""
    units = features / jnp.linalg.norm(features, axis=1, keepdims=True)
    distances = 1 - units @ units.T
    weights = jnp.where(jnp.eye(N, dtype=bool), 0, 1 - distances / jnp.max(distances))
    scale = jnp.sum(weights, axis=1) ** -0.5
    values, vectors = jnp.linalg.eigh(scale[:, None] * weights * scale[None, :])
    return values[::-1], vectors[:, ::-1]


def ours(features):
    """Three functions of span, values and gap."""
    span = span_of(features)
    scales = jnp.arange(1, Q + 1, dtype=features.dtype)
    target = jnp.asarray(TARGET, features.dtype)
    return jnp.stack(
        [jnp.sum(target * span.projector()), jnp.sum(scales * span.values), span.gap]
    )


def theirs(features):
    values, vectors = spectrum_of(features)
    vectors = vectors[:, :Q]
    scales = jnp.arange(1, Q + 1, dtype=features.dtype)
    return jnp.stack(
        [
            jnp.sum(jnp.asarray(TARGET) * (vectors @ vectors.T)),
            jnp.sum(scales * values[:Q]),
            values[Q - 1] - values[Q],
        ]
    )


def test_spans_values_and_gaps_have_the_derivatives_of_eigh_both_ways(float64):
    features = jnp.asarray(FEATURES)
    expected = jax.jacrev(theirs)(features)
    found = jax.jit(jax.jacrev(ours))(features)
    np.testing.assert_allclose(found, expected, atol=1e-12 * np.abs(expected).max())
    _, forward = jax.jit(lambda x: jax.jvp(ours, (x,), (jnp.asarray(MOVED),)))(features)
    np.testing.assert_allclose(
        forward, np.einsum("inc,nc->i", expected, MOVED), rtol=1e-10
    )


def test_derivatives_can_be_differentiated_again(float64):
    features, moved = jnp.asarray(FEATURES), jnp.asarray(MOVED)

    def curvature(function):
        def first(x):
            return jax.jvp(function, (x,), (moved,))[1]

        return jax.jit(lambda x: jax.jvp(first, (x,), (moved,))[1])(features)

    np.testing.assert_allclose(curvature(ours), curvature(theirs), rtol=1e-8)


def test_derivatives_are_finite_differences_of_scipy(float64):
    weights = random_graph(2, n=12).astype(np.float64)
    moved = random_graph(3, n=12).astype(np.float64) - 0.5
    target = TARGET[:12, :12]

    def by_scipy(weights):
        scale = weights.sum(1) ** -0.5
        values, vectors = scipy.linalg.eigh(scale[:, None] * weights * scale[None, :])
        vectors = vectors[:, ::-1][:, :Q]
        return np.array([np.sum(target * (vectors @ vectors.T)), values[-2]])

    def by_us(weights):
        operator = AdjacencyOperator.of(DenseAffinity(weights))
        span = eigen.leading_subspace(operator, Q)
        return jnp.stack([jnp.sum(target * span.projector()), span.values[1]])

    step = 1e-6
    expected = (by_scipy(weights + step * moved) - by_scipy(weights - step * moved)) / (
        2 * step
    )
    _, found = jax.jvp(by_us, (jnp.asarray(weights),), (jnp.asarray(moved),))
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-8)


def test_each_vector_by_itself_has_the_derivative_of_eigh(float64):
    weights = jnp.asarray(random_graph(4, n=12).astype(np.float64))

    def ours(weights):
        found = eigen.leading_eigenvectors(DenseAffinity(weights), Q)
        return jnp.sum(found.vectors[:, 1] ** 4)

    def theirs(weights):
        scale = jnp.sum(weights, axis=1) ** -0.5
        _, vectors = jnp.linalg.eigh(scale[:, None] * weights * scale[None, :])
        return jnp.sum(vectors[:, -2] ** 4)

    found, expected = jax.grad(ours)(weights), jax.grad(theirs)(weights)
    # A matrix that stays symmetric sees the symmetric part of its gradient.
    np.testing.assert_allclose(found + found.T, expected + expected.T, atol=1e-12)


@functools.partial(jax.jit, static_argnames="q")
def gradient_of_span(weights, q):
    def loss(weights):
        operator = AdjacencyOperator.of(DenseAffinity(weights))
        span = eigen.leading_subspace(operator, q)
        target = jnp.asarray(TARGET[: len(weights), : len(weights)], weights.dtype)
        return jnp.sum(target * span.projector()), span

    return jax.grad(loss, has_aux=True)(weights)


def test_eigenvalues_of_the_span_may_agree(float64):
    # Four groups: the second to fourth eigenvalue are one.
    weights = jnp.asarray(block_graph([10] * 4).astype(np.float64))
    gradient, span = gradient_of_span(weights, 4)
    assert float(span.values[1] - span.values[3]) < 1e-12
    moved = np.asarray(random_graph(1, n=N).astype(np.float64)) - 0.5
    step = 1e-5

    def value(weights):
        scale = weights.sum(1) ** -0.5
        _, vectors = scipy.linalg.eigh(scale[:, None] * weights * scale[None, :])
        return np.sum(TARGET * (vectors[:, -4:] @ vectors[:, -4:].T))

    ahead, behind = (value(np.asarray(weights) + s * moved) for s in (step, -step))
    np.testing.assert_allclose(
        np.sum(gradient * moved), (ahead - behind) / (2 * step), rtol=1e-5
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_closed_gap_has_no_derivative(float64, dtype):
    weights = jnp.asarray(block_graph([10] * 4).astype(dtype))
    gradient, span = gradient_of_span(weights, 3)
    assert float(span.gap) < 64 * np.finfo(dtype).eps
    assert np.isnan(np.asarray(gradient)).any()


@pytest.mark.slow
def test_gradients_are_finite_where_eigh_has_none_eagerly_and_jitted():
    # In several parts, with vertices without edges and outside of the mask.
    weights = jnp.asarray(random_graph(1, n=24, density=0.1))
    mask = jnp.arange(24) < 19

    def loss(weights):
        found = eigen.solve_dense(MatrixOperator.of_subgraph(weights, mask), Q)
        vectors = found.vectors
        return jnp.sum((vectors @ vectors.T)[:5] ** 2) + jnp.sum(found.residuals)

    eager, jitted = jax.grad(loss)(weights), jax.jit(jax.grad(loss))(weights)
    assert np.isfinite(eager).all()
    np.testing.assert_allclose(eager, jitted, atol=1e-4 * np.abs(jitted).max())

    def by_eigh(weights):
        matrix = MatrixOperator.of_subgraph(weights, mask).matrix
        vectors = jnp.linalg.eigh(matrix)[1][:, -Q:]
        return jnp.sum((vectors @ vectors.T)[:5] ** 2)

    assert np.isnan(jax.grad(by_eigh)(weights)).any()
    outside = ~np.outer(mask, mask)
    assert not np.asarray(eager)[outside].any()


@pytree_dataclass
class Circle:
    """An operator of one's own: a circle of springs, without a matrix."""

    springs: Float[Array, " n"]

    @property
    def size(self) -> int:
        return self.springs.shape[0]

    def matmat(self, x):
        ahead = self.springs[:, None] * jnp.roll(x, -1, axis=0)
        return (ahead + jnp.roll(self.springs[:, None] * x, 1, axis=0)) / 2

    def dense(self):
        matrix = self.matmat(jnp.eye(self.size, dtype=self.springs.dtype))
        return MatrixOperator(matrix, jnp.ones((self.size,), bool))


def test_operators_of_one_s_own_map_over_a_batch():
    springs = jnp.asarray(RNG.random((2, 20)).astype(np.float32))
    target = jnp.asarray(TARGET[:20, :20].astype(np.float32))

    def loss(springs, matrix_free):
        operator = Circle(springs)
        span = eigen.leading_subspace(operator if matrix_free else operator.dense(), Q)
        return jnp.sum(target * span.projector())

    gradient = jax.jit(jax.vmap(jax.grad(loss), in_axes=(0, None)), static_argnums=1)
    found, expected = gradient(springs, True), gradient(springs, False)
    np.testing.assert_allclose(found, expected, atol=1e-3 * np.abs(expected).max())
    alone = jax.jit(jax.grad(loss), static_argnums=1)(springs[0], True)
    np.testing.assert_allclose(found[0], alone, atol=1e-4 * np.abs(alone).max())


def test_pairs_of_any_solver_make_a_span_and_too_few_do_not():
    operator = MatrixOperator(jnp.asarray(random_graph(5, n=9)), jnp.ones((9,), bool))
    pairs = eigen.solve_dense(operator, 4)
    assert eigen.Subspace.of(operator, pairs, 3).vectors.shape == (9, 3)
    with pytest.raises(ValueError, match="expected 5 eigenpairs or more"):
        eigen.Subspace.of(operator, pairs, 4)
    with pytest.raises(ValueError, match="from 1 to 9"):
        eigen.leading_subspace(operator, 10)
    whole = eigen.leading_subspace(operator, 9)
    assert np.isinf(whole.gap)
    np.testing.assert_allclose(whole.projector(), np.eye(9), atol=1e-5)
    x = jnp.asarray(RNG.normal(size=(9, 2)).astype(np.float32))
    span = eigen.leading_subspace(operator, 2)
    np.testing.assert_allclose(
        span.project(x), numerics.matmul(span.projector(), x), atol=1e-5
    )
