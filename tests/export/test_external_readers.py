"""Exports, opened by the very tools that they are for (the `readers` extra)."""

import json
import os
import shutil
import warnings

import numpy as np
import pytest
from finished_runs import TITLES, finished_run
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from scipy import ndimage

from uhseg_jax.cli.export import main
from uhseg_jax.hierarchy.tree import RegionTree

# They import what is deprecated, and one another.
pytestmark = [pytest.mark.readers, pytest.mark.filterwarnings("ignore")]

NAMES = ("one", "sub/deep/three", "sub/two")


def reader(name):
    """A module of another project; the test skips where it is not installed."""
    how = (
        "pip install '.[readers]' and, without what they ask for, datumaro ultralytics"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip(name, reason=f"{name} is not installed: {how}")


@pytest.fixture
def export(tmp_path):
    """Exports six regions of every image; gives the folder and their masks by node."""
    photos, run = finished_run(tmp_path, size=(240, 180))

    def exported(*arguments):
        out = tmp_path / "exports"
        flags = ["--num_regions=6", f"--output={out}", *arguments]
        assert main(["uhseg-export", str(run), *flags]) == 0
        regions = [
            RegionTree.load(run / f"{x}.npz").regions(num_regions=6, flat=True)
            for x in NAMES
        ]
        masks = [dict(zip(x.nodes.tolist(), x.masks(), strict=True)) for x in regions]
        return out, dict(zip(TITLES, masks, strict=True))

    exported.photos = photos
    return exported


def iou(one, other):
    return (one & other).sum() / (one | other).sum()


def assert_near(found, masks, *, pixels):
    """Masks that differ from the regions by few pixels, and only along the borders."""
    assert found.keys() == masks.keys()
    for node, mask in masks.items():
        square = np.ones((3, 3), bool)
        far = ndimage.binary_dilation(mask, square, iterations=pixels)
        assert (found[node] <= far).all()
        inside = ndimage.binary_erosion(mask, square, pixels, border_value=1)
        assert (inside <= found[node]).all()
        assert iou(found[node], mask) > 0.9


@pytest.mark.parametrize("tolerance", ["0", "1"])
def test_labelme_opens_its_files(export, tolerance):
    label_file = reader("labelme._label_file")
    utils = reader("labelme.utils")
    out, expected = export("--format=labelme", f"--tolerance={tolerance}")
    for title, masks in expected.items():
        path = out / title.rsplit(".", 1)[0]
        opened = label_file.LabelFile(f"{path}.json")
        image = utils.img_data_to_arr(opened.image_data)
        numbers, found = {"region": 1}, {}
        for shape in opened.shapes:
            _, drawn = utils.shapes_to_label(image.shape, [shape], numbers)
            node = shape["other_data"]["node"]
            found[node] = found.get(node, False) | (drawn > 0)
        # It paints the edge of a polygon too, and takes corners for middles of pixels.
        assert_near(found, masks, pixels=0 if tolerance == "0" else 3)


def opened_by_datumaro(folder, kind):
    """The masks of every image by node, and its title."""
    datumaro = reader("datumaro")
    shutil.copytree(folder.parent / "photos", folder / "images")
    dataset = datumaro.Dataset.import_from(str(folder), kind)
    assert len(dataset) == len(TITLES)
    for item in dataset:
        (title,) = (x for x in TITLES if x.startswith(f"{item.id}."))
        found = {}
        for one in item.annotations:
            if one.type is datumaro.AnnotationType.bbox:
                continue
            if one.type is datumaro.AnnotationType.mask:
                drawn = one.image.astype(bool)
            else:
                rle = coco_mask.frPyObjects([list(one.points)], *item.media.size)
                drawn = coco_mask.decode(rle)[..., 0].astype(bool)
            node = int(one.attributes["node"])
            found[node] = found.get(node, False) | drawn
        yield title, found


@pytest.mark.parametrize(
    ("name", "kind", "tolerance"),
    [("cvat", "cvat", 0), ("cvat", "cvat", 1), ("polygons", "coco_instances", 0)],
)
def test_datumaro_opens_cvat_and_coco(export, name, kind, tolerance):
    reader("datumaro")
    out, expected = export(f"--format={name}", "--flat", f"--tolerance={tolerance}")
    for title, found in opened_by_datumaro(out, kind):
        assert_near(found, expected[title], pixels=2 * tolerance)


@pytest.mark.parametrize("tolerance", ["0", "1"])
def test_ultralytics_trains_on_its_files(export, tolerance):
    data_utils = reader("ultralytics.data.utils")
    out, expected = export("--format=yolo", f"--tolerance={tolerance}")
    os.symlink(export.photos, out / "yolo/images")
    data = data_utils.check_det_dataset(str(out / "yolo/data.yaml"))
    assert data["names"] == {0: "region"}
    for title, masks in expected.items():
        image = str(out / "yolo/images" / title)
        (labels,) = data_utils.img2label_paths([image])
        checked = data_utils.verify_image_label(
            (image, labels, "", False, data["nc"], 0, 0, False)
        )
        _, boxes, size, segments, _, missing, found, empty, corrupt, said = checked
        assert (missing, found, empty, corrupt) == (0, 1, 0, 0), said
        assert len(boxes) == len(masks)
        outlines = [(x * size[::-1]).ravel() for x in segments]
        drawn = data_utils.polygons2masks(size, outlines, color=1).astype(bool)
        assert_alike(list(drawn), masks)


def assert_alike(found, masks):
    """OpenCV fills edges, and seams, as well."""
    assert len(found) == len(masks)
    ious = [iou(*pair) for pair in zip(found, masks.values(), strict=True)]
    assert min(ious) > 0.9


def test_supervision_opens_yolo_and_coco(export):
    supervision = reader("supervision")
    out, expected = export("--format=yolo,coco", "--flat")
    os.symlink(export.photos, out / "yolo/images")
    yolo = supervision.DetectionDataset.from_yolo(
        *(str(out / "yolo" / x) for x in ("images/sub", "labels/sub", "data.yaml")),
        force_masks=True,
    )
    assert yolo.classes == ["region"]
    coco = supervision.DetectionDataset.from_coco(
        str(export.photos), str(out / "coco.json"), force_masks=True
    )
    assert len(coco) == len(TITLES)
    for path, _, found in coco:
        masks = expected[os.path.relpath(path, export.photos)]
        np.testing.assert_array_equal(found.mask, list(masks.values()))
    for path, _, found in yolo:
        title = os.path.relpath(path, out / "yolo/images")
        assert_alike(list(found.mask), expected[title])


@pytest.mark.parametrize("name", ["coco.json", "annotations/instances_default.json"])
def test_pycocotools_gives_back_the_masks(export, name):
    out, expected = export("--format=coco,polygons", "--flat")
    coco = COCO(out / name)
    for image in coco.loadImgs(coco.getImgIds()):
        found = coco.loadAnns(coco.getAnnIds(imgIds=[image["id"]]))
        masks = expected[image["file_name"]]
        assert [x["node"] for x in found] == list(masks)
        for one in found:
            drawn = coco.annToMask(one).astype(bool)
            np.testing.assert_array_equal(drawn, masks[one["node"]])
    assert json.loads((out / name).read_text())["categories"][0]["name"] == "region"
