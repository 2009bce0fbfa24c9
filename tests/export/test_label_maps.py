"""Label maps: what every reader gives back is the regions that were chosen."""

import dataclasses

import numpy as np
import pytest
import skimage.io
from export_results import result_of
from PIL import Image
from trees import make_tree, quadrants, random_tree

from uhseg_jax.export import (
    EXPORTERS,
    ExportOptions,
    Folder,
    labels,
    open_formats,
)
from uhseg_jax.export.colors import node_colors
from uhseg_jax.export.result import Selected
from uhseg_jax.hierarchy.region_choice import RegionChoice

LARGE = random_tree(1, height=60, width=60, num_splits=200, padding=3)
SMALL = random_tree(1, height=60, width=60, num_splits=6, padding=3)


def written(folder, format_name, tree, choice=None, **more):
    """What scikit-image reads of a format, and its image as Pillow opens it."""
    options = ExportOptions(
        choice=RegionChoice(root=True) if choice is None else choice
    )
    flat = more.pop("flat", None)
    options = dataclasses.replace(options, flat=flat)
    result = dataclasses.replace(result_of(tree, "a.jpg", **more), image=None)
    with open_formats([format_name], Folder(folder), options) as writer:
        writer.add(result)
    (file,) = EXPORTERS[format_name].files([result.name])
    with Image.open(folder / file) as image:
        image.load()
        return skimage.io.imread(folder / file), image


@pytest.mark.parametrize("tree", [SMALL, LARGE])
@pytest.mark.parametrize("choice", [{}, {"min_area": 0.002, "connected": True}])
def test_labels_count_the_regions_from_0_without_gaps(tmp_path, tree, choice):
    found, image = written(tmp_path, "labels", tree, RegionChoice(**choice))
    masks = tree.regions(**choice, flat=True).masks()
    mode, void = ("L", 255) if len(masks) <= 255 else ("I;16", 65535)
    assert image.mode == mode
    for number, mask in enumerate(masks):
        np.testing.assert_array_equal(found == number, mask)
    np.testing.assert_array_equal(found == void, ~masks.any(0))


@pytest.mark.parametrize(("count", "kind"), [(255, np.uint8), (256, np.uint16)])
def test_two_hundred_and_fifty_five_regions_and_the_void_fit_into_8_bits(
    tmp_path, count, kind
):
    tree = make_tree(
        np.repeat(np.arange(1, count + 2), 2)[None, 1:],
        [-1] + [0] * (count + 1),
        [0] + [1] * (count + 1),
        [0] + [0.5] * (count + 1),
    )
    # The first leaf has one pixel, all others two.
    choice = RegionChoice(min_area=1.5 / tree.labels.size)
    found, _ = written(tmp_path, "labels", tree, choice)
    assert found.dtype == kind
    assert found[0, 0] == np.iinfo(kind).max
    assert found[0, 1:].tolist() == np.repeat(np.arange(count), 2).tolist()


@pytest.mark.parametrize("tree", [SMALL, LARGE])
def test_colors_are_those_of_the_overlay(tmp_path, tree):
    choice = RegionChoice(min_area=0.002)
    found, image = written(tmp_path, "colors", tree, choice)
    regions = tree.regions(min_area=0.002, flat=True)
    colors = np.concatenate([node_colors(tree)[regions.nodes], [[0, 0, 0]]])
    expected = colors[regions.labels()]
    np.testing.assert_array_equal(np.asarray(image.convert("RGB")), expected)
    np.testing.assert_array_equal(found[..., :3], expected)
    assert image.mode == ("P" if tree is SMALL or len(regions) < 255 else "RGB")


@pytest.mark.parametrize("tree", [SMALL, LARGE])
@pytest.mark.parametrize("num_regions", [None, 5])
def test_nodes_are_those_of_the_whole_tree_in_every_cut(tmp_path, tree, num_regions):
    choice = RegionChoice(num_regions=num_regions)
    found, _ = written(tmp_path, "nodes", tree, choice)
    assert found.dtype == (np.uint8 if tree is SMALL else np.uint16)
    cut = tree.labels if num_regions is None else tree.cut(num_regions=num_regions)
    np.testing.assert_array_equal(found, cut)


def test_annotations_as_of_davis_count_from_1_over_the_colors_of_voc(tmp_path):
    choice = RegionChoice(num_regions=4, background=False)
    _, image = written(tmp_path, "davis", quadrants(), choice, name="clip/00001")
    assert image.mode == "P"
    regions = quadrants().regions(num_regions=4, flat=True, background=False)
    np.testing.assert_array_equal(np.asarray(image), regions.labels() + 1)
    colors = np.array(image.getpalette()).reshape(-1, 3)
    known = {0: [0, 0, 0], 1: [128, 0, 0], 2: [0, 128, 0], 3: [128, 128, 0]}
    known |= {15: [192, 128, 128], 19: [128, 192, 0], 255: [224, 224, 192]}
    for number, color in known.items():
        if number < len(colors):
            assert colors[number].tolist() == color
        assert labels.davis_palette()[number].tolist() == color
    assert len(np.unique(labels.davis_palette(), axis=0)) == 256


@pytest.mark.parametrize("name", ["labels", "colors", "davis"])
def test_regions_that_overlap_are_refused(tmp_path, name):
    with pytest.raises(ValueError, match=r"a\.jpg: expected disjoint.*flat=True"):
        written(tmp_path, name, quadrants(), flat=False)
    chosen = Selected("left", (1,)), Selected("corner", (3,))
    with pytest.raises(ValueError, match=r"^a\.jpg: expected.*left, corner overlap"):
        written(tmp_path, name, quadrants(), selected=chosen)
    assert list(tmp_path.rglob("*.png")) == []


def test_more_regions_than_a_file_can_number_are_refused(tmp_path, monkeypatch):
    def many(count):
        parents, ones = [-1] + [0] * count, [1] * count
        cells = np.arange(1, count + 1).reshape(1, -1)
        return make_tree(cells, parents, [0, *ones], [0, *ones])

    with pytest.raises(ValueError, match=r"a\.jpg: .*at most 255 regions.*are 256"):
        written(tmp_path, "davis", many(256))
    with pytest.raises(ValueError, match=r"a\.jpg: .*65536 nodes.*it has 65537"):
        written(tmp_path, "nodes", many(2**16))
    monkeypatch.setattr(labels, "_VOID_16", 3)
    with pytest.raises(ValueError, match=r"a\.jpg: .*at most 3 .*are 4; choose"):
        written(tmp_path, "labels", quadrants())


def test_unions_have_colors_of_their_own(tmp_path):
    chosen = Selected("", (3, 6)), Selected("", (4,)), Selected("", (5,))
    _, image = written(tmp_path, "colors", quadrants(), selected=chosen)
    assert len(np.unique(np.asarray(image.convert("RGB")).reshape(-1, 3), axis=0)) == 3
