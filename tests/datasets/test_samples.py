"""Every builder that has real files in the shared folder, on those."""

import json

import numpy as np
import pytest
import scipy.io
from coco_evaluation import coco_scores
from metric_oracles import iou
from PIL import Image
from trees import make_tree, merged_tree

from uhseg_jax.datasets import FolderSource, load
from uhseg_jax.datasets.pairs import read_names
from uhseg_jax.datasets.source import objects_of
from uhseg_jax.hierarchy.segmentation import Segmentation
from uhseg_jax.images import read_image
from uhseg_jax.metrics import states
from uhseg_jax.metrics.objects import AREAS, BUDGETS
from uhseg_jax.protocols import Scoring

pytestmark = pytest.mark.shared


@pytest.fixture
def prepare(shared, tmp_path):
    """Loads a dataset from links to the samples: place below manual_dir, sample."""

    def load_linked(name, links, split="val", names=None):
        root = tmp_path / name
        for place, sample in links.items():
            path = root / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(shared / "data" / sample)
        folders = {"manual_dir": root, "data_dir": tmp_path / "prepared"}
        return load(name, split=split, names=names, **folders)

    return load_linked


def require_same(source, folder, image, mask):
    """Compares with files by name, decoded by Pillow alone."""
    for example in source:
        pixels = read_image(folder / image.format(example.name))
        np.testing.assert_array_equal(example.image, pixels)
        with Image.open(folder / mask.format(example.name)) as expected:
            assert expected.mode in ("L", "P")
            np.testing.assert_array_equal(example.labels, np.array(expected))
        source.taxonomy.flat().encode(example.labels)


def require_nfcovering(source):
    """Compares the NFCovering of 4 x 4 blocks with a loop over objects and blocks."""
    scorer = Scoring().scorer(source)
    for example in (source[i] for i in range(0, len(source), 3)):
        height, width = example.labels.shape
        rows, columns = np.arange(height) * 4 // height, np.arange(width) * 4 // width
        blocks = 4 * rows[:, None] + columns
        tree = make_tree(blocks + 1, [-1] + [0] * 16, [0] + [1] * 16, np.zeros(17))
        _, row = scorer.score(Segmentation(tree, tree), example)
        counted = example.instances >= 0
        ids = np.unique(example.instances)
        objects = [example.instances == i for i in ids if i > 0]
        best = [
            max(iou((blocks == b) & counted, x) for b in range(16)) for x in objects
        ]
        assert row["full/nfcovering"] == pytest.approx(np.mean(best), abs=1e-12)
        assert row["full/nfcovering"] == row["grid/nfcovering"]  # a grid of pixels


def require_coco_scores(source):
    """Compares the scores of regions as proposals with those of pycocotools.

    The regions are those of the truth, moved a little, and unions of these.
    """
    scorer = Scoring("instances").scorer(source)
    images, parts = [], [scorer.empty()]
    for index in range(0, len(source), 3):
        example = source[index]
        regions = np.maximum(example.instances, 0) * 1000 + example.labels
        tree = merged_tree(np.roll(regions, 3, axis=(0, 1)), seed=index)
        parts.append(scorer.score(Segmentation(tree, tree), example)[0])
        objects = objects_of(example, taxonomy=source.taxonomy)
        images.append((objects.image_id, tree.proposals(), objects))
    found = scorer.compute(states.merge_all(parts))
    expected = coco_scores(images, areas=AREAS, budgets=BUDGETS)
    ours = {name[5:]: x for name, x in found.items() if name.startswith("full/")}
    assert ours == pytest.approx(expected, abs=1e-9, nan_ok=True)
    assert 0 < ours["ap"] < ours["ar_1000"] < 1
    assert found["objects"] == sum((~x.crowd).sum() for *_, x in images)


ISPRS = {"img_dir": "{}/img_dir", "ann_dir": "{}/ann_dir"}
MAPILLARY = {"validation/images": "{}/images"}


@pytest.mark.parametrize(
    ("name", "split", "sample", "links", "image", "mask"),
    [
        (
            *("camvid", "val", "CamVid", {"CamVid": "{}"}),
            *("val/{}.png", "valannot/{}.png"),
        ),
        (
            *("cityscapes", "val", "Cityscapes_sample"),
            {x: f"{{}}/{x}" for x in ("leftImg8bit", "gtFine")},
            "leftImg8bit/val/{}_leftImg8bit.png",
            "gtFine/val/{}_gtFine_labelIds.png",
        ),
        (
            *("potsdam", "tiles", "Potsdam_sample", ISPRS),
            *("img_dir/{}.png", "ann_dir/{}.png"),
        ),
        (
            *("vaihingen", "tiles", "Vaihingen_sample", ISPRS),
            *("img_dir/{}.png", "ann_dir/{}.png"),
        ),
        (
            *("ade20k", "val", "ADE20K_sample/sampleData"),
            {f"{x}/validation": f"{{}}/{x}" for x in ("images", "annotations")},
            *("images/{}.jpg", "annotations/{}.png"),
        ),
        (
            *("mapillary", "val", "Mapillary_sample"),
            {**MAPILLARY, "validation/v1.2/labels": "{}/v1.2"},
            *("images/{}.jpg", "v1.2/{}.png"),
        ),
        (
            *("mapillary2", "val", "Mapillary_sample"),
            {**MAPILLARY, "validation/v2.0/labels": "{}/v2.0"},
            *("images/{}.jpg", "v2.0/{}.png"),
        ),
    ],
)
def test_images_and_masks_are_those_of_the_files(
    name, split, sample, links, image, mask, prepare, shared
):
    links = {place: target.format(sample) for place, target in links.items()}
    source = prepare(name, links, split)
    folder = shared / "data" / sample
    require_same(source, folder, image, mask)
    assert len(source) == len(list(folder.glob(mask.format("**/*"))))
    if name == "cityscapes":
        (example,) = source
        ids = np.array(Image.open(next(folder.glob("**/*_instanceIds.png"))))
        numbers = np.unique(example.instances)
        assert numbers.tolist() == list(range(-1, 8))
        for number, one in enumerate(np.unique(ids[ids >= 1000]), start=1):
            np.testing.assert_array_equal(example.instances == number, ids == one)
        np.testing.assert_array_equal(example.instances < 0, example.labels < 7)
        require_coco_scores(source)
    if name.startswith("mapillary"):
        flat = source.taxonomy.flat()
        shown = np.unique(flat.encode(source[0].labels))
        assert {flat.names[i] for i in shown} == {"building", "street-light", "pole"}


def test_voc2012(prepare, shared):
    folder = shared / "data" / "VOCdevkit" / "VOC2012"
    names = read_names(folder / "ImageSets" / "Segmentation" / "train.txt")
    assert len(names) == 160
    source = prepare("voc2012", {"VOCdevkit": "VOCdevkit"}, "train", names[::8])
    assert [example.name for example in source] == names[::8]
    require_same(source, folder, "JPEGImages/{}.jpg", "SegmentationClass/{}.png")


def test_coco(prepare, shared):
    sample = "COCO_panoptic_sample/sample_data"
    links = {
        "val2017": f"{sample}/input_images",
        "annotations/panoptic_val2017": f"{sample}/panoptic_examples",
        "annotations/panoptic_val2017.json": f"{sample}/panoptic_examples.json",
    }
    source = prepare("coco", links)
    listed = json.loads(
        (shared / "data" / sample / "panoptic_examples.json").read_text()
    )["annotations"]
    assert len(source) == len(listed) == 2
    for example in source:
        segments = next(
            x["segments_info"] for x in listed if x["file_name"][:-4] == example.name
        )
        # Areas of the list against ours: by object, and by category.
        things = [x for x in segments if x["category_id"] < 91]
        counted = sorted(x["area"] for x in things if not x["iscrowd"])
        numbers, areas = np.unique(example.instances, return_counts=True)
        assert sorted(areas[numbers > 0].tolist()) == counted
        by_category = {}
        for x in things:
            by_category.setdefault(x["category_id"], []).append(x["area"])
        for category, sizes in by_category.items():
            assert np.sum(example.labels == category) == sum(sizes)
        stuff = sum(x["area"] for x in segments if x["category_id"] > 91)
        assert np.sum(example.labels == 0) == stuff
    require_nfcovering(source)
    require_coco_scores(source)


def test_bsds500(prepare, shared):
    folder = shared / "data" / "BSDS500" / "data"
    names = sorted(path.stem for path in (folder / "images" / "val").glob("*.jpg"))
    assert len(names) == 100
    source = prepare("bsds500", {"BSDS500": "BSDS500"}, names=names[::9])
    assert len(source) == len(names[::9])
    for example in source:
        people = scipy.io.loadmat(folder / "groundTruth/val" / f"{example.name}.mat")
        expected = [x[0, 0]["Segmentation"] for x in people["groundTruth"][0]]
        assert 4 <= len(expected) == len(example.annotations) <= 9
        np.testing.assert_array_equal(example.annotations, expected)
        np.testing.assert_array_equal(example.labels, expected[0])
        pixels = read_image(folder / "images/val" / f"{example.name}.jpg")
        np.testing.assert_array_equal(example.image, pixels)


def test_pascal_part(prepare, shared):
    sample = "PascalPart/examples"
    links = {"Annotations_Part": sample, "JPEGImages": sample}
    source = prepare("pascal_part", links, "trainval")
    assert len(source) == 18
    flat = source.taxonomy.flat()
    names, tree = np.array(flat.names), source.taxonomy.hierarchy()
    for example in source:
        path = shared / "data" / sample / f"{example.name}.mat"
        objects = scipy.io.loadmat(path, simplify_cells=True)["anno"]["objects"]
        objects = [objects] if isinstance(objects, dict) else objects
        masks = [np.array(x["mask"], bool) for x in objects]
        np.testing.assert_array_equal(example.labels > 0, np.any(masks, axis=0))
        # Where a single object and a single part of it claim a pixel, it is theirs.
        single = np.sum(masks, axis=0) == 1
        for x in objects:
            parts = x["parts"]
            parts = [parts] if isinstance(parts, dict) else list(parts)
            claims = np.sum([part["mask"] for part in parts], axis=0)
            for part in parts:
                sole = single & (claims == 1) & (part["mask"] > 0)
                if not sole.any():
                    continue
                (found,) = np.unique(flat.encode(example.labels[sole][None]))
                assert names[found] == part["part_name"].split("_")[0]
                nodes = np.array(tree.names)[tree.members[found]]
                assert x["class"] in nodes
            unclaimed = single & np.array(x["mask"], bool) & (claims == 0)
            if parts and unclaimed.any():
                assert set(example.labels[unclaimed]) == {200 + x["class_ind"]}
        # Objects one by one, where no other claims the pixel.
        numbers = [np.unique(example.instances[single & mask]) for mask in masks]
        assert all(x.size <= 1 for x in numbers)
        assert len({*np.concatenate(numbers)}) == sum(x.size for x in numbers)
        np.testing.assert_array_equal(example.instances > 0, example.labels > 0)
    require_nfcovering(source)
    require_coco_scores(source)


def test_a_folder_of_voc(shared):
    folder = shared / "data" / "VOCdevkit" / "VOC2012"
    source = FolderSource(
        folder / "JPEGImages",
        folder / "SegmentationClass",
        names=folder / "ImageSets" / "Segmentation" / "val.txt",
    )
    assert len(source) == 140
    assert source.taxonomy.flat().names[0] == "background"
    assert source[0].image.shape[:2] == source[0].labels.shape
