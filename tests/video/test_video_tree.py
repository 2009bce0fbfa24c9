"""The tree of a clip as an object and as a file."""

import dataclasses

import numpy as np
import pytest

from uhseg_jax import RegionTree, VideoTree
from uhseg_jax.hierarchy.tree import TreeFileError


def small_tree(**more):
    """Two frames of 1 x 3 pixels; node 3 is in the second only."""
    labels = np.array([[[1, 1, 2]], [[1, 3, 2]]], np.int32)
    return VideoTree(RegionTree.flat(labels, 4), **more)


def test_tubes_say_when_a_node_is_there_and_how_large_it_is():
    tubes = small_tree().tubes
    assert tubes["node"].tolist() == [0, 1, 2, 3]
    assert tubes["first"].tolist() == [0, 0, 0, 1]
    assert tubes["last"].tolist() == [1, 1, 1, 1]
    assert tubes["length"].tolist() == [2, 2, 2, 1]
    assert tubes["frames"].tolist() == [2, 2, 2, 1]
    assert tubes["area"].tolist() == [6, 3, 2, 1]


def test_a_node_without_pixels_has_no_time():
    tree = RegionTree.flat(np.ones((2, 1, 3), np.int32), 3)
    tubes = VideoTree(tree).tubes
    names = ("first", "last", "length", "frames", "area")
    assert [tubes[name][2] for name in names] == [-1, -1, 0, 0, 0]


def test_a_file_gives_back_what_was_saved(tmp_path):
    tree = small_tree(rate=23.976, names=("a", "b"), title="señor")
    tree.save(tmp_path / "clip.npz")
    found = VideoTree.load(tmp_path / "clip.npz")
    assert (found.rate, found.names, found.title) == (23.976, ("a", "b"), "señor")
    for name, values in vars(tree.tree).items():
        np.testing.assert_array_equal(vars(found.tree)[name], values)
    assert RegionTree.load(tmp_path / "clip.npz").labels.shape == (2, 1, 3)


def test_other_files_are_refused_in_a_sentence(tmp_path):
    small_tree().tree.save(tmp_path / "tree.npz")
    with pytest.raises(TreeFileError, match="tree of a clip, but it lacks"):
        VideoTree.load(tmp_path / "tree.npz")
    (tmp_path / "cut.npz").write_bytes((tmp_path / "tree.npz").read_bytes()[:-30])
    with pytest.raises(TreeFileError, match="damaged"):
        VideoTree.load(tmp_path / "cut.npz")


@pytest.mark.parametrize("names", [("a",), ("a", "b", "c")])
def test_every_frame_has_one_name(names):
    with pytest.raises(ValueError, match="a name for each of 2 frames"):
        small_tree(names=names)


def test_labels_of_one_image_are_refused():
    with pytest.raises(ValueError, match=r"labels \[t, H, W\]"):
        VideoTree(RegionTree.flat(np.ones((2, 3), np.int32), 2))


def test_trees_of_images_are_no_clip():
    tree = small_tree().tree
    fields = ("parents", "num_nodes", "depths", "costs")
    twice = {x: np.stack([vars(tree)[x]] * 2) for x in fields}
    with pytest.raises(ValueError, match="got a batch of trees of images"):
        VideoTree(dataclasses.replace(tree, **twice))
