import numpy as np
import pytest
from trees import make_tree, random_tree

import uhseg_jax
from uhseg_jax import DescribedTree, similar_regions
from uhseg_jax.hierarchy import tree_file
from uhseg_jax.hierarchy.descriptors import descriptor_file

# A meadow, a dog with its head and body, and the sky.
MEADOW, DOG, SKY, HEAD, BODY = range(1, 6)
PARENTS = [-1, 0, 0, 0, DOG, DOG]


def scene(dog=(0.0, 1.0, 0.0), *, head=(0.0, 1.0, 0.1), size=(4, 10)):
    """One column for the head, two for the body, the rest halved."""
    labels = np.zeros(size, np.int32)
    labels[:, 0], labels[:, 1:3] = HEAD, BODY
    labels[:, 3:6], labels[:, 6:] = MEADOW, SKY
    tree = make_tree(labels, PARENTS, [0, 1, 1, 1, 2, 2], [0, 0.5, 0.5, 0.5, 0.9, 0.9])
    features = np.zeros((*size, 3))
    features[labels == MEADOW] = 1.0, 0.0, 0.0
    features[labels == SKY] = 0.0, 0.0, 1.0
    features[labels == HEAD], features[labels == BODY] = head, dog
    return DescribedTree.of(tree, features)


def test_a_dog_finds_dogs_of_other_images_and_nothing_nested():
    one, other = scene(), scene(dog=(0.0, 1.0, 0.05))
    cat = scene(dog=(1.0, 1.0, 1.0), head=(1.0, 1.0, 1.0))
    found = similar_regions(one, DOG, [cat, other, one], k=3)
    assert (found[0].image, found[0].node) == (1, DOG)
    assert found[0].similarity > 0.99
    assert [x.similarity for x in found] == sorted(
        (x.similarity for x in found), reverse=True
    )
    everything = similar_regions(one, DOG, [cat, other, one], k=100)
    for index, described in enumerate([cat, other, one]):
        nodes = [x.node for x in everything if x.image == index]
        covered = described.tree.masks()[nodes].sum(axis=0)
        assert covered.max() == 1
    # In its own image neither the dog nor what it is made of, but all else.
    assert {x.node for x in everything if x.image == 2} == {MEADOW, SKY}


def test_of_nested_regions_the_largest_that_is_as_similar_is_found():
    one = scene(head=(0.0, 1.0, 0.0))
    other = scene(dog=(0.3, 1.0, 0.3), head=(0.0, 1.0, 0.0))
    assert similar_regions(one, HEAD, [other], k=1, margin=0.0)[0].node == HEAD
    assert similar_regions(one, HEAD, [other], k=1, margin=0.3)[0].node == DOG


def test_similarities_are_cosines_without_the_mean_of_the_images():
    rng = np.random.default_rng(0)
    trees = [
        DescribedTree.of(random_tree(seed), rng.normal(size=(6, 8, 5)) + 3)
        for seed in range(3)
    ]
    for center in (True, False):
        mean = np.mean([x.descriptors[0] for x in trees], axis=0) if center else 0.0
        query = trees[0].descriptors[2] - mean
        found = similar_regions(
            trees[0], 2, trees[1:], k=50, min_area=0.0, margin=0.0, center=center
        )
        assert len(found) > 8
        for index, node, similarity in found:
            other = trees[1 + index].descriptors[node] - mean
            cosine = query @ other / np.linalg.norm(query) / np.linalg.norm(other)
            assert similarity == pytest.approx(cosine, abs=1e-5)


def test_small_regions_and_roots_are_left_out_unless_there_is_nothing_else():
    one = scene()
    other = scene(dog=(0.0, 1.0, 0.05))
    nodes = {
        x.node for x in similar_regions(one, HEAD, [other], min_area=0.25, margin=0.0)
    }
    assert nodes == {DOG, MEADOW, SKY}
    alone = DescribedTree(make_tree(np.zeros((2, 2)), [-1], [0], [0]), np.ones((1, 3)))
    assert [x.node for x in similar_regions(one, HEAD, [alone])] == [0]
    assert similar_regions(one, HEAD, []) == []


@pytest.mark.parametrize("scale", [1.0, 1e-6, 1e6])
def test_files_give_descriptors_back(tmp_path, scale):
    described = scene()
    path = tmp_path / "dog.of.mine.npz"
    described.tree.save(path)
    beside = tmp_path / "dog.of.mine.descriptors.npz"
    tree_id = tree_file.identity(described.tree.labels, described.tree.parents)
    with pytest.raises(FileNotFoundError, match="descriptors"):
        DescribedTree.load(path)
    beside.write_bytes(descriptor_file.encode(scale * described.descriptors, tree_id))
    found = DescribedTree.load(path)
    assert found.descriptors.dtype == np.float32
    np.testing.assert_allclose(
        found.descriptors / scale, described.descriptors, atol=1e-3
    )
    random_tree(0).save(path)
    with pytest.raises(uhseg_jax.hierarchy.tree.TreeFileError, match="are of another"):
        DescribedTree.load(path)
    beside.write_bytes(beside.read_bytes()[:90])
    with pytest.raises(uhseg_jax.hierarchy.tree.TreeFileError, match="damaged"):
        DescribedTree.load(path)


def test_what_makes_no_sense_is_refused():
    one = scene()
    with pytest.raises(ValueError, match="a node of the tree, from 0 to 5, but got 6"):
        similar_regions(one, 6, [one])
    longer = DescribedTree(one.tree, np.ones((6, 4)))
    with pytest.raises(ValueError, match=r"3 numbers.* tree 1 have 4"):
        similar_regions(one, 0, [one, longer])
    with pytest.raises(ValueError, match=r"expected descriptors \[6, d\].*\(5, 4\)"):
        DescribedTree(one.tree, np.ones((5, 4)))
    with pytest.raises(ValueError, match="without NaN"):
        DescribedTree(one.tree, np.full((6, 4), np.nan))
    with pytest.raises(ValueError, match="k must be"):
        similar_regions(one, 0, [one], k=0)
