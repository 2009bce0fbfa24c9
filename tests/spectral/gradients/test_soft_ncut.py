"""Normalised cuts of soft assignments."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from graphs import acute_features, clustered_features, dense_weights, random_graph
from jax.test_util import check_grads
from jax_versions import enable_x64

from uhseg_jax.spectral.affinity import CosineAffinity, DenseAffinity
from uhseg_jax.spectral.ncut import ncut_costs
from uhseg_jax.spectral.soft_ncut import soft_ncut

N, K = 24, 4
RNG = np.random.default_rng(0)
SOFT = np.asarray(jax.nn.softmax(RNG.normal(size=(N, K)), axis=1), np.float32)


def test_hard_assignments_cost_what_their_cut_costs():
    weights = jnp.asarray(random_graph(0, n=N, density=0.5))
    labels = jnp.asarray(RNG.integers(K - 1, size=N))  # the last group is empty
    mask = jnp.arange(N) < N - 5
    expected = ncut_costs(weights, labels, mask, K)
    hard = jnp.where(mask[:, None], jax.nn.one_hot(labels, K), 0)
    np.testing.assert_allclose(
        soft_ncut(DenseAffinity(weights), hard), expected, atol=1e-6
    )


@pytest.mark.parametrize("make", [clustered_features, acute_features])
def test_soft_assignments_cost_one_minus_association_over_volume(make):
    features = make(1, n=N, d=6)
    weights = dense_weights(features)
    soft = SOFT.astype(np.float64)
    association = np.einsum("ik,ij,jk->k", soft, weights, soft)
    expected = 1 - association / (soft.T @ weights.sum(1))
    graph = CosineAffinity.from_features(jnp.asarray(features))
    np.testing.assert_allclose(soft_ncut(graph, jnp.asarray(SOFT)), expected, atol=1e-5)


def test_features_and_assignment_are_learned_from():
    with enable_x64(True):
        features = jnp.asarray(clustered_features(2, n=N, d=6).astype(np.float64))
        logits = jnp.asarray(RNG.normal(size=(N, K)))

        def loss(features, logits):
            graph = CosineAffinity.from_features(features)
            return jnp.sum(soft_ncut(graph, jax.nn.softmax(logits, axis=1)))

        check_grads(
            jax.jit(loss), (features, logits), order=1, modes=["fwd", "rev"], rtol=1e-6
        )


def test_empty_groups_and_vertices_without_edges_have_finite_derivatives():
    weights = jnp.asarray(random_graph(3, n=N)).at[:3].set(0).at[:, :3].set(0)
    hard = jax.nn.one_hot(jnp.arange(N) % (K - 1), K)

    def loss(weights, assignment):
        return jnp.sum(soft_ncut(DenseAffinity(weights), assignment))

    for gradient in jax.grad(loss, argnums=(0, 1))(weights, hard):
        assert np.isfinite(gradient).all()
