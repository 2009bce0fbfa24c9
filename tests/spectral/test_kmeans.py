import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from graphs import clustered_features
from sklearn.cluster import KMeans

from uhseg_jax.spectral import kmeans

POINTS = clustered_features(1, n=400, d=8, groups=12, noise=0.4)


def test_lloyd_from_the_same_seeds_gives_sklearns_labels():
    seeds, everyone = jnp.asarray(POINTS[:12]), jnp.ones(400, bool)
    lloyd = jax.jit(kmeans._lloyd, static_argnums=(4, 5))
    ours = lloyd(jnp.asarray(POINTS), seeds, jnp.asarray(12), everyone, 300, False)
    theirs = KMeans(12, init=seeds, n_init=1, tol=0, max_iter=300).fit(POINTS)
    np.testing.assert_array_equal(ours.assignment, theirs.labels_)
    np.testing.assert_allclose(float(ours.inertia), theirs.inertia_, rtol=1e-5)
    assert ours.converged


def test_restarts_reach_sklearns_inertia_at_once_and_in_turn():
    theirs = KMeans(12, n_init=10, random_state=0).fit(POINTS)
    key = jax.random.key(0)
    at_once, in_turn = (
        kmeans.k_means(key, POINTS, 12, num_restarts=10, in_turn=in_turn)
        for in_turn in (False, True)
    )
    assert float(at_once.inertia) <= 1.01 * theirs.inertia_
    np.testing.assert_array_equal(at_once.assignment, in_turn.assignment)
    np.testing.assert_allclose(at_once.inertia, in_turn.inertia, rtol=1e-5)
    singles = [
        float(kmeans.k_means(k, POINTS, 12).inertia) for k in jax.random.split(key, 10)
    ]
    assert float(in_turn.inertia) == pytest.approx(min(singles), rel=1e-6)


def test_it_says_whether_it_converged():
    output = kmeans.k_means(jax.random.key(0), POINTS, 12, max_iterations=1)
    assert not output.converged
    assert int(output.iterations) == 1


def test_spherical_centroids_are_mean_directions():
    units = POINTS / np.linalg.norm(POINTS, axis=1, keepdims=True)
    output = kmeans.k_means(
        jax.random.key(0), units, 6, greedy=True, spherical=True, num_restarts=2
    )
    assert output.converged
    sums = np.eye(6)[output.assignment].T @ units.astype(np.float64)
    directions = sums / np.linalg.norm(sums, axis=1, keepdims=True)
    np.testing.assert_allclose(output.centroids, directions, atol=1e-6)
    cosines = units @ np.asarray(output.centroids).T
    np.testing.assert_array_equal(output.assignment, cosines.argmax(1))
    np.testing.assert_allclose(
        output.inertia, (2 - 2 * cosines.max(1)).sum(), rtol=1e-5
    )


def test_points_outside_the_mask_and_slots_beyond_the_clusters_do_not_count():
    mask = jnp.arange(400) < 300
    far = POINTS.copy()
    far[300:] = 1e3
    clustered = functools.partial(
        kmeans.k_means, jax.random.key(0), k=9, num_clusters=jnp.asarray(4), mask=mask
    )
    with_rest, with_far = clustered(points=POINTS), clustered(points=far)
    np.testing.assert_array_equal(with_rest.assignment, with_far.assignment)
    assert set(np.unique(with_rest.assignment[:300])) == {0, 1, 2, 3}
    assert (np.asarray(with_rest.assignment)[300:] == 0).all()
    assert float(with_rest.inertia) == pytest.approx(float(with_far.inertia), rel=1e-6)


def test_duplicates_leave_clusters_empty_not_broken():
    points = jnp.asarray(np.repeat(np.eye(2, dtype=np.float32), 10, axis=0))
    output = kmeans.k_means(jax.random.key(0), points, 5)
    assert len(np.unique(output.assignment)) == 2
    assert float(output.inertia) < 1e-10
    assert np.isfinite(np.asarray(output.centroids)).all()


@pytest.mark.parametrize("num_draws", [1, 4])
def test_seeds_are_spread_over_separated_groups(num_draws):
    points = clustered_features(5, n=200, d=10, groups=8, noise=0.01)

    @jax.jit
    def seeds_of(key):
        return kmeans.k_means_plus_plus(
            key,
            jnp.asarray(points),
            8,
            num_clusters=jnp.asarray(8),
            mask=jnp.ones(200, bool),
            num_draws=num_draws,
        )

    hits = 0
    for seed in range(10):
        seeds = np.asarray(seeds_of(jax.random.key(seed)))
        distances = np.linalg.norm(seeds[:, None] - seeds[None], axis=-1)
        hits += (distances + 9 * np.eye(8)).min() > 0.5
    assert hits >= 9  # uniform seeds would hit eight groups of eight almost never


def test_the_same_key_gives_the_same_clusters():
    first, second = (kmeans.k_means(jax.random.key(7), POINTS, 12) for _ in range(2))
    np.testing.assert_array_equal(first.assignment, second.assignment)
