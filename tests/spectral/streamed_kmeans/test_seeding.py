import dataclasses

import jax
import jax.numpy as jnp
import kmeans_references as references
import numpy as np
import pytest

from uhseg_jax.spectral import kmeans
from uhseg_jax.spectral.streamed_kmeans import seeding
from uhseg_jax.spectral.streamed_kmeans.device_pass import Rows
from uhseg_jax.spectral.streamed_kmeans.hosts import Hosts, alone
from uhseg_jax.spectral.streamed_kmeans.state import Config

D, K = 12, 10
ROWS = references.grouped_rows(1, n=5000, d=D, k=K, noise=0.2)


def seeds(config, *, rows=ROWS, passes=None):
    def batches():
        if passes is not None:
            passes.append(len(rows))
        return np.split(rows, [1200])

    source = Rows(
        batches, batch_rows=4096, exact=False, cosine=config.cosine, mesh=None
    )
    return seeding.seeds(source, config, Hosts(alone))


def cost(centroids, rows=ROWS):
    return references.distances(rows.astype(np.float64), centroids).min(1).sum()


@pytest.mark.parametrize("seeding", ["k_means++", "k_means||"])
def test_seeds_cost_less_than_random_rows(seeding):
    rng = np.random.default_rng(0)
    by_chance = [cost(ROWS[rng.choice(len(ROWS), K)]) for _ in range(30)]
    config = Config(K, seeding=seeding, cosine=False, restarts=1)
    ours = [cost(seeds(dataclasses.replace(config, seed=i))) for i in range(8)]
    assert max(ours) < np.median(by_chance)
    assert np.mean(ours) < 0.6 * np.mean(by_chance)


def test_parallel_seeds_find_every_separated_group():
    rows = references.grouped_rows(2, n=5000, d=D, k=K, noise=0.02)
    for seed in range(3):
        found = seeds(
            Config(K, seeding="k_means||", cosine=False, seed=seed), rows=rows
        )
        distances = np.sqrt(references.distances(found, found)) + 9 * np.eye(K)
        assert distances.min() > 1  # the groups are 2 sqrt(2) apart


def test_parallel_seeding_takes_seven_passes_and_a_sample_one():
    for kind, expected in (("k_means||", 7), ("k_means++", 1)):
        passes = []
        seeds(Config(K, seeding=kind), passes=passes)
        assert len(passes) == expected


@pytest.mark.parametrize("seeding", ["k_means++", "k_means||"])
@pytest.mark.parametrize("restarts", [1, 3])
def test_cosine_seeds_have_unit_length(seeding, restarts):
    found = seeds(Config(K, seeding=seeding, restarts=restarts))
    assert found.dtype == np.float32
    norms = np.linalg.norm(found, axis=1)
    np.testing.assert_allclose(norms, 1, atol=4 * np.finfo(np.float32).eps)


def test_seeds_of_one_try_are_rows_of_the_sample():
    found = seeds(Config(K, cosine=False, restarts=1, sample_size=200))
    assert np.sqrt(references.distances(found, ROWS).min(1)).max() == 0


def test_more_restarts_cost_no_more():
    few, many = (seeds(Config(K, cosine=False, restarts=r)) for r in (2, 4))
    assert cost(many) <= cost(few) * (1 + 1e-6)


plus_plus = jax.jit(
    kmeans.k_means_plus_plus, static_argnums=2, static_argnames="trials"
)


def test_several_trials_for_a_seed_lower_the_cost():
    def mean_cost(trials):
        drawn = [
            plus_plus(
                jax.random.key(i),
                jnp.asarray(ROWS[:120]),
                K,
                num_clusters=jnp.asarray(K),
                mask=jnp.ones(120, bool),
                trials=trials,
            )
            for i in range(10)
        ]
        return np.mean([cost(np.asarray(x), ROWS[:120]) for x in drawn])

    assert mean_cost(3) < 0.9 * mean_cost(1)


def test_trials_leave_masked_points_and_unused_seeds_alone():
    points = np.concatenate([ROWS[:100], np.full((20, D), 99, np.float32)])
    found = plus_plus(
        jax.random.key(0),
        jnp.asarray(points),
        K,
        num_clusters=jnp.asarray(4),
        mask=jnp.arange(120) < 100,
        trials=3,
    )
    assert np.max(found) < 9
    np.testing.assert_array_equal(found[4:], np.broadcast_to(found[0], (6, D)))
