import jax.numpy as jnp
import numpy as np
import pytest
from trees import random_tree

from uhseg_jax.superpixels.pooling import patch_weights


def means(masks, features):
    return np.stack([features[mask].mean(axis=0) for mask in masks])


def test_descriptors_are_means_over_the_masks():
    tree = random_tree(3, padding=5)
    features = np.random.default_rng(0).normal(size=(24, 32, 7))
    found = tree.describe(features)
    assert found.dtype == np.float32
    assert found.shape == (int(tree.num_nodes), 7)
    np.testing.assert_allclose(found, means(tree.masks(), features), atol=1e-5)


@pytest.mark.parametrize("grid", [(5, 4), (1, 1), (24, 7)])
def test_a_coarser_grid_is_read_as_superpixels_read_it(grid):
    tree = random_tree(1)
    features = np.random.default_rng(1).normal(size=(*grid, 3)).astype(np.float32)
    weights = patch_weights(tree.labels, grid, int(tree.num_nodes))
    leaves = np.flatnonzero(tree.is_leaf())
    found = tree.describe(features)
    wanted = weights @ features.reshape(-1, 3)
    np.testing.assert_allclose(found[leaves], wanted[leaves], atol=1e-5)
    areas = tree.areas()[leaves, None]
    whole = (areas * wanted[leaves]).sum(axis=0) / areas.sum()
    np.testing.assert_allclose(found[0], whole, atol=1e-5)


@pytest.mark.parametrize("grid", [(48, 64), (48, 32), (31, 33)])
def test_a_finer_grid_gives_a_region_the_cells_whose_centres_lie_in_it(grid):
    tree = random_tree(2)
    features = np.random.default_rng(2).normal(size=(*grid, 3))
    rows, columns = (
        np.minimum(((np.arange(fine) + 0.5) * coarse / fine).astype(int), coarse - 1)
        for fine, coarse in zip(grid, tree.labels.shape, strict=True)
    )
    masks = tree.masks()[:, rows][:, :, columns]
    np.testing.assert_allclose(
        tree.describe(features), means(masks, features), atol=1e-5
    )


def test_unit_descriptors_are_directions_at_any_scale():
    tree = random_tree(4)
    features = np.random.default_rng(3).normal(size=(6, 8, 5))
    plain, unit = tree.describe(features), tree.describe(1e30 * features, unit=True)
    np.testing.assert_allclose(np.linalg.norm(unit, axis=1), 1, atol=1e-6)
    lengths = np.linalg.norm(plain, axis=1, keepdims=True)
    np.testing.assert_allclose(unit, plain / lengths, atol=1e-5)
    assert not tree.describe(np.zeros((2, 2, 3)), unit=True).any()


@pytest.mark.parametrize("kind", [jnp.bfloat16, np.float16, np.uint8, np.float64])
def test_features_may_be_of_any_real_type(kind):
    tree = random_tree(5)
    features = np.random.default_rng(4).integers(0, 100, (6, 8, 5))
    found = tree.describe(
        jnp.asarray(features, kind) if kind is jnp.bfloat16 else features.astype(kind)
    )
    np.testing.assert_allclose(found, tree.describe(features.astype(float)), atol=1e-5)


@pytest.mark.parametrize(
    ("features", "words"),
    [
        (np.zeros((4, 5)), r"\[h, w, d\].* got shape \(4, 5\)"),
        (np.zeros((1, 4, 5, 3)), "got shape"),
        (np.zeros((0, 5, 3)), "no empty axis"),
        (np.full((2, 2, 3), np.nan), "4 of 4 vectors hold NaN or infinity"),
        (np.zeros((2, 2, 3), complex), "real numbers, but got complex128"),
    ],
)
def test_features_that_describe_nothing_are_refused(features, words):
    with pytest.raises(ValueError, match=words):
        random_tree(0).describe(features)
