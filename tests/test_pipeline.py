"""Methods that see the pixels of an image beside its features."""

import dataclasses
import functools

import block_method
import jax
import numpy as np
import pytest
from block_method import DAMAGED, HUGE, LEAVES, assert_same, blocks, photos
from PIL import Image
from small_runs import photographs_with_masks

import uhseg_jax
from uhseg_jax import backbones, batches
from uhseg_jax.backbones import (
    AttentionRequest,
    Extractor,
    PatchRequest,
    find_backbone,
    load_backbone,
)
from uhseg_jax.datasets.folder import FolderSource
from uhseg_jax.features import at_unit_length
from uhseg_jax.images import ImageError
from uhseg_jax.methods import METHODS, region_merging
from uhseg_jax.pipeline import Segmenter, jitted_trees
from uhseg_jax.refinement.config import Refinement
from uhseg_jax.refinement.labels import resize_labels
from uhseg_jax.runs.evaluate import evaluate
from uhseg_jax.runs.images import RunImage
from uhseg_jax.runs.items import Item, segment_items
from uhseg_jax.superpixels import SuperpixelConfig

PLAIN = Refinement(refiners=None)


@pytest.fixture(scope="module")
def segmenter():
    return block_method.segmenter()


@pytest.fixture
def registered(monkeypatch):
    monkeypatch.setitem(METHODS._entries, "blocks", block_method.METHOD)


def is_one_partition(labels, others):
    pairs = np.unique(np.stack([labels.ravel(), others.ravel()]), axis=1)
    return len(np.unique(labels)) == len(np.unique(others)) == pairs.shape[1]


@pytest.mark.parametrize("shape", [(50, 70), (1, 1), (1, 40), (90, 2)])
def test_leaves_are_superpixels_at_the_size_of_the_image(registered, shape):
    image = np.full((*shape, 3), 90, np.uint8)
    tree = uhseg_jax.segment(image, method="blocks", model="dinov2_test")
    assert tree.labels.dtype == np.int32
    assert is_one_partition(tree.labels, blocks(*shape))
    assert set(np.unique(tree.labels)) == set(np.flatnonzero(tree.is_leaf()))


def test_a_tree_of_patches_has_no_leaf_between_them(registered):
    (image,) = photos(1)
    options = {"method": "blocks", "model": "dinov2_test"}
    tree = uhseg_jax.segment(image, **options, grid=True)
    assert tree.labels.shape == (6, 6)
    assert set(np.unique(tree.labels)) == set(np.flatnonzero(tree.is_leaf())) == {1, 2}
    # Refiners begin with the patches, so the columns between them are no leaves.
    refined = uhseg_jax.segment(image, **options, refine="upsample")
    assert refined.labels.shape == image.shape[:2]
    assert int(refined.num_nodes) == int(tree.num_nodes) == 3


def test_features_alone_have_no_superpixels(registered):
    features = np.ones((2, 4, 6, 8), np.float32)
    trees = uhseg_jax.segment_features(features, method="blocks")
    assert trees.labels.shape == (2, 4, 6)
    assert set(np.unique(trees.labels)) == set(LEAVES)


def test_small_components_and_pieces_are_those_of_superpixels(segmenter):
    (image,) = photos(1)
    wanted = blocks(*image.shape[:2])
    wanted[-1, -1] = 3  # its neighbours take the pixel that lies apart
    large = dataclasses.replace(PLAIN, min_area=0.01)
    (found,) = dataclasses.replace(segmenter, refinement=large)([image])
    assert is_one_partition(found.tree.labels, wanted)
    pieces = dataclasses.replace(PLAIN, connected=True)
    (found,) = dataclasses.replace(segmenter, refinement=pieces)([image])
    wanted[-1, -1] = 4
    assert is_one_partition(found.tree.labels, wanted)


def test_neighbours_and_a_mesh_change_nothing_and_one_program_serves_all(segmenter):
    images = photos(3)
    single = [segmenter([image])[0] for image in images]
    programs = jitted_trees.jitted._cache_size()
    assert_same(segmenter(images), single)
    assert jitted_trees.jitted._cache_size() == programs
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:1]), ("data",))
    assert_same(dataclasses.replace(segmenter, mesh=mesh)(images), single)
    costs = [np.unique(x.tree.costs) for x in single]
    assert not np.array_equal(costs[0], costs[1])  # their pixels count


SMALL = {
    "blocks": (block_method.METHOD, block_method.Config()),
    "region_merging": (
        METHODS["region_merging"],
        region_merging.Config(
            request=PatchRequest(grid=6, blocks=(-3, -1)),
            superpixels=SuperpixelConfig(count=24, contrast_scales=(1.5,)),
            num_condensed=12,
            max_regions=8,
        ),
    ),
}


@pytest.mark.parametrize("name", SMALL)
def test_images_that_go_together_have_the_trees_of_each_alone(monkeypatch, name):
    method, config = SMALL[name]
    backbone = load_backbone("dinov2_test", dtype="float32")
    alone = Segmenter(backbone, method, config, PLAIN)
    images = photos(6)
    wanted = alone(images)
    monkeypatch.setattr(batches, "images_at_once", lambda: 4)
    together = dataclasses.replace(alone)
    assert len(together.features(images[:1])) == 4
    assert len(together.features(images)) == 8
    found = together(images)
    programs = jitted_trees.jitted._cache_size()
    # In other places of a group, beside others or copies, to the last bit.
    assert_same(together(images[:1]), found[:1])
    assert_same(together(images[:3]), found[:3])
    assert_same(together(images[3:]), found[3:])
    assert_same(together(images[5:]), found[5:])
    assert jitted_trees.jitted._cache_size() == programs
    if name == "blocks":
        mesh = jax.sharding.Mesh(np.array(jax.devices()[:1]), ("data",))
        shared = dataclasses.replace(together, mesh=mesh)
        assert_same(shared(images[:3]), found[:3])
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one.tree.labels, other.tree.labels)
        np.testing.assert_array_equal(one.tree.parents, other.tree.parents)
        np.testing.assert_allclose(one.tree.costs, other.tree.costs, rtol=1e-4)


def test_an_image_that_stops_a_group_leaves_those_before_it(monkeypatch, segmenter):
    images = photos(6)
    monkeypatch.setattr(batches, "images_at_once", lambda: 4)
    together = dataclasses.replace(segmenter)
    wanted = together(images)
    images[2][0, 0] = DAMAGED
    found = together.segment(range(6), images)
    assert_same([next(found), next(found)], wanted[:2])
    with pytest.raises(ImageError):
        next(found)


def test_diffusion_models_take_one_image_at_a_time(monkeypatch):
    monkeypatch.setattr(batches, "images_at_once", lambda: 4)
    groups = [
        Extractor(find_backbone(name, dtype="float32"), AttentionRequest()).group
        for name in ("dinov2_test", "sd_test")
    ]
    assert groups == [4, 1]


def test_what_is_compiled_ahead_is_for_groups(monkeypatch, registered):
    monkeypatch.setattr(batches, "images_at_once", lambda: 4)
    made = Segmenter.create(method="blocks", model="dinov2_test")
    assert made.backbone.params  # read now
    *_, ahead = jitted_trees._shapes.values()
    (found,) = jax.tree.leaves(ahead.result().tree.labels)
    (image,) = photos(1)
    features = made.features([image])
    assert found.shape == made.trees(features, [made.prepare(image)]).tree.labels.shape
    assert found.shape[0] == 4


def test_programs_are_compiled_while_weights_are_read(monkeypatch, registered):
    found = find_backbone("dinov2_test")

    def read_params():
        *_, ahead = jitted_trees._shapes.values()
        assert ahead.result(timeout=30)
        return found.params

    waiting = dataclasses.replace(found, read_params=read_params)
    monkeypatch.setattr(backbones, "find_backbone", lambda *_, **__: waiting)
    monkeypatch.setattr(batches, "images_at_once", lambda: 3)  # of no other test
    made = Segmenter.create(method="blocks", model="dinov2_test")
    assert made._extractor.inputs


@pytest.mark.slow
def test_eight_devices_give_the_trees_of_one():
    done = block_method.run_on_devices(8)
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1] == "8 devices are as one"


def test_images_that_cannot_be_prepared_fail_alone(segmenter):
    images = photos(5)
    images[0][0, 0], images[2][0, 0] = DAMAGED, HUGE
    items = [Item(i, RunImage(x, f"{i}", f"{i}.jpg"), x) for i, x in enumerate(images)]
    prepared = [functools.partial(segmenter.prepare, x) for x in images]
    found = list(segment_items(segmenter, items, prepared))
    failures = [x.failure for x in found]
    assert failures[1] == failures[3] == failures[4] == ""
    assert failures[0] == "0.jpg: the first pixel is damaged; mend it."
    assert failures[2].startswith("2.jpg: the regions of an image of 64 x 58 pixels")
    assert "--refine" not in failures[2]
    whole = segmenter([images[i] for i in (1, 3, 4)])
    for item, one in zip((found[1], found[3], found[4]), whole, strict=True):
        jax.tree.map(np.testing.assert_array_equal, item.result.tree, one.tree)


@pytest.mark.parametrize(
    ("value", "error"), [(DAMAGED, ImageError), (HUGE, MemoryError)]
)
def test_an_evaluation_names_the_image_that_stops_it(segmenter, tmp_path, value, error):
    folder = photographs_with_masks(tmp_path, 3)
    path = folder / "images" / "01.png"
    Image.fromarray(np.full((30, 40, 3), value, np.uint8)).save(path)
    source = FolderSource(folder / "images", folder / "masks")
    done = []

    def note(seed, stage, count, scores):
        done.append(count)

    with pytest.raises(error, match=r"^01: "):
        evaluate(segmenter, source, tmp_path / "out", on_image=note)
    assert done == [1]  # the one before is in the journal


def test_scores_of_both_resolutions_do_not_depend_on_the_batch(segmenter, tmp_path):
    folder = photographs_with_masks(tmp_path, 3)
    source = FolderSource(folder / "images", folder / "masks")
    one, three = (
        evaluate(segmenter, source, tmp_path / f"{size}", batch_size=size)
        for size in (1, 3)
    )
    assert one == three
    assert one["mean_leaves"] == 4
    assert one["full/miou"] != one["grid/miou"]


class Grids(dict):
    """Features by name, as `features.FeatureFolder` has them in files."""

    read = dict.__getitem__

    def settings(self):
        return {"model": "features"}

    def fingerprint(self):
        return ""


def test_given_features_are_cut_by_one_program_whatever_their_grid():
    method, config = SMALL["region_merging"]
    rng = np.random.default_rng(0)
    images = photos(4)
    grids = [(6, 6), (6, 6), (5, 9), (12, 7)]
    source = Grids({str(i): rng.normal(size=(*g, 8)) for i, g in enumerate(grids)})
    made = Segmenter(source, method, method.config_for_features(config), PLAIN)

    def prepared(first=0):
        parts = (functools.partial(made.prepare, x) for x in images[first:])
        return [functools.partial(x, name=str(i)) for i, x in enumerate(parts, first)]

    found = list(made.segment(range(4), images, prepared()))
    programs = jitted_trees.jitted._cache_size()
    again = list(made.segment([2, 3], images[2:], prepared(2)))
    assert jitted_trees.jitted._cache_size() == programs
    assert_same(again, found[2:])
    for grid, image, one in zip(grids, images, found, strict=True):
        assert one.grid.labels.shape == grid
        assert one.tree.labels.shape == image.shape[:2]
        centres = resize_labels(np.asarray(one.tree.labels), grid)
        assert is_one_partition(centres, one.grid.labels)
    # As with the weights of patches in the program itself.
    unit = at_unit_length(source["0"])
    own = method.prepare(images[0], (6, 6), made.config)
    wanted = jax.jit(method.segment, static_argnums=1)(unit, made.config, own.graph)
    np.testing.assert_array_equal(found[0].tree.labels, wanted.leaves[own.labels])


def test_given_features_that_fail_come_after_those_before(monkeypatch):
    monkeypatch.setattr(batches, "_ON_ACCELERATORS", 3)
    monkeypatch.setattr(batches.jax, "default_backend", lambda: "gpu")
    source = Grids({str(i): np.ones((6, 6 + i // 2, 4)) for i in range(4)})
    made = Segmenter(source, block_method.METHOD, block_method.Config(), PLAIN)
    images = photos(4)
    images[3][0, 0] = DAMAGED
    prepared = [
        functools.partial(made.prepare, x, name=str(i)) for i, x in enumerate(images)
    ]
    found = made.segment(range(4), images, prepared)
    shapes = [next(found).grid.labels.shape for _ in range(3)]
    assert shapes == [(6, 6), (6, 6), (6, 7)]
    with pytest.raises(ImageError, match="damaged"):
        next(found)
