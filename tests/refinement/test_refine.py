"""Trees of pixels. The scenes share a grid and a size, so that programs are shared."""

import dataclasses
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from trees import random_tree

from uhseg_jax.interpolation import make_taps
from uhseg_jax.refinement.config import Refinement
from uhseg_jax.refinement.dense_crf import DenseCRF
from uhseg_jax.refinement.foreground import refine_foreground
from uhseg_jax.refinement.label_columns import WIDTH
from uhseg_jax.refinement.labels import at_size, relabel, resize_labels
from uhseg_jax.refinement.pamr import Pamr
from uhseg_jax.refinement.refine import refine

GRID, SIZE = (6, 8), (48, 64)
NONE, UPSAMPLE = Refinement(None), Refinement((), locality=0.0)
JOINT = Refinement((), kernel="joint")
PAMR, CRF = Refinement((Pamr(),)), Refinement((DenseCRF(),), temperature=1.0)
BOTH = Refinement((Pamr(num_iterations=2), DenseCRF(iterations=1)))
EVERY = {
    **{"none": NONE, "upsample": UPSAMPLE, "joint": JOINT},
    **{"pamr": PAMR, "crf": CRF, "pamr,crf": BOTH},
}
# The CRF runs last in "pamr,crf" too; by itself it is another program.
every_refinement = pytest.mark.parametrize(
    "refinement",
    [
        pytest.param(x, id=name, marks=[pytest.mark.slow] * (name == "crf"))
        for name, x in EVERY.items()
    ],
)


def scene(seed=0, size=SIZE, num_splits=3):
    """A tree, features that tell its leaves apart, and an image that shows them."""
    tree = random_tree(
        seed, height=GRID[0], width=GRID[1], num_splits=num_splits, padding=3
    )
    rng = np.random.default_rng(seed)
    directions = rng.normal(size=(len(tree.parents), 12))
    features = directions[tree.labels] + 0.1 * rng.normal(size=(*GRID, 12))
    colors = rng.integers(0, 256, (len(tree.parents), 3)).astype(np.uint8)
    image = colors[resize_labels(tree.labels, size)]
    return tree, features.astype(np.float32), image


def two_leaves(labels):
    tree = random_tree(0, num_splits=1, max_children=2)
    return dataclasses.replace(tree, labels=labels.astype(np.int32))


def check_tree(found, size=SIZE):
    """Regions partition the image, children lie in parents, no node is empty."""
    assert found.labels.shape == size
    count = int(found.num_nodes)
    masks, leaf = found.masks(), found.is_leaf()[:count]
    assert masks.any(axis=(1, 2)).all()
    np.testing.assert_array_equal(masks[leaf].sum(axis=0), 1)
    for node in range(1, count):
        assert found.parents[node] < node
        assert (masks[found.parents[node]] >= masks[node]).all()
    assert (np.bincount(found.parents[1:count], minlength=1) != 1).all()


@every_refinement
def test_refined_trees_are_nested_partitions(refinement):
    tree, features, image = scene()
    found = refine(tree, features, image, refinement)
    check_tree(found)
    again = refine(tree, jnp.asarray(features), image, refinement)
    jax.tree.map(np.testing.assert_array_equal, found, again)
    if int(found.num_nodes) == int(tree.num_nodes):
        nearest = resize_labels(tree.labels, SIZE)
        assert (found.labels == nearest).mean() > 0.8
    for grey in (np.repeat(image[..., :1], 3, axis=2), np.zeros_like(image)):
        check_tree(refine(tree, features, grey, refinement))


@every_refinement
def test_one_leaf_is_the_whole_image(refinement):
    _, features, image = scene()
    whole = dataclasses.replace(
        random_tree(0, num_splits=0), labels=np.zeros(GRID, np.int32)
    )
    found = refine(whole, features, image, refinement)
    assert int(found.num_nodes) == 1
    assert (found.labels == 0).all()


def test_none_is_the_patch_that_holds_the_pixel():
    tree, features, image = scene()
    found = refine(tree, features, image, NONE)
    np.testing.assert_array_equal(found.labels, at_size(tree, SIZE).labels)
    np.testing.assert_array_equal(found.parents, tree.parents)


def test_edges_follow_the_image():
    """Two colours meet inside a column of patches, of which each half is torn."""
    labels = np.where(np.arange(8) < 4, 1, 2)[None].repeat(6, axis=0)
    features = np.eye(12, dtype=np.float32)[labels]
    image = np.zeros((*SIZE, 3), np.uint8)
    image[:, 29:] = 200  # the border of the patches is at 32
    truth = np.where(np.arange(64) < 29, 1, 2)
    wrong = {
        name: (refine(two_leaves(labels), features, image, x).labels != truth).mean()
        for name, x in EVERY.items()
    }
    assert wrong["none"] == 3 / 64
    for name in ("joint", "pamr", "crf"):
        assert wrong[name] < 0.5 * wrong["none"], wrong
    inside = refine_foreground((labels == 2).astype(np.float32), image, PAMR)
    assert (inside != (truth == 2)).mean() < 0.5 * wrong["none"]


@pytest.mark.parametrize("size", [(1, 1), (3, 4), (1, 90), (130, 2)])
def test_images_of_any_size(size):
    tree, features, image = scene(size=size)
    for refinement in (UPSAMPLE, PAMR) if max(size) > 64 else (UPSAMPLE, PAMR, CRF):
        check_tree(refine(tree, features, image, refinement), size)


@pytest.mark.slow
@pytest.mark.parametrize("size", [(1, 90), (200, 2)])
def test_the_crf_takes_images_of_any_size(size):
    tree, features, image = scene(size=size)
    check_tree(refine(tree, features, image, BOTH), size)


def test_a_leaf_of_one_patch_stays_or_goes_without_a_trace():
    _, _, image = scene()
    labels = np.ones(GRID, np.int32)
    labels[3, 3] = 2
    for contrast in (0.0, 1.0):
        direction = contrast * np.eye(12, dtype=np.float32)[labels]
        found = refine(two_leaves(labels), 1 + direction, image, UPSAMPLE)
        check_tree(found)


def test_large_images_are_refined_on_a_smaller_copy():
    size = (100, 128)
    tree, features, image = scene(size=size)
    full = refine(tree, features, image, PAMR)
    # As many pixels as a tile, so that its program is that of the other tests.
    small = dataclasses.replace(PAMR, max_megapixels=0.01)
    found = refine(tree, features, image, small)
    check_tree(found, size)
    assert (found.labels == full.labels).mean() > 0.95


def test_small_components_are_absorbed_and_pieces_divided():
    tree, features, image = scene()
    noisy = np.random.default_rng(0).permutation(tree.labels.ravel()).reshape(GRID)
    tree = dataclasses.replace(tree, labels=noisy)
    changes = ({}, {"min_area": 0.05}, {"connected": True}, {"min_area": 1.0})
    found = [
        refine(tree, features, image, dataclasses.replace(NONE, **change))
        for change in changes
    ]
    for one in found:
        check_tree(one)
    plain, clean, apart, _ = (int(x.num_nodes) for x in found)
    assert clean <= plain < apart


def test_features_of_another_grid_are_refused():
    tree, features, image = scene()
    with pytest.raises(ValueError, match="grid of 6 x 8 patches"):
        refine(tree, features[:5], image, Refinement())


@pytest.mark.parametrize("num_splits", [3, 9])
def test_tiles_and_columns_change_nothing(num_splits):
    size = (50, 150)  # two tiles, of which each reaches beyond the image
    tree, features, image = scene(size=size, num_splits=num_splits)
    found = refine(tree, features, image, UPSAMPLE)
    leaves, slots = np.unique(tree.labels, return_inverse=True)
    assert (len(leaves) > WIDTH) == (num_splits == 9)
    best = leaves[upsampled(features, slots.reshape(GRID), size)]
    # Ties of round-off aside.
    assert (relabel(tree, best.astype(np.int32)).labels == found.labels).mean() > 0.999


def upsampled(features, slots, size):
    """The slot of the largest cosine at every pixel, in float64."""

    def unit(x):
        return x / np.linalg.norm(x, axis=-1, keepdims=True)

    units = unit(features.astype(np.float64))
    prototypes = unit(np.stack([units[slots == j].mean(0) for j in np.unique(slots)]))
    for axis, pixels in enumerate(size):
        taps = make_taps(GRID[axis], pixels, kernel="bicubic")
        cells = np.clip(taps.first[:, None] + np.arange(4), 0, GRID[axis] - 1)
        weights = taps.weights.reshape((-1, 4, 1, 1))
        by_tap = np.moveaxis(units, axis, 0)[cells] * weights
        units = np.moveaxis(by_tap.sum(axis=1), 0, axis)
    return (unit(units) @ prototypes.T).argmax(-1)


def test_few_programs_serve_all_sizes_and_numbers_of_leaves():
    programs = []
    sizes = [(48, 64), (20, 150), (150, 20), (7, 9), (63, 48), (140, 130)]
    for seed, size in enumerate(sizes):
        tree, features, image = scene(seed, size, num_splits=1 + 2 * seed)
        few = dataclasses.replace(BOTH, max_megapixels=0.01)
        refine(tree, features, image, few)
        refine_foreground((tree.labels > 1).astype(np.float32), image, few)
        programs.append(sum(x._cache_size() for x in jitted()))
    # Of the first five only the lattices differ, in how large they are; the last image
    # has more pixels, and its labels are enlarged.
    assert programs[4] - programs[0] < 10, programs
    assert programs[5] - programs[0] < 40, programs


def jitted():
    """Everything that refinement compiles."""
    modules = [x for name, x in sys.modules.items() if ".refinement" in name]
    found = {id(f): f for x in modules for f in vars(x).values()}
    return [f for f in found.values() if hasattr(f, "_cache_size")]
