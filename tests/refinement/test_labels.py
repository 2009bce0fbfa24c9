import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from trees import random_tree

from uhseg_jax.refinement import labels
from uhseg_jax.refinement.components import label_components


@pytest.mark.parametrize("size", [(1, 1), (3, 8), (60, 60), (8, 100)])
def test_resizing_takes_the_label_at_the_pixels_centre(size):
    cells = np.arange(24, dtype=np.int32).reshape(4, 6)
    ours = labels.resize_labels(cells, size)
    theirs = Image.fromarray(cells).resize(size[::-1], Image.Resampling.NEAREST)
    np.testing.assert_array_equal(ours, np.asarray(theirs))


def test_only_the_labels_of_a_tree_at_another_size_are_others():
    tree = random_tree(0, padding=3)
    larger = labels.at_size(jax.tree.map(jnp.asarray, tree), (9, 11))
    assert isinstance(larger.labels, np.ndarray)
    np.testing.assert_array_equal(
        larger.labels, labels.resize_labels(tree.labels, (9, 11))
    )
    np.testing.assert_array_equal(larger.parents, tree.parents)


@pytest.mark.parametrize("padding", [0, 5])
def test_regions_of_a_relabelled_tree_are_unions_of_the_new_leaves(padding):
    tree = random_tree(1, num_splits=9, padding=padding)
    leaves = np.flatnonzero(tree.is_leaf())
    rng = np.random.default_rng(0)
    moved = rng.choice(leaves[1:], size=(7, 5)).astype(np.int32)  # one leaf loses all
    found = labels.relabel(tree, moved)
    contains = tree.contains()
    wanted = {contains[i][moved].tobytes() for i in range(int(tree.num_nodes))}
    wanted.discard(np.zeros((7, 5), bool).tobytes())
    assert {mask.tobytes() for mask in found.masks()} == wanted
    assert len(found.masks()) == len(wanted)
    assert found.masks()[0].all()
    assert found.labels.shape == (7, 5)
    assert found.parents.shape == tree.parents.shape
    assert all(isinstance(x, np.ndarray) for x in jax.tree.leaves(found))


def test_pieces_partition_their_leaf_and_open_last():
    tree = random_tree(2, num_splits=4)
    leaves = np.flatnonzero(tree.is_leaf())
    scattered = np.random.default_rng(1).choice(leaves, size=(6, 8)).astype(np.int32)
    scattered = labels.relabel(tree, scattered)
    found = labels.divide_into_pieces(scattered)
    assert int(found.num_nodes) == len(found.parents)
    pieces = label_components(scattered.labels)
    assert len(np.unique(found.labels)) == pieces.max() + 1
    for leaf in np.unique(found.labels):
        assert len(np.unique(pieces[found.labels == leaf])) == 1
    n = int(scattered.num_nodes)
    np.testing.assert_array_equal(found.masks()[:n], scattered.masks())
    np.testing.assert_array_equal(
        found.cut(cost=1.0), scattered.cut(cost=2.0)
    )  # no piece at any cost below the largest
    np.testing.assert_array_equal(found.depths[n:], found.depths[found.parents[n:]] + 1)


def test_connected_leaves_stay_as_they_are():
    tree = random_tree(4, num_splits=1, max_children=2)
    found = labels.divide_into_pieces(tree)
    np.testing.assert_array_equal(found.labels, tree.labels)
    assert int(found.num_nodes) == int(tree.num_nodes)
