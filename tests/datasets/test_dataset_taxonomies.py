"""The label hierarchies of the datasets: as many classes as published, ids checked."""

import importlib
import json

import numpy as np
import pytest
from PIL import Image

from uhseg_jax.datasets import DATASETS
from uhseg_jax.datasets.registry import Entry
from uhseg_jax.taxonomy import Taxonomy

# Classes (with the background), classes at the top level, nodes of the hierarchy.
PUBLISHED = {
    "ade20k": (150, 150, 150),
    "camvid": (11, 11, 11),
    "cityscapes": (19, 7, 26),
    "cityscapes27": (27, 7, 34),
    "coco": (81, 13, 93),
    "coco_object": (81, 81, 81),
    "coco_stuff": (171, 27, 198),
    "coco_stuff27": (171, 27, 198),
    "coco_stuff182": (182, 27, 209),
    "coco_stuff_only": (92, 16, 107),
    "coco_stuff_things": (92, 13, 104),
    "kitti_step": (19, 7, 26),
    "mapillary": (65, 7, 79),  # and one ignored, which makes 66
    "mapillary2": (120, 8, 145),  # and four ignored
    "part_image_net": (41, 12, 52),
    "part_image_net158": (599, 12, 768),
    "pascal_context": (60, 60, 60),
    "pascal_context59": (59, 59, 59),
    "pascal_part": (198, 21, 214),
    "pascal_part_objects": (214, 21, 214),
    "potsdam": (6, 6, 6),
    "vaihingen": (6, 6, 6),
    "voc2012": (21, 21, 21),
    "voc2012_objects": (21, 21, 21),
}

PREPARED = sorted(x.name for x in DATASETS.values() if isinstance(x, Entry))


def builder(entry):
    module = importlib.import_module(f"uhseg_jax.datasets.{entry.module}.builder")
    return getattr(module, entry.builder)


def ids(taxonomy: Taxonomy) -> dict[int, str]:
    return {raw_id: path[-1] for raw_id, path in taxonomy.paths().items()}


@pytest.fixture
def data(shared):
    return shared / "data"


@pytest.mark.parametrize("name", [name for name in PREPARED if name != "bsds500"])
def test_as_many_classes_as_published(name):
    entry = DATASETS[name]
    taxonomy = builder(entry).read_taxonomy(view=entry.view)
    tops = taxonomy.flat(depth=0).num_classes
    found = (taxonomy.flat().num_classes, tops, len(taxonomy.hierarchy().names))
    assert found == PUBLISHED[name]


@pytest.mark.parametrize("name", PREPARED)
def test_every_view_knows_all_ids_of_its_builder(name):
    entry = DATASETS[name]
    cls = builder(entry)
    known = ids(cls.read_taxonomy(view=entry.view))
    assert set(known) == set(ids(cls.read_taxonomy()))
    assert max(known) <= np.iinfo(cls.LABEL_DTYPE).max


def test_regions_without_classes_are_classes_of_their_own():
    flat = builder(DATASETS["bsds500"]).read_taxonomy().flat()
    assert flat.num_classes == 1024
    assert flat.encode(np.array([[1, 300]])).tolist() == [[0, 299]]


def test_kitti_step_has_the_train_ids_of_cityscapes():
    step = ids(builder(DATASETS["kitti_step"]).read_taxonomy())
    cityscapes = builder(DATASETS["cityscapes"]).read_taxonomy().flat()
    assert [step[i] for i in range(19)] == list(cityscapes.names)


def test_the_groups_of_coco_stuff_are_those_of_picie_in_its_order():
    taxonomy = builder(DATASETS["coco_stuff27"]).read_taxonomy()
    flat = taxonomy.flat(depth=0)
    assert [name.split()[0].removesuffix("-stuff") for name in flat.names] == [
        *("electronic", "appliance", "food", "furniture", "indoor", "kitchen"),
        *("accessory", "animal", "outdoor", "person", "sports", "vehicle"),  # things
        *("ceiling", "floor", "food", "furniture", "raw-material", "textile", "wall"),
        *("window", "building", "ground", "plant", "sky", "solid", "structural"),
        "water",
    ]
    # COCO groups consecutive ids of things: the first ones and how many, all 91.
    groups = {
        **{"person": (0, 1), "vehicle": (1, 8), "outdoor": (9, 6), "animal": (15, 10)},
        **{"accessory": (25, 8), "sports": (33, 10), "kitchen": (43, 8)},
        **{"food": (51, 10), "furniture": (61, 10), "electronic": (71, 6)},
        **{"appliance": (77, 6), "indoor": (83, 8)},
    }
    assert sum(count for _, count in groups.values()) == 91
    parent = {i: x[-2].split()[0] for i, x in taxonomy.paths().items() if len(x) > 1}
    for name, (first, count) in groups.items():
        assert all(parent[i] == name for i in range(first, first + count))
    stuff = flat.lookup[91:182]  # no gap among these
    sizes = [2, 6, 4, 11, 4, 11, 7, 2, 6, 11, 9, 2, 6, 5, 5]
    assert np.bincount(stuff, minlength=27).tolist() == [0] * 12 + sizes


def test_cityscapes_and_ade20k_number_classes_as_their_ids():
    flat = builder(DATASETS["cityscapes27"]).read_taxonomy(view="all_27.txt").flat()
    assert flat.encode(np.arange(34)).tolist() == [-1] * 7 + list(range(27))
    flat = builder(DATASETS["ade20k"]).read_taxonomy().flat()
    assert flat.encode(np.arange(151)).tolist() == list(range(-1, 150))


def test_all_but_the_objects_is_background_in_their_order():
    voc = builder(DATASETS["voc2012_objects"]).read_taxonomy(view="objects.txt").flat()
    assert voc.encode(np.array([0, 255, 1, 20])).tolist() == [0, 0, 1, 20]
    context = builder(DATASETS["pascal_context"])
    flat = context.read_taxonomy().flat()
    assert flat.encode(np.arange(60)).tolist() == list(range(60))
    assert flat.names[1:] == tuple(sorted(flat.names[1:]))
    others = context.read_taxonomy(view="classes59.txt").flat()
    assert others.names == flat.names[1:]
    assert others.encode(np.arange(60)).tolist() == list(range(-1, 59))
    coco = builder(DATASETS["coco_object"])
    flat = coco.read_taxonomy(view="objects.txt").flat()
    found = flat.encode(np.array([*range(182), 255]))
    objects = np.flatnonzero(coco.read_taxonomy().flat().lookup[:91] >= 0)
    np.testing.assert_array_equal(found[objects], np.arange(1, 81))
    assert np.count_nonzero(found) == 80


@pytest.mark.shared
def test_the_ids_of_cityscapes_become_its_train_ids(data):
    folder = data / "Cityscapes_sample" / "gtFine" / "val" / "frankfurt"
    stem = "frankfurt_000000_000294_gtFine"
    flat = builder(DATASETS["cityscapes"]).read_taxonomy().flat()
    found = flat.encode(np.array(Image.open(folder / f"{stem}_labelIds.png")))
    train = np.array(Image.open(folder / f"{stem}_labelTrainIds.png")).astype(int)
    # The sample was made smaller, each map by itself, so borders differ a little.
    assert np.mean(found == np.where(train == 255, -1, train)) > 0.99


@pytest.mark.shared
def test_the_classes_of_coco_are_the_official_ones(data):
    path = data / "COCO_panoptic_sample" / "panoptic_coco_categories.json"
    things = [x for x in json.loads(path.read_text()) if x["isthing"]]
    entry = DATASETS["coco"]
    taxonomy = builder(entry).read_taxonomy()
    paths = taxonomy.paths()
    found = {i: path[-1] for i, path in paths.items() if 0 < i < 255}
    assert found == {x["id"]: x["name"] for x in things}
    assert all(paths[x["id"]][-2] == x["supercategory"] for x in things)
    stuff = ids(builder(DATASETS["coco_stuff"]).read_taxonomy())
    assert all(stuff[x["id"] - 1] == x["name"] for x in things)


@pytest.mark.shared
def test_the_classes_of_ade20k_are_the_official_ones(data):
    lines = (data / "ADE20K_sample" / "objectInfo150.txt").read_text().splitlines()
    rows = [line.split("\t") for line in lines[1:]]
    found = ids(builder(DATASETS["ade20k"]).read_taxonomy())
    assert found.pop(0) == "other"
    assert found == {int(x[0]): x[4].split(",")[0].strip() for x in rows}
