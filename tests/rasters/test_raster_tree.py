"""Trees of rasters: cuts by windows and strips, smaller copies, files."""

import itertools

import numpy as np
import pytest

from uhseg_jax.hierarchy.tree import RegionTree, TreeFileError
from uhseg_jax.rasters import (
    NO_DATA,
    Georeference,
    LabelRaster,
    RasterTree,
    Window,
)
from uhseg_jax.rasters.windows import blending, cores, starts

PLACE = Georeference("", (0.5, 0.0, 100.0, 0.0, -0.5, 200.0))


@pytest.fixture
def labels():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 5, (23, 31)).astype(np.int32)
    labels[3:6, 10:20] = NO_DATA
    return labels


@pytest.fixture
def raster_tree(labels, tmp_path):
    """Labels in tiles of 10, numbered otherwise on disk, and a tree of two levels."""
    raster = LabelRaster(
        tmp_path / "superpixels", labels.shape, 10, np.arange(5, dtype=np.int32)[::-1]
    )
    for at, window in cores(labels.shape, 10):
        tile = labels[window.slices]
        raster.put(at, np.where(tile == NO_DATA, NO_DATA, 4 - tile))
    tree = RegionTree(
        labels=np.array([1, 3, 4, 3, 4], np.int32),
        parents=np.array([-1, 0, 0, 2, 2], np.int32),
        num_nodes=np.asarray(5, np.int32),
        depths=np.array([0, 1, 1, 2, 2], np.int32),
        costs=np.array([0, 0.1, 0.1, 0.3, 0.3], np.float32),
    )
    return RasterTree(tree, raster, "scan", PLACE)


def expected(tree, labels, **criterion):
    nodes = tree.tree.cut(**criterion)
    return np.where(labels == NO_DATA, NO_DATA, nodes[labels])


def test_a_cut_is_that_of_the_superpixels_and_no_data_stays_none(raster_tree, labels):
    for criterion in ({"num_regions": 2}, {"num_regions": 3}, {"depth": 0}):
        want = expected(raster_tree, labels, **criterion)
        np.testing.assert_array_equal(raster_tree.cut(**criterion), want)
        window = Window(7, 4, 9, 21)
        part = raster_tree.cut(window, **criterion)
        np.testing.assert_array_equal(part, want[window.slices])


@pytest.mark.parametrize("rows", [None, 1, 7, 50])
def test_strips_put_together_are_the_cut(raster_tree, rows):
    windows, strips = zip(*raster_tree.strips(rows, num_regions=3), strict=True)
    np.testing.assert_array_equal(
        np.concatenate(strips), raster_tree.cut(num_regions=3)
    )
    assert [x.top for x in windows[1:]] == [x.bottom for x in windows[:-1]]


def test_a_smaller_copy_has_the_same_nodes_everywhere(raster_tree, labels):
    tree = raster_tree.overview(longest=11)
    kept = labels[1::3, 1::3]
    there = kept != NO_DATA
    assert tree.labels.shape == kept.shape
    want = expected(raster_tree, kept, num_regions=3)
    np.testing.assert_array_equal(tree.cut(num_regions=3)[there], want[there])
    assert tree.labels.min() > 0


def test_a_saved_tree_comes_back_as_it_was(raster_tree, tmp_path):
    raster_tree.save(tmp_path)
    found = RasterTree.load(tmp_path)
    assert (found.title, found.georeference) == ("scan", PLACE)
    np.testing.assert_array_equal(found.cut(depth=2), raster_tree.cut(depth=2))


def test_what_is_damaged_is_said_in_a_sentence(raster_tree, tmp_path):
    raster_tree.save(tmp_path)
    for name in ("superpixels/tile_0001_0002.npz", "superpixels/labels.npz"):
        path = tmp_path / name
        path.write_bytes(path.read_bytes()[:50])
        with pytest.raises(TreeFileError, match="segment the image again"):
            RasterTree.load(tmp_path).cut(depth=1)
    raster_tree.save(tmp_path)
    other = RegionTree(**{**vars(raster_tree.tree), "labels": np.ones(4, np.int32)})
    other.save(tmp_path / "tree.npz")
    with pytest.raises(TreeFileError, match="tree of its 5 superpixels"):
        RasterTree.load(tmp_path)
    (tmp_path / "raster.json").write_text("{}")
    with pytest.raises(TreeFileError, match=r"raster\.json"):
        RasterTree.load(tmp_path)


@pytest.mark.parametrize(
    ("length", "tile", "overlap"), [(97, 20, 5), (20, 20, 5), (5, 5, 5)]
)
def test_tiles_cover_an_axis_overlap_enough_and_count_as_one(length, tile, overlap):
    first = starts(length, tile, overlap)
    assert (first[0], first[-1] + tile) == (0, length)
    pairs = itertools.pairwise(first)
    assert all(tile - b + a >= overlap for a, b in pairs)
    total = np.zeros(length)
    for start, weights in zip(first, blending(length, tile, overlap), strict=True):
        assert weights.min() > 0
        total[start : start + tile] += weights
    np.testing.assert_allclose(total, 1)
