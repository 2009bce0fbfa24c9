"""Every builder, on tiny files in the documented format."""

import json
import re
import sys
from pathlib import Path

import dataset_files
import numpy as np
import pytest
from PIL import Image

from uhseg_jax.datasets import DATASETS, DatasetError, load, registry
from uhseg_jax.datasets.source import Source
from uhseg_jax.images import read_image

NAMES = sorted(dataset_files.WRITERS)


def prepare(name, tmp_path, **options):
    """The tiny dataset, prepared from files below ``tmp_path``."""
    split = dataset_files.SPLITS.get(name, "val")
    folders = {"manual_dir": tmp_path / "files", "data_dir": tmp_path / "prepared"}
    options = {"split": split, **folders, **options}
    return load(name, **options)


@pytest.mark.parametrize("name", NAMES)
def test_masks_come_back_exactly(name, tmp_path):
    truth = dataset_files.WRITERS[name](tmp_path / "files")
    source = prepare(name, tmp_path)
    assert isinstance(source, Source)
    assert source.name == name
    found = {}
    for example in source:
        found[example.name] = example.labels
        if example.annotations is not None:
            found[f"{example.name} annotations"] = example.annotations
        if example.instances is not None:
            found[f"{example.name} instances"] = example.instances
        assert example.image.shape[:2] == example.labels.shape
        source.taxonomy.flat().encode(example.labels)
    assert list(found) == list(truth)
    for key, ids in truth.items():
        np.testing.assert_array_equal(found[key], ids)
    assert "tensorflow" not in sys.modules


def test_plain_grey_and_turned_images_are_kept_as_they_are_seen(tmp_path):
    dataset_files.voc2012(tmp_path / "files")
    folder = tmp_path / "files" / "VOCdevkit" / "VOC2012" / "JPEGImages"
    grey = np.random.default_rng(1).integers(0, 256, (6, 8), np.uint8)
    turned = Image.fromarray(grey.T).convert("RGB")
    exif = turned.getexif()
    exif[0x0112] = 6  # a quarter turn clockwise shows it upright
    for data_dir in ("plain", "changed"):
        for example in prepare("voc2012", tmp_path, data_dir=tmp_path / data_dir):
            expected = read_image(folder / f"{example.name}.jpg")
            assert example.image.shape == (6, 8, 3)
            np.testing.assert_array_equal(example.image, expected)
        Image.fromarray(grey).save(folder / "2007_000001.jpg", quality=95)
        turned.save(folder / "2007_000002.jpg", exif=exif, quality=95)


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_folder_is_told_the_expected_layout(name, tmp_path):
    (tmp_path / "files").mkdir()
    with pytest.raises(DatasetError, match=r"is missing\. Expected below") as caught:
        prepare(name, tmp_path)
    assert str(caught.value).count("/") > 5


def test_a_file_that_imports_a_builder_of_ours_leaves_it_as_it_is(tmp_path):
    file, builder = tmp_path / "mine.py", DATASETS.find("camvid").load_builder()
    file.write_text(
        "from uhseg_jax.datasets.camvid.builder import CamVid as Mine\n"
        "class More(Mine):\n    def label(): return super()\n"
    )
    dataset_files.WRITERS["camvid"](tmp_path / "files")
    split = {"split": dataset_files.SPLITS.get("camvid", "val")}
    (ours, *_) = prepare("camvid", tmp_path, **split)
    for name in ("Mine", "More"):
        found = DATASETS.find(f"{file}:{name}").load_builder()
        assert issubclass(found, builder)
        assert len(found.CODE_SHA256) == 64
    assert builder.CODE_SHA256 == ""
    again = {**split, "data_dir": tmp_path / "again"}
    (mine, *_) = prepare(f"{file}:Mine", tmp_path, **again)
    np.testing.assert_array_equal(mine.labels, ours.labels)
    prepare("camvid", tmp_path, **split)
    with pytest.raises(DatasetError, match="by other code of the builder CamVid"):
        prepare(f"{file}:Mine", tmp_path, **split)


def test_an_unknown_split_is_told_the_known_ones(tmp_path):
    with pytest.raises(
        DatasetError, match=r"no split 'dev'; it has train, val, trainv"
    ):
        prepare("voc2012", tmp_path, split="dev")


def break_voc(files):
    folder = files / "VOCdevkit" / "VOC2012"
    (folder / "JPEGImages" / "2007_000001.jpg").unlink()
    (folder / "SegmentationClass" / "2007_000002.png").unlink()


def unpaired(files):
    dataset_files.image(files / "leftImg8bit/val/bonn/bonn_000009_leftImg8bit.png")


def unknown_ids(files):
    ids = dataset_files.some_ids(list(range(12)))
    ids[0, :3] = 12
    dataset_files.mask(files / "CamVid" / "valannot" / "0016E5_1.png", ids)


def other_size(files):
    folder = files / "ADEChallengeData2016" / "images" / "validation"
    dataset_files.image(folder / "ADE_val_00000001.jpg", (8, 6))


def colours(files):
    dataset_files.image(files / "CamVid" / "valannot" / "0016E5_1.png")


def damage(files):
    path = files / "CamVid" / "val" / "0016E5_1.png"
    path.write_bytes(path.read_bytes()[:-40])


def no_matrix(files):
    next(files.rglob("*.mat")).write_bytes(b"no matrix")


def other_segments(files):
    path = files / "annotations" / "panoptic_val2017.json"
    path.write_text(path.read_text().replace("66051", "66052"))


def no_list(files):
    (files / "annotations" / "panoptic_val2017.json").write_text("{}")


def other_version(files):
    path = files / "config_v1.2.json"
    path.write_text('{"labels": [{"name": "animal--bird"}, {"name": "marking"}]}')


def part_of_a_bottle(files):
    path = files / "annotations" / "val" / "n02129604_17.png"
    dataset_files.mask(path, dataset_files.some_ids([38, 40]))


@pytest.mark.parametrize(
    ("name", "spoil", "messages"),
    [
        (
            "voc2012",
            break_voc,
            [
                "found 2 problems",
                r"2007_000001\.jpg: the image is missing",
                r"2007_000002\.png: the mask is missing",
                "Expected layout:\nVOCdevkit/VOC2012/ImageSets",
            ],
        ),
        ("cityscapes", unpaired, ["bonn_000009.*has no mask in"]),
        ("camvid", unknown_ids, [r"ids that are none of camvid: 12 \(3 pixels"]),
        ("ade20k", other_size, ["is 8 x 6, but its mask .* is 6 x 8"]),
        ("camvid", colours, ["mode is RGB, and colours are no ids"]),
        ("camvid", damage, ["cut short or damaged"]),
        ("bsds500", no_matrix, ["cannot be read"]),
        ("pascal_part", no_matrix, ["cannot be read"]),
        ("coco", other_segments, ["does not know: 66051"]),
        ("coco", no_list, ["COCO's panoptic format"]),
        ("mapillary", other_version, [r"1 \(animal--ground-animal here, marking th"]),
        (
            "part_image_net158",
            part_of_a_bottle,
            ["parts 38, which objects of n02129604"],
        ),
    ],
)
def test_what_is_wrong_stops_the_preparation_and_leaves_nothing(
    name, spoil, messages, tmp_path
):
    dataset_files.WRITERS[name](tmp_path / "files")
    spoil(tmp_path / "files")
    with pytest.raises(DatasetError) as caught:
        prepare(name, tmp_path)
    for message in messages:
        assert re.search(message, str(caught.value))
    assert not list((tmp_path / "prepared").rglob("dataset_info.json"))


@pytest.mark.parametrize("name", ["part_image_net", "part_image_net158"])
def test_the_lists_of_part_image_net_are_painted(name, tmp_path):
    stem, files = "n02129604_17", tmp_path / "files"
    dataset_files.image(files / "val" / "n02129604" / f"{stem}.JPEG")
    body = [[0, 0, 8, 0, 8, 4, 0, 4]]  # all of the rows 0 to 3
    head = {"size": [6, 8], "counts": [0, 2, 46]}  # of them, two of the first column
    parts = [(0, head), (1, body)]
    annotations = [
        {"image_id": 3, "category_id": part, "segmentation": outline}
        for part, outline in parts
    ]
    image = {"id": 3, "file_name": f"{stem}.JPEG", "height": 6, "width": 8}
    text = json.dumps({"images": [image], "annotations": annotations})
    (files / "val.json").write_text(text)
    (example,) = prepare(name, tmp_path)
    head_id, body_id, rest = (0, 1, 40) if name == "part_image_net" else (93, 94, 0)
    expected = np.full((6, 8), rest)
    expected[:4] = body_id
    expected[:2, 0] = head_id
    np.testing.assert_array_equal(example.labels, expected)
    (files / "val.json").write_text(text.replace('"counts"', '"count"'))
    with pytest.raises(DatasetError, match=r"prepared from other files"):
        prepare(name, tmp_path)
    with pytest.raises(DatasetError, match=r"polygons or run lengths of COCO, but"):
        prepare(name, tmp_path, data_dir=tmp_path / "again")
    (files / "val.json").write_text("[]")
    with pytest.raises(DatasetError, match=r"as COCO lists them"):
        prepare(name, tmp_path)


def test_every_dataset_has_a_readme_and_a_tiny_version():
    root = Path(registry.__file__).parent
    tested = {DATASETS[name].builder for name in NAMES}
    for entry in DATASETS.values():
        if isinstance(entry, registry.Entry):
            assert "## Licence" in (root / entry.module / "README.md").read_text()
            assert entry.builder in tested
