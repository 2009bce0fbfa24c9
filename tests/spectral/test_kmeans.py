import jax
import jax.numpy as jnp
import numpy as np
import pytest
from graphs import clustered_features
from sklearn.cluster import KMeans

from uhseg_jax.spectral import kmeans


def test_lloyd_from_the_same_seeds_gives_sklearns_labels():
    points = clustered_features(0, n=300, d=5, groups=6, noise=0.5)
    seeds = points[:6]
    ours = kmeans._lloyd(
        jnp.asarray(points),
        jnp.asarray(seeds),
        jnp.asarray(6),
        jnp.ones(300, bool),
        300,
    )
    theirs = KMeans(6, init=seeds, n_init=1, tol=0, max_iter=300).fit(points)
    np.testing.assert_array_equal(ours.assignment, theirs.labels_)
    np.testing.assert_allclose(float(ours.inertia), theirs.inertia_, rtol=1e-5)


def test_restarts_reach_sklearns_inertia():
    points = clustered_features(1, n=400, d=8, groups=12, noise=0.4)
    ours = kmeans.k_means(jax.random.key(0), jnp.asarray(points), 12, num_restarts=10)
    theirs = KMeans(12, n_init=10, random_state=0).fit(points)
    assert float(ours.inertia) <= 1.01 * theirs.inertia_


def test_more_restarts_are_never_worse():
    points = jnp.asarray(clustered_features(2, n=200, groups=9, noise=0.6))
    keys = jax.random.split(jax.random.key(3), 4)
    singles = [float(kmeans.k_means(k, points, 9).inertia) for k in keys]
    together = kmeans.k_means(jax.random.key(3), points, 9, num_restarts=4)
    assert float(together.inertia) == pytest.approx(min(singles), rel=1e-6)


def test_points_outside_the_mask_do_not_count():
    points = clustered_features(3, n=60, groups=3)
    mask = np.arange(60) < 40
    far = points.copy()
    far[40:] = 1e3
    key = jax.random.key(0)
    with_rest, with_far = (
        kmeans.k_means(key, jnp.asarray(p), 3, mask=jnp.asarray(mask))
        for p in (points, far)
    )
    np.testing.assert_array_equal(with_rest.assignment, with_far.assignment)
    assert (np.asarray(with_rest.assignment)[40:] == 0).all()
    assert float(with_rest.inertia) == pytest.approx(float(with_far.inertia), rel=1e-6)


def test_fewer_clusters_than_slots():
    points = jnp.asarray(clustered_features(4, n=80, groups=4))
    output = kmeans.k_means(jax.random.key(0), points, 9, num_clusters=jnp.asarray(4))
    assert set(np.unique(output.assignment)) == {0, 1, 2, 3}


def test_duplicates_leave_clusters_empty_not_broken():
    points = jnp.asarray(np.repeat(np.eye(2, dtype=np.float32), 10, axis=0))
    output = kmeans.k_means(jax.random.key(0), points, 5)
    assert len(np.unique(output.assignment)) == 2
    assert float(output.inertia) < 1e-10
    assert np.isfinite(np.asarray(output.centroids)).all()


def test_seeds_are_spread_over_separated_groups():
    points = clustered_features(5, n=200, d=10, groups=8, noise=0.01)
    hits = 0
    for seed in range(10):
        seeds = kmeans.k_means_plus_plus(
            jax.random.key(seed),
            jnp.asarray(points),
            8,
            num_clusters=jnp.asarray(8),
            mask=jnp.ones(200, bool),
        )
        distances = np.linalg.norm(seeds[:, None] - seeds[None], axis=-1)
        hits += (distances + 9 * np.eye(8)).min() > 0.5
    assert hits >= 9  # uniform seeds would hit eight groups of eight almost never


def test_the_same_key_gives_the_same_clusters():
    points = jnp.asarray(clustered_features(6))
    first, second = (kmeans.k_means(jax.random.key(7), points, 5) for _ in range(2))
    np.testing.assert_array_equal(first.assignment, second.assignment)


def test_restarts_one_after_the_other_are_those_at_once():
    key, points = (
        jax.random.key(3),
        jnp.asarray(clustered_features(2, n=200, groups=9, noise=0.6)),
    )
    kwargs = {"num_restarts": 3, "max_iterations": 20}
    ours = kmeans.best_k_means(key, points, 9, **kwargs)
    together = kmeans.k_means(key, points, 9, **kwargs)
    np.testing.assert_array_equal(ours.assignment, together.assignment)
    np.testing.assert_allclose(ours.inertia, together.inertia, rtol=1e-5)
    single = kmeans.k_means(jax.random.split(key, 3)[0], points, 9, max_iterations=20)
    assert ours.inertia <= single.inertia
