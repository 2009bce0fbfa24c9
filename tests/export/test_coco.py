"""The COCO file gives back every mask exactly, and the tree that they form."""

import contextlib
import io
import json

import numpy as np
import pytest
from export_results import result_of
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from trees import quadrants, random_tree, region_trees

from uhseg_jax import run_lengths
from uhseg_jax.export import ExportOptions, Folder, open_formats
from uhseg_jax.export.coco import CocoWriter, annotations_of
from uhseg_jax.export.result import Selected
from uhseg_jax.hierarchy.region_choice import RegionChoice

# pycocotools 2.0 decodes masks through an array protocol that numpy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ impl:DeprecationWarning")


@contextlib.contextmanager
def open_coco(path, options):
    with contextlib.closing(CocoWriter(path.parent, options)) as writer:
        yield writer
        writer.write(path, range(len(writer)))


def _write(path, *trees, title="{}.jpg", as_polygons=False):
    with open_coco(path, ExportOptions()) as writer:
        for index, tree in enumerate(trees):
            result = result_of(tree, title.format(index))
            entry = annotations_of(result, ExportOptions(), as_polygons=as_polygons)
            writer.put(result.name, entry)
    return json.loads(path.read_text())


def _open(path):
    from pycocotools.coco import COCO

    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(path))


@settings(max_examples=40, deadline=None)
@given(tree=region_trees(), at_once=st.sampled_from([1, 7, 64, 2**22]))
def test_pycocotools_gives_every_mask_back(tmp_path_factory, tree, at_once):
    path = tmp_path_factory.getbasetemp() / "coco.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_lengths, "_PIXELS_AT_ONCE", at_once)
        document = _write(path, tree)
    api = _open(path)
    masks = tree.masks()
    assert len(document["annotations"]) == int(tree.num_nodes) == len(api.anns)
    for annotation, mask in zip(document["annotations"], masks, strict=True):
        np.testing.assert_array_equal(api.annToMask(annotation).astype(bool), mask)
        rows, columns = np.nonzero(mask)
        assert annotation["area"] == mask.sum()
        corner = [columns.min(), rows.min()]
        extent = [np.ptp(columns) + 1, np.ptp(rows) + 1]
        assert annotation["bbox"] == [*corner, *extent]


def test_polygons_and_rle_are_of_the_same_annotations(tmp_path):
    tree = random_tree(2)
    by_rle = _write(tmp_path / "coco.json", tree)
    by_polygons = _write(tmp_path / "polygons.json", tree, as_polygons=True)
    api = _open(tmp_path / "polygons.json")
    masks = [api.annToMask(one).astype(bool) for one in by_polygons["annotations"]]
    np.testing.assert_array_equal(masks, tree.masks())
    for document in (by_rle, by_polygons):
        for one in document["annotations"]:
            del one["segmentation"]
            assert one["attributes"].items() <= one.items()
            assert set(one["attributes"]) == {"parent_id", "depth", "cost", "node"}
    assert by_rle == by_polygons


def test_polygons_may_have_fewer_points(tmp_path):
    tree = random_tree(2, height=60, width=80)
    found = {}
    for tolerance in (0.0, 2.0):
        options = ExportOptions(tolerance=tolerance)
        with open_formats(["polygons"], Folder(tmp_path), options) as writer:
            writer.add(result_of(tree))
        found[tolerance] = _open(tmp_path / "annotations/instances_default.json")
    points = {
        tolerance: sum(len(y) for x in api.anns.values() for y in x["segmentation"])
        for tolerance, api in found.items()
    }
    assert points[2.0] < points[0.0] / 4
    for one, mask in zip(found[2.0].anns.values(), tree.masks(), strict=True):
        drawn = found[2.0].annToMask(one).astype(bool)
        near = ndimage.binary_dilation(mask, iterations=4)
        assert (drawn <= near).all()
        assert (
            ndimage.binary_erosion(mask, iterations=4, border_value=1) <= drawn
        ).all()


@settings(max_examples=30, deadline=None)
@given(trees=st.lists(region_trees(max_side=8), min_size=1, max_size=4))
def test_annotations_form_the_trees(tmp_path_factory, trees):
    document = _write(tmp_path_factory.getbasetemp() / "coco.json", *trees)
    by_id = {one["id"]: one for one in document["annotations"]}
    assert sorted(by_id) == list(range(1, sum(int(t.num_nodes) for t in trees) + 1))
    for one in by_id.values():
        tree = trees[one["image_id"] - 1]
        node = one["node"]
        assert one["iscrowd"] == 0
        assert one["category_id"] == document["categories"][0]["id"]
        assert one["depth"] == tree.depths[node]
        assert np.float32(one["cost"]) == tree.costs[node]
        if node == 0:
            assert one["parent_id"] is None
        else:
            parent = by_id[one["parent_id"]]
            assert parent["node"] == tree.parents[node]
            assert parent["image_id"] == one["image_id"]
    sizes = [(one["height"], one["width"]) for one in document["images"]]
    assert sizes == [tree.labels.shape for tree in trees]


def test_an_image_is_written_alike_whatever_comes_before_it(tmp_path):
    trees = [random_tree(seed, padding=seed) for seed in range(3)]
    all_of_them = _write(tmp_path / "all.json", *trees)["annotations"]
    for index, tree in enumerate(trees):
        alone = _write(tmp_path / "one.json", tree)["annotations"]
        mine = [one for one in all_of_them if one["image_id"] == index + 1]
        for field in ("segmentation", "area", "bbox", "depth", "cost", "node"):
            assert [one[field] for one in mine] == [one[field] for one in alone]


def test_a_run_without_images_is_still_a_coco_file(tmp_path):
    document = _write(tmp_path / "coco.json")
    assert document["images"] == document["annotations"] == []
    assert _open(tmp_path / "coco.json").anns == {}


def test_names_are_kept_whatever_they_hold(tmp_path):
    title = 'ü "quoted"\n</script>, [1].jpg'
    document = _write(tmp_path / "coco.json", quadrants(), title=title)
    assert document["images"][0]["file_name"] == title


def test_a_result_that_is_refused_leaves_the_rest_whole(tmp_path):
    folder, options = Folder(tmp_path), ExportOptions()
    with open_formats(["png", "coco"], folder, options) as writer:
        wrong = np.full(7, 2, np.int32)
        with pytest.raises(ValueError, match="categories from 0 to 1"):
            writer.add(result_of(quadrants(), "wrong.jpg", categories=wrong))
        writer.add(result_of(quadrants(), "a.jpg"))
    document = json.loads((tmp_path / "coco.json").read_text())
    assert [one["file_name"] for one in document["images"]] == ["a.jpg"]
    assert len(document["annotations"]) == 7
    assert [x.name for x in tmp_path.glob("*.png")] == ["0.png"]


def _of_choice(path, tree, *, flat, names=None, found=None, **choice):
    """A COCO file of chosen regions, and these."""
    options = ExportOptions(choice=RegionChoice(**choice, flat=flat), names=names)
    result = result_of(tree, "a.jpg", names=found)
    with open_coco(path, options) as writer:
        writer.put(result.name, annotations_of(result, options))
    return json.loads(path.read_text()), tree.regions(**choice, flat=flat)


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize(
    "choice", [{"num_regions": 6}, {"min_area": 0.05, "connected": True}]
)
def test_chosen_regions_are_annotations_without_the_root(tmp_path, flat, choice):
    tree = random_tree(3, num_splits=12)
    document, regions = _of_choice(tmp_path / "a.json", tree, flat=flat, **choice)
    annotations, api = document["annotations"], _open(tmp_path / "a.json")
    masks = np.array([api.annToMask(x).astype(bool) for x in annotations])
    np.testing.assert_array_equal(masks, regions.masks())
    assert not masks.all((1, 2)).any()
    assert (masks.sum(0).max() == 1) == flat
    by_id = {x["id"]: mask for x, mask in zip(annotations, masks, strict=True)}
    whole = tree.masks()
    for one, mask in zip(annotations, masks, strict=True):
        assert (mask <= whole[one["node"]]).all()
        assert one["depth"] == tree.depths[one["node"]]
        assert one["area"] == mask.sum()
        around = [x for x in masks if (x >= mask).all() and x.sum() > mask.sum()]
        if around:
            smallest = min(around, key=np.sum)
            np.testing.assert_array_equal(by_id[one["parent_id"]], smallest)
        else:
            assert one["parent_id"] is None
    assert flat or any(x["parent_id"] for x in annotations)


def test_names_are_categories_and_what_has_none_is_a_region(tmp_path):
    found = np.array([-1, 1, -1, 0, -1, -1, 1], np.int32)
    document, _ = _of_choice(
        tmp_path / "a.json", quadrants(), flat=False, names=("cat", "dog"), found=found
    )
    names = {x["id"]: x["name"] for x in document["categories"]}
    assert names == {1: "cat", 2: "dog", 3: "region"}
    called = [names[x["category_id"]] for x in document["annotations"]]
    assert called == ["dog", "region", "cat", "region", "region", "dog"]


def test_selected_unions_are_annotations_that_are_no_node(tmp_path):
    selected = Selected("pair", (3, 6)), Selected("dog", (4,))
    result = result_of(quadrants(), selected=selected)
    options = ExportOptions(names=("dog",))
    content = annotations_of(result, options)
    with open_coco(tmp_path / "a.json", options) as writer:
        writer.put(result.name, content)
    pair, dog = json.loads((tmp_path / "a.json").read_text())["annotations"]
    assert (pair["node"], pair["depth"], pair["cost"]) == (None, None, None)
    assert (pair["area"], pair["bbox"], pair["category_id"]) == (48, [0, 0, 12, 8], 2)
    assert (dog["node"], dog["category_id"]) == (4, 1)
