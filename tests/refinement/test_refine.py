import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from trees import random_tree
from uhseg_jax.refinement.prototypes import LeafEvidence

from uhseg_jax.interpolation import make_taps
from uhseg_jax.refinement.config import REFINERS, Refinement, resolve_refinement
from uhseg_jax.refinement.dense_crf import CRFConfig
from uhseg_jax.refinement.labels import at_size, relabel, resize_labels
from uhseg_jax.refinement.pamr import PamrConfig
from uhseg_jax.refinement.refine import refine

GRID = (6, 8)
QUICK = Refinement(pamr=PamrConfig(num_iterations=2), crf=CRFConfig(iterations=1))


def scene(seed=0, size=(45, 60)):
    """A tree, features that tell its leaves apart, and an image that shows them."""
    tree = random_tree(seed, height=GRID[0], width=GRID[1], num_splits=5, padding=3)
    rng = np.random.default_rng(seed)
    directions = rng.normal(size=(len(tree.parents), 12))
    features = directions[tree.labels] + 0.1 * rng.normal(size=(*GRID, 12))
    colors = rng.integers(0, 256, (len(tree.parents), 3)).astype(np.uint8)
    image = colors[resize_labels(tree.labels, size)]
    return tree, features.astype(np.float32), image


def check_tree(found, size):
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


@pytest.mark.parametrize("refiner", REFINERS)
def test_refined_trees_are_nested_partitions(refiner):
    tree, features, image = scene()
    refinement = dataclasses.replace(QUICK, refiner=refiner)
    found = refine(tree, features, image, refinement)
    check_tree(found, (45, 60))
    again = refine(tree, jnp.asarray(features), image, refinement)
    jax.tree.map(np.testing.assert_array_equal, found, again)
    nearest = resize_labels(tree.labels, (45, 60))
    if int(found.num_nodes) == int(tree.num_nodes):
        assert (found.labels == nearest).mean() > 0.8


def test_none_is_the_patch_that_holds_the_pixel():
    tree, features, image = scene()
    found = refine(tree, features, image, Refinement("none"))
    np.testing.assert_array_equal(found.labels, at_size(tree, (45, 60)).labels)
    np.testing.assert_array_equal(found.parents, tree.parents)


def test_edges_follow_the_image():
    """Two colours meet inside a column of patches, of which each half is torn."""
    labels = np.repeat([[1, 1, 1, 2, 2, 2]], 6, axis=0).astype(np.int32)
    tree = random_tree(0, height=6, width=6, num_splits=1, max_children=2)
    tree = dataclasses.replace(tree, labels=labels)
    features = np.eye(3, dtype=np.float32)[labels]
    image = np.zeros((48, 48, 3), np.uint8)
    image[:, 21:] = 200  # the border of the patches is at 24
    truth = np.where(np.arange(48) < 21, 1, 2)[None, :].repeat(48, axis=0)
    wrong = {}
    for name, refinement in {
        "none": Refinement("none"),
        "joint": Refinement("upsample", kernel="joint"),
        "pamr": Refinement("pamr"),
        "crf": Refinement("crf", temperature=1.0),
    }.items():
        found = refine(tree, features, image, refinement)
        wrong[name] = (found.labels != truth).mean()
    assert wrong["none"] == 3 / 48
    for name in ("joint", "pamr", "crf"):
        assert wrong[name] < 0.5 * wrong["none"], wrong


@pytest.mark.parametrize("size", [(1, 1), (3, 4), (1, 90), (200, 2)])
@pytest.mark.parametrize("refiner", ["upsample", "pamr", "crf"])
def test_images_of_any_size(size, refiner):
    tree, features, image = scene(size=size)
    found = refine(tree, features, image, dataclasses.replace(QUICK, refiner=refiner))
    check_tree(found, size)


@pytest.mark.parametrize("refiner", REFINERS)
def test_one_leaf_is_the_whole_image(refiner):
    _, features, image = scene()
    whole = dataclasses.replace(
        random_tree(0, num_splits=0), labels=np.zeros(GRID, np.int32)
    )
    found = refine(whole, features, image, Refinement(refiner))
    assert int(found.num_nodes) == 1
    assert (found.labels == 0).all()


def test_a_leaf_of_one_patch_stays_or_goes_without_a_trace():
    _, features, image = scene()
    labels = np.ones(GRID, np.int32)
    labels[3, 3] = 2
    two = random_tree(0, num_splits=1, max_children=2)
    two = dataclasses.replace(two, labels=labels)
    for contrast in (0.0, 1.0):
        direction = np.eye(12, dtype=np.float32)[labels]
        alike = np.ones_like(features)
        found = refine(
            two,
            alike + contrast * direction,
            image,
            Refinement("upsample", locality=0.0),
        )
        check_tree(found, (45, 60))


def test_grey_and_constant_images():
    tree, features, image = scene()
    for grey in (np.repeat(image[..., :1], 3, axis=2), np.zeros_like(image)):
        for refiner in ("pamr", "crf"):
            refinement = dataclasses.replace(QUICK, refiner=refiner)
            check_tree(refine(tree, features, grey, refinement), (45, 60))


def test_large_images_are_refined_on_a_smaller_copy():
    tree, features, image = scene(size=(130, 150))
    kinds = {"pamr": QUICK.pamr, "crf": QUICK.crf}
    for refiner in kinds:
        small = dataclasses.replace(QUICK, refiner=refiner, max_megapixels=0.01)
        found = refine(tree, features, image, small)
        check_tree(found, (130, 150))
        large = dataclasses.replace(small, max_megapixels=1.0)
        full = refine(tree, features, image, large)
        assert (found.labels == full.labels).mean() > 0.95


def test_specks_are_absorbed_and_pieces_divided():
    tree, features, image = scene()
    noisy = np.random.default_rng(0).permutation(tree.labels.ravel()).reshape(GRID)
    tree = dataclasses.replace(tree, labels=noisy)
    plain = refine(tree, features, image, Refinement("none"))
    clean = refine(tree, features, image, Refinement("none", min_area=0.05))
    apart = refine(tree, features, image, Refinement("none", connected=True))
    for found in (plain, clean, apart):
        check_tree(found, (45, 60))
    assert int(clean.num_nodes) <= int(plain.num_nodes) < int(apart.num_nodes)
    whole = refine(tree, features, image, Refinement("none", min_area=1.0))
    check_tree(whole, (45, 60))


def test_features_of_another_grid_are_refused():
    tree, features, image = scene()
    with pytest.raises(ValueError, match="grid of 6 x 8 cells"):
        refine(tree, features[:5], image, Refinement())


def test_refinements_have_names():
    assert resolve_refinement(None) == Refinement()
    assert resolve_refinement("pamr").refiner == "pamr"
    given = Refinement(min_area=0.1)
    assert resolve_refinement(given) is given
    with pytest.raises(ValueError, match="Did you mean 'upsample'"):
        resolve_refinement("upsampled")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"refiner": "crt"}, "refiner must be"),
        ({"kernel": "cubic"}, "kernel must be"),
        ({"temperature": 0.0}, "temperature must be"),
        ({"locality": -1.0}, "locality must be"),
        ({"min_area": 2.0}, "min_area must be a share from 0 to 1"),
        ({"max_megapixels": float("nan")}, "max_megapixels must be"),
    ],
)
def test_parameters_out_of_range_are_named(change, sentence):
    with pytest.raises(ValueError, match=sentence):
        dataclasses.replace(Refinement(), **change)


@pytest.mark.parametrize("size", [(50, 70), (64, 64)])
def test_tiles_and_bands_change_nothing(size):
    tree, features, image = scene(size=size)
    found = refine(tree, features, image, Refinement("upsample", locality=0.0))
    leaves, slots = np.unique(tree.labels, return_inverse=True)
    rows, columns = (
        jax.tree.map(
            lambda x: jnp.asarray(x, jnp.int32 if x.dtype == int else jnp.float32),
            make_taps(cells, pixels, kernel="bicubic"),
        )
        for cells, pixels in zip(GRID, size, strict=True)
    )
    slots = jnp.asarray(slots.reshape(GRID), jnp.int32)
    evidence = LeafEvidence.from_features(jnp.asarray(features), slots, len(leaves))
    best = leaves[np.argmax(evidence.cosines(rows, columns), axis=-1)]
    # Ties of round-off aside.
    assert (relabel(tree, best.astype(np.int32)).labels == found.labels).mean() > 0.999
