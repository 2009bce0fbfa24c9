"""Methods of one's own: functions, from Python and from files."""

import dataclasses
import doctest

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import uhseg_jax
from uhseg_jax.backbones import PatchRequest
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.images import ImageError
from uhseg_jax.methods import method_from, recursive_spectral

FEATURES = np.random.default_rng(0).normal(size=(4, 6, 8)).astype(np.float32)
IMAGE = np.random.default_rng(1).integers(0, 256, (20, 30, 3), np.uint8)


def halves(features, *, column: int = 3):
    labels = np.zeros(features.shape[:2], np.int64)
    labels[:, column:] = 7
    return labels


def dark(features, image, threshold=128.0):
    assert features.shape == FEATURES.shape
    return image.mean(axis=-1) < threshold


def blocks(features):
    """A tree of two levels."""
    labels = np.full(features.shape[:2], 3)
    labels[:, 3:], labels[2:, 3:] = 2, 4
    parents = [-1, 0, 1, 0, 1]
    return tree_of(labels, parents, [0, 1, 2, 1, 2])


def tree_of(labels, parents, depths):
    parents = np.array(parents)
    count = np.asarray(len(parents))
    return RegionTree(labels, parents, count, np.array(depths), np.zeros(len(parents)))


def test_labels_become_a_tree_of_one_level():
    tree = uhseg_jax.segment_features(FEATURES, method=halves)
    assert isinstance(tree, RegionTree)
    np.testing.assert_array_equal(tree.parents, [-1, 0, 0])
    np.testing.assert_array_equal(np.bincount(tree.labels.ravel()), [0, 12, 12])
    one = uhseg_jax.segment_features(FEATURES, method=lambda x: x[..., 0] > 100)
    assert int(one.num_nodes) == 1
    assert not one.labels.any()


def test_parameters_with_defaults_are_those_of_the_config():
    method = method_from(halves)
    assert method.preset() == method.config(column=3)
    config = dataclasses.replace(method.preset(), column=2)
    tree = uhseg_jax.segment_features(FEATURES, method=method, config=config)
    np.testing.assert_array_equal(np.bincount(tree.labels.ravel()), [0, 8, 16])
    settings = method.settings(config, [])
    assert settings["column"] == 2
    assert len(settings["code_sha256"]) == 64
    assert method.config().request == PatchRequest(grid=37)
    wanted = PatchRequest(grid=12)
    assert method_from(halves, request=wanted).config().request == wanted


def test_a_function_of_the_image_has_its_pixels():
    tree = uhseg_jax.segment_features(FEATURES, image=IMAGE, method=dark)
    wanted = IMAGE.mean(axis=-1) < 128
    np.testing.assert_array_equal(tree.cut(depth=1) == 2, wanted)
    with pytest.raises(
        ValueError, match="takes an image, but there are features alone"
    ):
        uhseg_jax.segment_features(FEATURES, method=dark)


def test_labels_of_patches_become_labels_of_pixels():
    tree = uhseg_jax.segment_features(
        FEATURES, image=IMAGE, method=halves, refine="none"
    )
    np.testing.assert_array_equal(tree.labels[:, 14:16], [[1, 2]] * 20)
    refined = uhseg_jax.segment_features(FEATURES, image=IMAGE, method=halves)
    assert refined.labels.shape == IMAGE.shape[:2]


def test_a_tree_stays_as_it_is_nested_and_batches_are_padded():
    tree = uhseg_jax.segment_features(FEATURES, method=blocks)
    np.testing.assert_array_equal(tree.cut(depth=1)[:, 3:], np.ones((4, 3)))
    np.testing.assert_array_equal(tree.labels, blocks(FEATURES).labels)

    def either(features):
        return blocks(features) if features[0, 0, 0] > 0 else halves(features)

    batch = np.stack([FEATURES, -FEATURES])
    batch[0, 0, 0, 0], batch[1, 0, 0, 0] = 1, -1
    trees = uhseg_jax.segment_features(batch, method=either)
    assert trees.num_nodes.tolist() == [5, 3]
    np.testing.assert_array_equal(trees[0].labels, tree.labels)
    np.testing.assert_array_equal(trees[1].labels, halves(FEATURES) // 7 + 1)


def test_jax_and_outputs_of_our_own_methods_are_taken_as_they_are():
    config = dataclasses.replace(
        recursive_spectral.two_way(), num_superpixels=12, num_vectors=6
    )

    @jax.jit
    def spectral(features):
        return recursive_spectral.segment(features, config)

    found = uhseg_jax.segment_features(FEATURES, method=spectral)
    wanted = uhseg_jax.segment_features(
        FEATURES, method="recursive_spectral", config=config
    )
    np.testing.assert_array_equal(found.cut(num_regions=3), wanted.cut(num_regions=3))
    sign = uhseg_jax.segment_features(FEATURES, method=lambda x: jnp.sum(x, -1) > 0)
    np.testing.assert_array_equal(sign.labels == 2, FEATURES.sum(-1) > 0)


def test_a_function_has_arrays_of_its_own_and_features_as_they_are():
    kept = FEATURES.copy()

    def writes(features, image):
        np.testing.assert_array_equal(features, 5 * kept)
        features[:], image[:] = 0, 0
        return np.zeros(features.shape[:2], int)

    image = IMAGE.copy()
    uhseg_jax.segment_features(5 * kept, image=image, method=writes)
    np.testing.assert_array_equal(image, IMAGE)


RETURNED = {
    "None": (None, "returned NoneType; expected integer labels"),
    "floats": (np.zeros((4, 6)), r"an array \(4, 6\) of float64; expected integer"),
    "other size": (
        np.zeros((5, 6), int),
        "labels of 5 x 6; expected labels of 4 x 6 or 20 x 30",
    ),
    "ragged": ([[1], [1, 2]], "returned list"),
    "masks": (np.zeros((3, 4, 6), bool), r"an array \(3, 4, 6\) of bool"),
    "pixels": (np.arange(2**15).reshape(2**8, -1), "32769 regions; expected at most"),
    "orphans": (
        tree_of(np.zeros((4, 6), int), [-1, 2, 1], [0, 1, 1]),
        "a RegionTree in which a parent does not come before its child",
    ),
}


@pytest.mark.parametrize("returned", RETURNED)
def test_what_is_no_tree_is_refused_with_the_line_of_the_function(returned):
    value, words = RETURNED[returned]

    def wrong(features):
        return value

    with pytest.raises(ImageError, match=words) as caught:
        uhseg_jax.segment_features(FEATURES, image=IMAGE, method=wrong)
    line = wrong.__code__.co_firstlineno
    assert str(caught.value).startswith(f"{__file__}, line {line}: wrong returned ")


def test_parameters_that_no_flag_can_set_are_refused():
    with pytest.raises(ValueError, match="'k' is none of these; give it a default"):
        method_from(lambda features, k: features)
    with pytest.raises(ValueError, match="'k' has a dict as its default"):
        method_from(lambda features, k={}: features)
    with pytest.raises(ValueError, match="expected features as the first parameter"):
        method_from(lambda *, image: image)
    with pytest.raises(ValueError, match=r"'request' .* and another name"):
        method_from(lambda features, request=3: features)


def test_a_function_without_an_image_has_float32_as_with_one():
    seen = []

    def one(features):
        seen.append(features.dtype)
        return np.zeros(features.shape[:2], int)

    given = FEATURES.astype(np.float64)
    uhseg_jax.segment_features(given, method=one)
    uhseg_jax.segment_features(given, image=IMAGE, method=one)
    assert seen == [np.float32, np.float32]
    for options in ({}, {"image": IMAGE}):
        with pytest.raises(ValueError, match="that float32 can hold, but the largest"):
            uhseg_jax.segment_features(1e300 * given, method=one, **options)


@pytest.mark.parametrize(
    "error",
    [MemoryError(), jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: no memory")],
)
def test_a_lack_of_memory_is_no_fault_of_the_function(error):
    def greedy(features):
        raise error

    with pytest.raises(MemoryError, match="do not fit into the memory"):
        uhseg_jax.segment_features(FEATURES, image=IMAGE, method=greedy)
    with pytest.raises(type(error)):
        uhseg_jax.segment_features(FEATURES, method=greedy)


def test_a_batch_has_no_image():
    with pytest.raises(ValueError, match="of the image, but got a batch of shape"):
        uhseg_jax.segment_features(FEATURES[None], image=IMAGE, method=halves)


def test_the_example_of_the_documentation_runs():
    tests = doctest.DocTestFinder().find(method_from, "method_from", globs={})
    assert [doctest.DocTestRunner().run(x).failed for x in tests] == [0]


def test_several_maps_are_levels_of_one_tree():
    def levels(features):
        rows, columns = np.indices(features.shape[:2])
        return np.stack([columns // 3, rows // 2])

    tree = uhseg_jax.segment_features(FEATURES, method=levels)
    assert [len(np.unique(tree.cut(depth=x))) for x in range(3)] == [1, 2, 4]
