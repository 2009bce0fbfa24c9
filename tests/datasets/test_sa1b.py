"""A JSON file beside every image, as SA-1B has them."""

import json
import os

import numpy as np
import pytest
from coco_files import SIZE, compressed, some_mask
from dataset_files import HEIGHT, WIDTH, image

from uhseg_jax.datasets import DatasetError, Source
from uhseg_jax.datasets.sa1b import Sa1bSource


def write(root, name, number, *masks):
    image(root / f"{name}.jpg")
    document = {
        "image": {
            "image_id": number,
            "width": WIDTH,
            "height": HEIGHT,
            "file_name": f"{name}.jpg",
        },
        "annotations": [
            {"id": 10 * number + i, "area": int(x.sum()), "segmentation": compressed(x)}
            for i, x in enumerate(masks)
        ],
    }
    path = root / f"{name}.json"
    path.write_text(json.dumps(document))
    return path


@pytest.fixture
def folder(tmp_path):
    write(tmp_path, "sa_10", 10, some_mask(0), some_mask(1))
    write(tmp_path, "sa_2", 2)
    write(tmp_path, "sa_000020/sa_7", 7, some_mask(2))
    return tmp_path


def test_masks_overlap_and_come_by_the_names_of_their_images(folder):
    source = Sa1bSource(folder)
    assert isinstance(source, Source)
    assert [x.name for x in source] == ["sa_2", "sa_10", "sa_000020/sa_7"]
    assert [x.objects.image_id for x in source] == [2, 10, 7]
    objects = source[1].objects
    np.testing.assert_array_equal([*objects.decoded()], [some_mask(0), some_mask(1)])
    assert objects.areas.tolist() == [some_mask(0).sum(), some_mask(1).sum()]
    assert not objects.crowd.any()
    np.testing.assert_array_equal(source[1].labels, some_mask(0) | some_mask(1))
    assert len(source[0].objects) == 0
    assert [x.name for x in Sa1bSource(folder, names=["sa_10"])] == ["sa_10"]


def test_annotations_may_lie_in_a_folder_of_their_own(folder, tmp_path):
    apart = tmp_path / "apart"
    for path in [*folder.rglob("*.json")]:
        (apart / path.relative_to(folder)).parent.mkdir(parents=True, exist_ok=True)
        path.rename(apart / path.relative_to(folder))
    for path in [*folder.glob("sa_*.jpg")]:
        (folder / "images").mkdir(exist_ok=True)
        path.rename(folder / "images" / path.name)
    source = Sa1bSource(folder / "images", apart, names=["sa_2", "sa_10"])
    assert [len(x.objects) for x in source] == [0, 2]


def test_the_fingerprint_is_of_the_bytes(folder):
    source = Sa1bSource(folder)
    found = source.fingerprint()
    os.utime(folder / "sa_2.json", (0, 0))
    assert Sa1bSource(folder).fingerprint() == found
    path = write(folder, "sa_2", 2, some_mask(5))
    assert Sa1bSource(folder).fingerprint() != found
    with pytest.raises(DatasetError, match=r"sa_2\.json: has changed since the eval"):
        source[0]
    image(folder / "sa_10.jpg")
    (folder / "sa_10.jpg").write_bytes((folder / "sa_10.jpg").read_bytes() + b"\0")
    with pytest.raises(DatasetError, match=r"sa_10\.jpg: has changed since the evalua"):
        source[1]
    path.unlink()
    with pytest.raises(DatasetError, match=r"sa_2\.jpg: has no mask in"):
        Sa1bSource(folder)


def changed(**fields):
    return lambda document: document["annotations"][0].update(fields)


BAD = {
    "truncated": (
        lambda document: json.dumps(document)[:-9],
        r"expected the masks of an image as SA-1B lists them \(JSON\), but it cannot",
    ),
    "too deep": (lambda document: "[" * 100_000 + "]" * 100_000, "nested too deeply"),
    "a COCO file": (
        lambda document: '{"images": [], "annotations": [], "categories": []}',
        "expected an object with image and annotations, as SA-1B has them",
    ),
    "results": (lambda document: "[]", "expected an object with image and annotations"),
    "no id": (
        lambda document: document["image"].pop("image_id") and None,
        "expected an integer or a text as id, but found None",
    ),
    "an id twice": (
        lambda document: document["image"].update(image_id=2),
        "has the image_id 2 of sa_2",
    ),
    "an annotation twice": (changed(id=101), "annotation 101: the id is listed twice"),
    "no size": (
        lambda document: document["image"].update(width=0),
        "expected height and width in pixels, positive integers, but found 6 and 0",
    ),
    "another size": (
        lambda document: document.update(
            image={**document["image"], "height": 7}, annotations=[]
        ),
        r"sa_10\.jpg: is 6 x 8 .* but its annotations are for 7 x 8",
    ),
    "runs of another size": (
        changed(segmentation=compressed(np.ones((HEIGHT + 1, WIDTH), bool))),
        r"annotation 100: expected run lengths of its image's size, \[6, 8\]",
    ),
    "damaged runs": (
        changed(segmentation={"size": SIZE, "counts": "0d3"}),
        r"annotation 100: expected run lengths that add up to the 48 pixels",
    ),
    "no mask": (changed(segmentation=None), "there is none; a box is no mask"),
    "no annotation": (
        lambda document: document["annotations"].append(None),
        "annotation number 2: expected an object with a segmentation",
    ),
}


@pytest.mark.parametrize(("change", "message"), BAD.values(), ids=BAD)
def test_what_is_wrong_is_named_with_what_was_expected(folder, change, message):
    path = folder / "sa_10.json"
    document = json.loads(path.read_text())
    text = change(document)
    path.write_text(text if isinstance(text, str) else json.dumps(document))
    with pytest.raises(DatasetError, match=message):
        Sa1bSource(folder)


def test_a_folder_without_any_object_or_image_is_named(folder, tmp_path):
    with pytest.raises(DatasetError, match="expected at least one object in the 1 im"):
        Sa1bSource(folder, names=["sa_2"])
    with pytest.raises(DatasetError, match="the list of names is empty"):
        Sa1bSource(folder, names=[])
    with pytest.raises(DatasetError, match="nowhere: expected a folder of images"):
        Sa1bSource(tmp_path / "nowhere")
