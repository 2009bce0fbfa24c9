"""Datasets of objects by name, in the layouts that their READMEs say."""

import json
from pathlib import Path

import pytest
from coco_files import compressed, document, some_mask, write
from dataset_files import HEIGHT, WIDTH, image

from uhseg_jax.datasets import DATASETS, DatasetError, load
from uhseg_jax.datasets.instances import INSTANCE_DATASETS, InstanceDataset

ENTITY = "annotations/entity_segmentation/entityv2_010203_entity_val"
# Dataset, split, the list, names of its images in it, and where they lie.
LAYOUTS = [
    (
        *("coco_instances", "val", "annotations/instances_val2017.json"),
        *("{:012}.jpg", "val2017/{:012}.jpg"),
    ),
    (
        *("coco_instances", "train", "annotations/instances_train2017.json"),
        *("{:012}.jpg", "images/train2017/{:012}.jpg"),
    ),
    (
        *("lvis", "val", "lvis_v1_val.json"),
        *("http://images.cocodataset.org/train2017/{:012}.jpg", "train2017/{:012}.jpg"),
    ),
    (
        *("lvis", "val", "annotations/lvis_v1_val.json"),
        *("http://images.cocodataset.org/val2017/{:012}.jpg", "images/{:012}.jpg"),
    ),
    (
        *("paco", "val", "annotations/paco_lvis_v1_val.json"),
        *("val2017/{:012}.jpg", "images/val2017/{:012}.jpg"),
    ),
    ("paco", "test", "paco_lvis_v1_test.json", *["val2017/{:012}.jpg"] * 2),
    (
        *("part_image_net_instances", "val", "val.json"),
        *("n02129604_{}.JPEG", "val/n02129604/n02129604_{}.JPEG"),
    ),
    (
        *("entityseg", "val", "entityseg_val.json"),
        *("entity_01_11580/{}.jpg", "images/entity_01_11580/{}.jpg"),
    ),
    (
        *("entityseg", "val", f"{ENTITY}.json"),
        *("entity_01_11580/{}.jpg", "images/entity_01_11580/{}.jpg"),
    ),
    (
        *("entityseg", "val_lr", f"{ENTITY}_lr.json"),
        *("entity_01_11580/{}.jpg", "images_lr/entity_01_11580/{}.jpg"),
    ),
    (
        *("ade20k_instances", "val", "ADEChallengeData2016/ade20k_instance_val.json"),
        "ADE_val_{:08}.jpg",
        "ADEChallengeData2016/images/validation/ADE_val_{:08}.jpg",
    ),
]


@pytest.mark.parametrize(("name", "split", "annotations", "file", "place"), LAYOUTS)
def test_datasets_are_read_as_they_lie(name, split, annotations, file, place, tmp_path):
    listed = document()
    for entry in listed["images"]:
        image(tmp_path / place.format(entry["id"]))
        entry["file_name"] = file.format(entry["id"])
        if name == "lvis":
            entry["coco_url"] = entry.pop("file_name")
    (tmp_path / annotations).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / annotations).write_text(json.dumps(listed))
    source = load(name, split=split, manual_dir=tmp_path)
    assert source.name == name
    assert sum(len(x.objects) for x in source) == 5
    one = load(name, split=split, data_dir=tmp_path, names=[source[1].name])
    assert [x.name for x in one] == [source[1].name]


@pytest.mark.parametrize("folder", ["", "images"])
def test_sa1b_is_read_as_it_lies(folder, tmp_path):
    image(tmp_path / folder / "sa_7.jpg")
    about = {"image_id": 7, "width": WIDTH, "height": HEIGHT, "file_name": "sa_7.jpg"}
    annotations = [{"id": 1, "segmentation": compressed(some_mask(0))}]
    text = json.dumps({"image": about, "annotations": annotations})
    (tmp_path / folder / "sa_7.json").write_text(text)
    source = load("sa1b", manual_dir=tmp_path)
    assert [x.name for x in source] == ["sa_7"]


def test_every_layout_is_tested_and_in_the_readme():
    text = Path(__file__).parents[2] / "uhseg_jax/datasets/instances/README.md"
    readme = text.read_text()
    tested = {layout[0] for layout in LAYOUTS} | {"sa1b"}
    assert {x.name for x in INSTANCE_DATASETS} == tested
    for entry in INSTANCE_DATASETS:
        assert DATASETS[entry.name] is entry
        assert f"| `{entry.name}` | {', '.join(entry.splits)} |" in readme


def test_what_is_missing_is_named_with_the_layout(tmp_path):
    entry = DATASETS["coco_instances"]
    assert isinstance(entry, InstanceDataset)
    with pytest.raises(DatasetError, match="there is no split 'test'; it has train, v"):
        load("coco_instances", split="test", manual_dir=tmp_path)
    with pytest.raises(DatasetError, match=r"no folder of original files .*\nann"):
        load("coco_instances")
    with pytest.raises(DatasetError, match=r"val2017: expected a folder .*\n.*layout"):
        load("coco_instances", manual_dir=tmp_path)
    images, path = write(tmp_path, document())
    (tmp_path / "annotations").mkdir()
    path.rename(tmp_path / "annotations" / "instances_val2017.json")
    images.rename(tmp_path / "val2017")
    (tmp_path / "val2017" / "000000000009.jpg").unlink()
    with pytest.raises(DatasetError, match=r"image is missing\n.*\nExpected layout:\n"):
        load("coco_instances", manual_dir=tmp_path)
