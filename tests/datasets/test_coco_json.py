"""Files in COCO's format for instances: what is read, and what is refused."""

import contextlib
import io
import json
import os

import numpy as np
import pytest
from coco_files import SIZE, SQUARE, annotation, compressed, document, some_mask, write
from dataset_files import HEIGHT, WIDTH, image

from uhseg_jax.datasets import DatasetError, Source
from uhseg_jax.datasets.coco_json import CocoJsonSource
from uhseg_jax.datasets.objects import image_id_of
from uhseg_jax.images import read_image

# Of pycocotools' arrays, which lack what NumPy 2 asks of them.
pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")


def opened(path):
    from pycocotools.coco import COCO

    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(path))


def test_objects_are_those_of_pycocotools(tmp_path):
    images, path = write(tmp_path, document())
    source = CocoJsonSource(images, path, name="mine")
    assert isinstance(source, Source)
    assert [x.name for x in source] == ["000000000009", "000000000010", "in/frame_2"]
    api = opened(path)
    for example in source:
        image_id = example.objects.image_id
        file = images / api.imgs[image_id]["file_name"]
        np.testing.assert_array_equal(example.image, read_image(file))
        listed = api.imgToAnns[image_id]
        masks = [api.annToMask(x).astype(bool) for x in listed]
        labels = np.zeros(SIZE, np.uint8)
        for value in (255, 1):  # objects lie over crowds
            for mask, one in zip(masks, listed, strict=True):
                if one.get("iscrowd", 0) == (value == 255):
                    labels[mask] = value
        np.testing.assert_array_equal(example.labels, labels)
        assert len(example.objects) == len(masks)
        for found, mask in zip(example.objects.decoded(), masks, strict=True):
            np.testing.assert_array_equal(found, mask)
        areas = [
            one.get("area", mask.sum()) for one, mask in zip(listed, masks, strict=True)
        ]
        assert example.objects.areas.tolist() == areas
        crowd = [bool(one.get("iscrowd", 0)) for one in listed]
        assert example.objects.crowd.tolist() == crowd
    assert len(source[2].objects) == 0
    assert source.taxonomy.flat().encode(source[0].labels).max() == 1


def test_lvis_finds_images_by_their_address(tmp_path):
    listed = document()
    for entry in listed["images"]:
        name = entry.pop("file_name").split("/")[-1]
        entry["coco_url"] = f"http://images.cocodataset.org/train2017/{name}"
    images, path = write(tmp_path, listed)
    (images / "in").rename(images / "train2017")  # one in a folder, the others not
    names = [x.name for x in CocoJsonSource(images, path)]
    assert names[0] == "train2017/000000000009"
    listed["images"][0]["file_name"] = "COCO_val2014_000000000009.jpg"  # LVIS 0.5
    path.write_text(json.dumps(listed))
    assert "COCO_val2014_000000000009" in {x.name for x in CocoJsonSource(images, path)}


def test_texts_as_ids_of_images_become_numbers(tmp_path):
    listed = document()
    for entry in listed["images"] + listed["annotations"]:
        key = "image_id" if "image_id" in entry else "id"
        entry[key] = f"ADE_val_{entry[key]:08}"
    source = CocoJsonSource(*write(tmp_path, listed))
    assert source[0].objects.image_id == image_id_of("ADE_val_00000009")
    assert len(source[0].objects) == 3


def test_names_select_and_only_their_images_must_be_there(tmp_path):
    images, path = write(tmp_path, document())
    (images / "000000000010.jpg").unlink()
    (tmp_path / "names.txt").write_text("in/frame_2\n000000000009\n")
    source = CocoJsonSource(images, path, names=tmp_path / "names.txt")
    assert [x.name for x in source] == ["in/frame_2", "000000000009"]
    with pytest.raises(DatasetError, match="z: there is no such pair"):
        CocoJsonSource(images, path, names=["z"])
    with pytest.raises(DatasetError, match="the list of names is empty"):
        CocoJsonSource(images, path, names=[])


def test_the_fingerprint_changes_with_images_and_annotations(tmp_path):
    images, path = write(tmp_path, document())
    source, found = CocoJsonSource(images, path), set()
    found.add(source.fingerprint())
    for copied in (images / "000000000009.jpg", path):
        os.utime(copied, (0, 0))
    assert CocoJsonSource(images, path).fingerprint() in found
    found.add(CocoJsonSource(images, path, names=["000000000009"]).fingerprint())
    listed = document()
    listed["annotations"][0]["area"] = 18
    path.write_text(json.dumps(listed))
    found.add(CocoJsonSource(images, path).fingerprint())
    image(images / "000000000009.jpg", (HEIGHT, WIDTH))
    content = (images / "000000000009.jpg").read_bytes()
    (images / "000000000009.jpg").write_bytes(content + b"\0")
    found.add(CocoJsonSource(images, path).fingerprint())
    assert len(found) == 4
    with pytest.raises(DatasetError, match="has changed since the evaluation began"):
        source[0]


def broken(change):
    listed = document()
    result = change(listed)
    return listed if result is None else result


def without(key):
    return lambda listed: {x: y for x, y in listed.items() if x != key}


def in_first(table, **fields):
    return lambda listed: listed[table][0].update(fields)


def masked(segmentation, **fields):
    return in_first("annotations", segmentation=segmentation, **fields)


BAD = {
    "no images": (
        lambda listed: {**listed, "images": []},
        "the lists images, annotations, categories, but its list of images is empty",
    ),
    "images missing": (without("images"), "but it has no list of images"),
    "categories missing": (
        without("categories"),
        "but it has no list of categories; classes are of no matter, so one category",
    ),
    "no annotations": (
        lambda listed: {**listed, "annotations": []},
        "list of annotations is empty",
    ),
    "results": (
        lambda listed: [{"image_id": 9, "score": 0.5, "segmentation": {}}],
        "but found a list, as files of results are; give the file of the ground truth",
    ),
    "a number": (lambda listed: 5, "but found int"),
    "truncated": (
        lambda listed: json.dumps(listed)[:-40],
        r"expected annotations in COCO's format \(JSON\), but it cannot be read",
    ),
    "too deep": (lambda listed: "[" * 100_000 + "]" * 100_000, "nested too deeply"),
    "panoptic": (
        in_first("annotations", segments_info=[]),
        "its annotations are panoptic ones; give the file of instances",
    ),
    "ids of images": (
        lambda listed: listed["images"][1].update(id=9),
        "image 9: the id is listed twice",
    ),
    "names of images": (
        lambda listed: listed["images"][1].update(file_name="000000000009.png"),
        "000000000009: 2 images have this name",
    ),
    "an image without an id": (
        lambda listed: listed["images"][0].pop("id") and None,
        "image number 0: expected an integer or a text as id, but found None",
    ),
    "an image without a size": (
        in_first("images", height=None),
        "image 9: expected height and width in pixels, positive integers, but found "
        "None and 8",
    ),
    "an image without a name": (
        lambda listed: listed["images"][0].pop("file_name") and None,
        "image 9: expected a file_name",
    ),
    "an image elsewhere": (
        in_first("images", file_name="../secret.jpg"),
        "expected the name of a file in the folder, but found '../secret.jpg'",
    ),
    "an image that is not there": (
        in_first("images", file_name="gone.jpg"),
        r"images/gone\.jpg: the image is missing",
    ),
    "another size": (
        in_first("images", height=7),
        r"000000000009\.jpg: is 6 x 8 \(height x width\), but its annotations are for "
        "7 x 8",
    ),
    "ids of annotations": (
        in_first("annotations", id=2),
        "annotation 2: the id is listed twice",
    ),
    "an annotation without an id": (
        lambda listed: listed["annotations"][0].pop("id") and None,
        "annotation number 0: expected an integer or a text as id",
    ),
    "an annotation that is none": (
        lambda listed: listed["annotations"].append(5),
        "annotation number 5: expected an object with id, image_id and segmentation",
    ),
    "of an image that is not listed": (
        in_first("annotations", image_id=77),
        "annotation 1: is of image 77, which is not listed",
    ),
    "two points": (
        masked([[1, 1, 5, 4]]),
        "annotation 1: expected polygons of at least three points, .* has 4 numbers",
    ),
    "half a point": (masked([[*SQUARE, 1.0]]), "one has 9 numbers"),
    "no number": (masked([["1", 1, 5, 4, 3, 2]]), "polygons as lists of numbers"),
    "nan": (
        masked([[float("nan"), *SQUARE[1:]]]),
        "annotation 1: expected finite coordinates",
    ),
    "infinite": (masked([[10**400, *SQUARE[1:]]]), "expected finite coordinates"),
    "far left": (
        masked([[-1e5, *SQUARE[1:]]]),
        r"annotation 1: expected coordinates in its image, 6 x 8 .*, or near it, but a "
        r"polygon has x from -100000 to 5 and y from 1 to 4",
    ),
    "far below": (
        masked([[1.0, 2**40, *SQUARE[2:]]]),
        r"coordinates in its image.* and y from 1 to 1\.09951e\+12",
    ),
    "another size of runs": (
        masked(compressed(np.ones((HEIGHT, WIDTH + 1), bool))),
        r"annotation 1: expected run lengths of its image's size, \[6, 8\] .* but "
        r"theirs is \[6, 9\]",
    ),
    "too few runs": (
        masked({"size": SIZE, "counts": [1, 2]}),
        "add up to the 48 pixels of its image, but they are damaged: they add up to 3",
    ),
    "too many runs": (
        masked({"size": SIZE, "counts": "zzzz".replace("z", "o") + "1"}),
        "annotation 1: expected run lengths",
    ),
    "negative runs": (
        masked({"size": SIZE, "counts": [-1, 49]}),
        "run lengths from 0 to 48 as counts",
    ),
    "damaged runs": (masked({"size": SIZE, "counts": "é"}), "a list or a text, not"),
    "no mask": (masked([], bbox=[1, 1, 4, 3]), "but there is none; a box is no mask"),
    "a mask of text": (masked("mask"), r"as polygons .* but found 'mask'"),
    "area": (in_first("annotations", area=-1.0), "an area from 0 on, but found -1.0"),
    "area nan": (in_first("annotations", area=float("nan")), "but found nan"),
    "crowd": (in_first("annotations", iscrowd="no"), "iscrowd to be 0 or 1, but fou"),
    "crowds alone": (
        lambda listed: [x.update(iscrowd=1) for x in listed["annotations"]] and None,
        r"at least one object \(iscrowd 0\) in the 3 images, but all 5 annotations are "
        "crowds",
    ),
}


@pytest.mark.parametrize(("change", "message"), BAD.values(), ids=BAD)
def test_what_is_wrong_is_named_with_what_was_expected(tmp_path, change, message):
    images, path = write(tmp_path, broken(change))
    with pytest.raises(DatasetError, match=message) as caught:
        CocoJsonSource(images, path)
    assert "instances.json" in str(caught.value)


def test_all_annotations_that_are_wrong_are_named_at_once(tmp_path):
    listed = document()
    for one in listed["annotations"][:3]:
        one["segmentation"] = [[1, 1, 5, 4]]
    with pytest.raises(DatasetError, match="found 3 problems:"):
        CocoJsonSource(*write(tmp_path, listed))


def test_files_and_folders_that_are_not_there_are_named(tmp_path):
    images, path = write(tmp_path, document())
    with pytest.raises(DatasetError, match="nowhere: expected a folder of images"):
        CocoJsonSource(tmp_path / "nowhere", path)
    with pytest.raises(DatasetError, match=r"none\.json: expected a JSON file of anno"):
        CocoJsonSource(images, tmp_path / "none.json")
    (tmp_path / "other").mkdir()
    with pytest.raises(DatasetError, match=r"other: expected the 3 images .* none is"):
        CocoJsonSource(tmp_path / "other", path)


def test_objects_without_pixels_are_counted_and_named_in_a_notice(tmp_path, caplog):
    listed = document()
    nothing = compressed(np.zeros((HEIGHT, WIDTH), bool))
    line = [[1.2, 1.1, 1.3, 1.1, 1.3, 1.2]]
    listed["annotations"] += [
        annotation(6, 9, nothing, area=0),
        annotation(7, 2, line, area=0.005),
    ]
    source = CocoJsonSource(*write(tmp_path, listed))
    assert "objects without a pixel: 2 (annotations 6, 7)." in caplog.text
    assert source[0].objects.areas.tolist()[-1] == 0
    assert len(source[2].objects) == 1
    assert not source[2].labels.any()


def test_polygons_end_at_the_border_as_those_of_pycocotools_and_a_notice_names_them(
    tmp_path, caplog
):
    listed = document()
    outlines = [
        [-5.0, 1, 3, 1, 3, 4, -5, 4],
        [6.0, -7, 40, -7, 40, 90, 6, 3],
        [2, 4, 30, 9.5, 2, 12],
        [-30.0, -30, -20, -30, -20, -20],  # all of it is elsewhere
        [-0.9, 0, 8.9, 0, 8.9, 6.9],  # rounding: nobody is told
    ]
    listed["annotations"] += [
        annotation(100 + i, 2, [SQUARE, x] if i == 1 else [x])
        for i, x in enumerate(outlines)
    ]
    images, path = write(tmp_path, listed)
    source, api = CocoJsonSource(images, path), opened(path)
    found = list(source[2].objects.decoded())
    for mask, one in zip(found, api.imgToAnns[2], strict=True):
        np.testing.assert_array_equal(mask, api.annToMask(one))
    assert [mask.any() for mask in found] == [True, True, True, False, True]
    notices = [record.getMessage() for record in caplog.records]
    assert len(notices) == 2
    assert "leave their image: 4 (annotations 100, 101, 102, 103)." in notices[0]
    assert "objects without a pixel: 1 (annotations 103)." in notices[1]


def test_a_notice_names_eight(tmp_path, caplog):
    listed = document()
    listed["annotations"] += [
        annotation(100 + i, 2, [[-9.0, 0, 3, 0, 3, 3]]) for i in range(9)
    ]
    CocoJsonSource(*write(tmp_path, listed))
    assert "leave their image: 9 (annotations 100, 101" in caplog.text
    assert "106, 107, ...)." in caplog.text


def test_an_image_of_crowds_alone_belongs_to_the_dataset(tmp_path):
    listed = document()
    listed["annotations"] = [listed["annotations"][0], listed["annotations"][2]]
    source = CocoJsonSource(*write(tmp_path, listed))
    assert source[1].objects.crowd.tolist() == [True]
    np.testing.assert_array_equal(source[1].labels == 255, some_mask(1))


@pytest.mark.shared
def test_the_sample_of_coco_is_read_as_pycocotools_reads_it(shared):
    folder = shared / "data" / "COCO_panoptic_sample" / "sample_data"
    path = folder / "panoptic_coco_detection_format.json"
    source = CocoJsonSource(folder / "input_images", path)
    api = opened(path)
    assert len(source) == 2
    for example in source:
        listed = api.imgToAnns[example.objects.image_id]
        assert len(example.objects) == len(listed) > 9
        for found, one in zip(example.objects.decoded(), listed, strict=True):
            np.testing.assert_array_equal(found, api.annToMask(one))
