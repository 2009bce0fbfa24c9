"""Files for labelme, CVAT and YOLO keep to the rules of their readers."""

import base64
import dataclasses
import io
import json
from xml.etree import ElementTree

import numpy as np
import pytest
from export_results import result_of
from PIL import Image
from pycocotools import mask as coco_mask
from trees import make_tree, quadrants, random_tree

from uhseg_jax.export import ExportOptions, Folder, Selected, open_formats
from uhseg_jax.export.shapes import one_line
from uhseg_jax.export.yolo import data_file
from uhseg_jax.hierarchy.region_choice import RegionChoice

# pycocotools 2.0 decodes masks through an array protocol that numpy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ impl:DeprecationWarning")

ALL = ("labelme", "cvat", "yolo")
NASTY = 'a, "b" & <c>\n\t\x00\u2028 d'


def write(folder, *results, formats=ALL, **fields):
    options = ExportOptions(**fields)
    with open_formats(formats, Folder(folder), options) as writer:
        for result in results:
            writer.add(result)


def holed_tree():
    """A frame around two islands of one region, and its halves."""
    labels = np.full((24, 32), 1, np.int32)
    labels[:, 16:] = 2
    labels[4:9, 3:10] = labels[12:20, 18:30] = 3
    return make_tree(labels, [-1, 0, 0, 0], [0, 1, 1, 1], [0, 0.2, 0.2, 0.2])


def filled(rings, shape):
    found = coco_mask.frPyObjects([np.ravel(x).tolist() for x in rings], *shape)
    return coco_mask.decode(coco_mask.merge(found)).astype(bool)


def labelme_masks(path, shape):
    """The regions of a file by their nodes."""
    masks = {}
    for one in json.loads(path.read_text("utf-8"))["shapes"]:
        drawn = np.zeros(shape, bool)
        if one["shape_type"] == "mask":
            (left, top), (right, bottom) = one["points"]
            content = io.BytesIO(base64.b64decode(one["mask"]))
            drawn[top : bottom + 1, left : right + 1] = np.array(Image.open(content))
        else:
            drawn = filled([one["points"]], shape)
        masks[one["node"]] = masks.get(one["node"], False) | drawn
    return masks


def cvat_masks(image):
    """The regions of an image by their nodes."""
    shape, masks = (int(image.get("height")), int(image.get("width"))), {}
    for one in image:
        if one.tag == "mask":
            drawn = np.zeros(shape, bool)
            left, top, width, height = (
                int(one.get(x)) for x in ("left", "top", "width", "height")
            )
            counts = [int(x) for x in one.get("rle").split(",")]
            values = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
            box = np.s_[top : top + height, left : left + width]
            drawn[box] = values.reshape(height, width)
        else:
            points = [x.split(",") for x in one.get("points").split(";")]
            drawn = filled([np.array(points, float)], shape)
        node = int(one.find("attribute[@name='node']").text)
        masks[node] = masks.get(node, False) | drawn
    return masks


def yolo_masks(path, shape):
    rows = [line.split() for line in path.read_text("ascii").splitlines()]
    size = np.array(shape[::-1])
    outlines = [np.array(row[1:], float).reshape(-1, 2) * size for row in rows]
    return [int(row[0]) for row in rows], [filled([x], shape) for x in outlines]


@pytest.mark.parametrize("tree", [holed_tree(), random_tree(3)], ids=["holes", "any"])
def test_every_region_is_given_back_where_the_tolerance_is_0(tmp_path, tree):
    write(tmp_path, result_of(tree, "a.jpg", name="sub/a"), tolerance=0.0)
    regions, shape = tree.regions(flat=True), tree.labels.shape
    expected = dict(zip(regions.nodes.tolist(), regions.masks(), strict=True))
    root = ElementTree.parse(tmp_path / "annotations.xml").getroot()
    by_labelme = labelme_masks(tmp_path / "sub/a.json", shape)
    for found in (by_labelme, cvat_masks(root.find("image"))):
        assert found.keys() == expected.keys()
        for node, mask in found.items():
            np.testing.assert_array_equal(mask, expected[node])
    classes, masks = yolo_masks(tmp_path / "yolo/labels/sub/a.txt", shape)
    assert classes == [0] * len(regions)
    np.testing.assert_array_equal(masks, regions.masks())


def test_without_a_tolerance_shapes_can_be_edited(tmp_path):
    tree = holed_tree()
    write(tmp_path, result_of(tree))
    shapes = json.loads((tmp_path / "0.json").read_text())["shapes"]
    assert [x["shape_type"] for x in shapes] == ["polygon"] * 4
    assert [x["node"] for x in shapes] == [1, 2, 3, 3]
    first, second, *groups = (x["group_id"] for x in shapes)
    assert first is second is None
    assert groups[0] == groups[1] is not None
    image = ElementTree.parse(tmp_path / "annotations.xml").find("image")
    assert [x.tag for x in image] == ["polygon"] * 4
    assert [x.get("group_id") for x in image][:2] == [None, None]
    assert len({x.get("group_id") for x in image}) == 2
    for found in (labelme_masks(tmp_path / "0.json", (24, 32)), cvat_masks(image)):
        for node, mask in found.items():  # whose borders are straight
            np.testing.assert_array_equal(mask, tree.labels == node)


def test_nested_regions_lie_above_those_around_them(tmp_path):
    write(tmp_path, result_of(quadrants()), flat=False, formats=["cvat"])
    image = ElementTree.parse(tmp_path / "annotations.xml").find("image")
    levels = {int(x[0].text): int(x.get("z_order")) for x in image}
    assert levels == {0: 0, 1: 1, 2: 1, 3: 2, 4: 2, 5: 2, 6: 2}


@pytest.mark.parametrize(
    ("name", "place", "expected"),
    [
        ("a", "../photos/a.jpg", "../photos/a.jpg"),
        ("sub/a", "../photos/sub/a.jpg", "../../photos/sub/a.jpg"),
        ("sub/a", "", "a.jpg"),
        ("sub/a", "/photos/a.jpg", "/photos/a.jpg"),
    ],
)
def test_labelme_finds_the_image_from_where_the_file_lies(
    tmp_path, name, place, expected
):
    result = result_of(quadrants(), "sub/a.jpg", name=name)
    write(tmp_path, dataclasses.replace(result, place=place), formats=["labelme"])
    found = json.loads((tmp_path / f"{name}.json").read_text())
    assert found["imagePath"] == expected
    assert (found["imageHeight"], found["imageWidth"]) == quadrants().labels.shape


def test_names_and_titles_are_kept_or_made_text(tmp_path):
    result = result_of(quadrants(), 'x<&>"\x01\udcff.jpg')
    selected = (Selected(NASTY, (3,)), Selected("", (4,)), Selected("Häuser", (5, 6)))
    result = dataclasses.replace(result, selected=selected)
    write(tmp_path, result, names=(NASTY, "Häuser"))
    labels = [
        x["label"] for x in json.loads((tmp_path / "0.json").read_text())["shapes"]
    ]
    assert labels == [NASTY, "region", "Häuser"]
    root = ElementTree.parse(tmp_path / "annotations.xml").getroot()
    assert root.find("image").get("name") == 'x<&>"??.jpg'
    line = 'a, "b" & <c> d'
    names = [x.text for x in root.iterfind("meta/task/labels/label/name")]
    assert names == [line, "Häuser", "region"]
    assert [x.get("label") for x in root.find("image")] == [line, "region", "Häuser"]
    data = (tmp_path / "yolo/data.yaml").read_text("utf-8").splitlines()
    assert data[-3:] == [
        '  0: "a, \\"b\\" & <c> d"', '  1: "Häuser"', '  2: "region"'
    ]  # fmt: skip
    classes, _ = yolo_masks(tmp_path / "yolo/labels/0.txt", (8, 12))
    assert classes == [0, 2, 1]


def test_classes_of_yolo_are_those_of_the_run(tmp_path):
    categories = np.array([0, 0, 0, 1, 3, 0, 1], np.int32)
    result = result_of(quadrants(), categories=categories)
    write(tmp_path, result, num_categories=3, formats=["yolo"])
    classes, masks = yolo_masks(tmp_path / "yolo/labels/0.txt", (8, 12))
    assert classes == [0, 2, 0]
    assert [x.sum() for x in masks] == [24] * 3
    assert '  2: "category 03"' in data_file(ExportOptions(num_categories=3))


def test_an_image_without_regions_has_an_empty_file(tmp_path):
    result = result_of(quadrants())
    write(tmp_path, result, choice=RegionChoice(min_area=1.0))
    assert (tmp_path / "yolo/labels/0.txt").read_bytes() == b""
    assert json.loads((tmp_path / "0.json").read_text())["shapes"] == []
    assert len(ElementTree.parse(tmp_path / "annotations.xml").find("image")) == 0


def test_results_named_after_whole_files_are_labels_of_the_stem(tmp_path):
    """As results are called that lie beside their images."""
    write(tmp_path, result_of(quadrants(), "sub/a.jpg", name="sub/a.jpg"))
    assert (tmp_path / "yolo/labels/sub/a.txt").is_file()


@pytest.mark.parametrize(
    ("name", "expected"),
    [("dog", "dog"), ("", "region"), ("\n", "region"), ("a\r\nb\ud800", "a b")],
)
def test_names_are_put_into_one_line(name, expected):
    assert one_line(name) == expected
