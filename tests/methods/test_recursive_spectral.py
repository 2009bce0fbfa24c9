import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from graphs import dense_weights
from sklearn.metrics import adjusted_rand_score

from uhseg_jax.methods import recursive_spectral
from uhseg_jax.spectral import affinity

# As many superpixels as fit the smallest bucket: one split to compile.
TINY = {"num_superpixels": 16, "num_vectors": 4, "kmeans_restarts": 2}
PRESETS = {
    name: dataclasses.replace(preset(), split_restarts=2, **TINY)
    for name, preset in {
        "two_way": recursive_spectral.two_way,
        "release": recursive_spectral.release,
        "paper": recursive_spectral.paper,
    }.items()
}
SMALL = PRESETS["two_way"]
segment = jax.jit(recursive_spectral.segment, static_argnames="config")


def nested_scene(*, noise=0.05, seed=0):
    """Two halves, each of two parts: channels for the half and for the part."""
    rng = np.random.default_rng(seed)
    parts = np.zeros((12, 16), int)
    parts[:, 8:] += 2
    parts[6:] += 1
    features = np.zeros((12, 16, 10))
    features[..., 0] = 0.3
    features[..., 1:3] = np.eye(2)[parts // 2] * 2
    features[..., 3:7] = np.eye(4)[parts]
    features += noise * rng.normal(size=features.shape)
    return features.astype(np.float32), parts


@pytest.mark.parametrize("preset", PRESETS)
def test_planted_halves_come_out(preset):
    features, parts = nested_scene()
    tree = jax.device_get(segment(jnp.asarray(features), PRESETS[preset]).tree)
    cut = tree.cut(num_regions=2)
    assert adjusted_rand_score(cut.ravel(), (parts // 2).ravel()) == 1


def test_planted_parts_come_out():
    features, parts = nested_scene()
    tree = jax.device_get(segment(jnp.asarray(features), SMALL).tree)
    assert adjusted_rand_score(tree.cut(num_regions=4).ravel(), parts.ravel()) == 1
    assert int(tree.num_nodes) == 7


@pytest.mark.parametrize("preset", PRESETS)
def test_leaves_partition_the_grid(preset):
    features, _ = nested_scene(noise=1.0)
    tree = jax.device_get(segment(jnp.asarray(features), PRESETS[preset]).tree)
    leaves = np.flatnonzero(tree.is_leaf())
    assert set(np.unique(tree.labels)) == set(leaves)
    assert tree.masks()[leaves].sum(0).min() == 1
    assert tree.masks()[leaves].sum(0).max() == 1


def test_the_dense_affinity_gives_the_same_scores():
    features, parts = nested_scene(noise=0.1)
    dense = affinity.DenseAffinity(
        jnp.asarray(dense_weights(features.reshape(-1, 10)), jnp.float32)
    )
    graph_fn = functools.partial(
        recursive_spectral.segment_graph, grid=(12, 16), config=SMALL
    )
    by_matrix = jax.device_get(jax.jit(graph_fn)(dense))
    by_features = jax.device_get(segment(jnp.asarray(features), SMALL))
    # The leading eigenvalues are the same to float32; those behind them are noise.
    np.testing.assert_allclose(
        by_features.eigenvalues[:4], by_matrix.eigenvalues[:4], atol=1e-4
    )
    for regions, truth in ((2, parts // 2), (4, parts)):
        scores = [
            adjusted_rand_score(t.cut(num_regions=regions).ravel(), truth.ravel())
            for t in (by_features.tree, by_matrix.tree)
        ]
        assert min(scores) > 0.95


@pytest.mark.slow
def test_jit_equals_eager_where_the_groups_are_clear():
    features, _ = nested_scene()
    jitted = segment(jnp.asarray(features), SMALL)
    eager = recursive_spectral.segment(jnp.asarray(features), SMALL)
    for regions in (2, 4):
        a, b = (o.tree.cut(num_regions=regions) for o in (jitted, eager))
        assert adjusted_rand_score(np.ravel(a), np.ravel(b)) == 1
    np.testing.assert_allclose(jitted.eigenvalues[:4], eager.eigenvalues[:4], atol=1e-5)


def test_the_same_seed_gives_the_same_tree_and_residuals_are_reported():
    features, _ = nested_scene(noise=0.5)
    first, second = (segment(jnp.asarray(features), SMALL) for _ in range(2))
    jax.tree.map(np.testing.assert_array_equal, first, second)
    assert float(first.residuals[:4].max()) < 1e-3
    assert float(first.split_residuals.max()) < 1e-5
    assert float(first.split_residuals[0]) > 0


@pytest.mark.parametrize(
    ("preset", "shape"),
    [
        ("two_way", (1, 1)),
        ("two_way", (2, 3)),
        *(
            pytest.param(preset, shape, marks=pytest.mark.slow)
            for preset, shape in [
                ("two_way", (2, 1)),
                ("two_way", (1, 40)),
                ("release", (1, 1)),
                ("release", (3, 1)),
                ("paper", (1, 1)),
                ("paper", (3, 1)),
            ]
        ),
    ],
)
def test_grids_of_a_few_cells(preset, shape):
    features = np.random.default_rng(0).normal(size=(*shape, 5)).astype(np.float32)
    tree = jax.device_get(segment(jnp.asarray(features), PRESETS[preset]).tree)
    assert tree.labels.shape == shape
    count = int(tree.num_nodes)
    assert 1 <= count <= 2 * shape[0] * shape[1] - 1
    assert (np.asarray(tree.parents)[1:count] >= 0).all()


@pytest.mark.parametrize("value", [1.0, -1e-3, 1e4])
def test_constant_features_are_one_region(value):
    features = np.full((12, 16, 10), value, np.float32)
    tree = segment(jnp.asarray(features), SMALL).tree
    assert int(tree.num_nodes) == 1
    assert not np.asarray(tree.labels).any()


def test_two_exact_groups_of_duplicates():
    features = np.zeros((12, 16, 10), np.float32)
    features[:, :3, 0], features[:, 3:, 1] = 1, 1
    tree = jax.device_get(segment(jnp.asarray(features), SMALL).tree)
    assert int(tree.num_nodes) == 3
    assert len({*tree.labels[:, :3].ravel()} & {*tree.labels[:, 3:].ravel()}) == 0


def test_max_regions_bounds_the_leaves():
    features, _ = nested_scene(noise=1.0)
    config = dataclasses.replace(SMALL, max_regions=3, max_ncut=0.95)
    tree = segment(jnp.asarray(features), config).tree
    assert len(np.unique(tree.labels)) == 3
    assert int(tree.num_nodes) == 5
