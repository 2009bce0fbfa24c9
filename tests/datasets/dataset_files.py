"""Tiny datasets in the documented formats, with the label maps that must come back."""

import functools
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy.io
from PIL import Image

Truth = dict[str, np.ndarray]  # label maps by name

HEIGHT, WIDTH = 6, 8


def image(path: Path, size: tuple[int, int] = (HEIGHT, WIDTH)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    Image.fromarray(pixels).save(path, "JPEG" if path.suffix != ".png" else "PNG")


def mask(path: Path, ids: np.ndarray, *, palette: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    opened = Image.fromarray(ids)
    if palette:
        opened = opened.convert("P")  # keeps the values of grey as indices
        opened.putpalette([x for i in range(256) for x in (i, 255 - i, 7)])
    opened.save(path)


def some_ids(ids: list[int], dtype: type = np.uint8) -> np.ndarray:
    """A map with all of these ids."""
    return np.resize(np.array(ids, dtype), (HEIGHT, WIDTH))


# Datasets whose images and masks are files of one name in two folders: the images, the
# masks, and the ids of every pair. Masks of Mapillary have a palette.
PAIRED: dict[str, tuple[str, str, dict[str, list[int]]]] = {
    "ade20k": (
        "ADEChallengeData2016/images/validation/{}.jpg",
        "ADEChallengeData2016/annotations/validation/{}.png",
        {"ADE_val_00000001": [0, 1, 150]},
    ),
    "camvid": (
        *("CamVid/val/{}.png", "CamVid/valannot/{}.png"),
        {"0016E5_1": list(range(12))},
    ),
    "cityscapes": (
        "leftImg8bit/val/{}_leftImg8bit.png",
        "gtFine/val/{}_gtFine_labelIds.png",
        {"bonn/bonn_000001": [7, 33], "ulm/ulm_000002": [0, 26]},
    ),
    "coco_stuff": (
        *("val2017/{}.jpg", "stuffthingmaps_trainval2017/val2017/{}.png"),
        {"000000000001": [0, 181, 255, 91], "000000000002": [5]},
    ),
    "mapillary": (
        *("validation/images/{}.jpg", "validation/v1.2/labels/{}.png"),
        {"abc": [0, 13, 65]},
    ),
    "mapillary2": (
        *("validation/images/{}.jpg", "validation/v2.0/labels/{}.png"),
        {"abc": [0, 21, 123]},
    ),
    "part_image_net": (  # a tiger: head, tail
        *("images/val/{}.JPEG", "annotations/val/{}.png"),
        {"n02129604_17": [0, 3, 40]},
    ),
    "potsdam": (
        *("img_dir/{}.png", "ann_dir/{}.png"),
        {"2_10_0_0_6_8": [0, 1, 6], "2_11_0_0_6_8": [5]},
    ),
    "vaihingen": (
        *("vaihingen/img_dir/{}.png", "vaihingen/ann_dir/{}.png"),
        {"train/area1_0": [0, 1, 6], "val/area2_0": [5]},
    ),
}


def write_paired(name: str, root: Path) -> Truth:
    images, masks, truth = PAIRED[name]
    for stem, ids in truth.items():
        image(root / images.format(stem))
        palette = name.startswith("mapillary")
        mask(root / masks.format(stem), some_ids(ids), palette=palette)
    return {stem: some_ids(ids) for stem, ids in truth.items()}


def cityscapes(root: Path) -> Truth:
    truth = write_paired("cityscapes", root)
    # Other maps lie beside those that are read.
    stem = str(root / "gtFine/val/bonn/bonn_000001_gtFine")
    mask(Path(f"{stem}_labelTrainIds.png"), some_ids([0]))
    # Road, a bicycle, void, a group of persons, two cars; without the map, nothing.
    ids = some_ids([7, 33002, 4, 24, 26000, 26001], np.uint16)
    mask(Path(f"{stem}_instanceIds.png"), ids)
    bonn, ulm = truth
    objects = np.resize([0, 3, -1, -1, 1, 2], ids.shape)
    return {
        bonn: truth[bonn],
        f"{bonn} instances": objects,
        ulm: truth[ulm],
        f"{ulm} instances": np.full(ids.shape, -1),
    }


def voc2012(root: Path) -> Truth:
    folder = root / "VOCdevkit" / "VOC2012"
    truth = {"2007_000001": some_ids([0, 3, 255]), "2007_000002": some_ids([20, 0])}
    for name, ids in truth.items():
        image(folder / "JPEGImages" / f"{name}.jpg")
        mask(folder / "SegmentationClass" / f"{name}.png", ids, palette=True)
    image(folder / "JPEGImages" / "2007_000003.jpg")  # VOC has many without masks
    lists = folder / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "val.txt").write_text("2007_000002\n2007_000001\n")
    return {name: truth[name] for name in ("2007_000002", "2007_000001")}


def pascal_context(root: Path) -> Truth:
    folder = root / "VOCdevkit" / "VOC2010"
    truth = {"2008_000002": some_ids([0, 59, 1]), "2008_000003": some_ids([36])}
    for name, ids in truth.items():
        image(folder / "JPEGImages" / f"{name}.jpg")
        mask(folder / "SegmentationClassContext" / f"{name}.png", ids)
    image(folder / "JPEGImages" / "2007_000027.jpg")  # without a map
    lists = folder / "ImageSets" / "SegmentationContext"
    lists.mkdir(parents=True)
    (lists / "val.txt").write_text("2008_000002\n2008_000003\n")
    return truth


def bsds500(root: Path) -> Truth:
    folder = root / "BSR" / "BSDS500" / "data"
    maps = [some_ids([1, 2, 300], np.uint16), some_ids([1, 1, 2, 2], np.uint16)]
    people = np.empty((1, 2), object)
    for index, ids in enumerate(maps):
        people[0, index] = {"Segmentation": ids, "Boundaries": ids > 1}
    image(folder / "images" / "val" / "101.jpg")
    path = folder / "groundTruth" / "val" / "101.mat"
    path.parent.mkdir(parents=True)
    scipy.io.savemat(path, {"groundTruth": people})
    return {"101": maps[0], "101 annotations": np.stack(maps)}


def coco(root: Path) -> Truth:
    # Segments: two persons, one of them a crowd, a toothbrush, and sky (stuff).
    segments = [
        {"id": 66051, "category_id": 1, "iscrowd": 0},
        {"id": 7, "category_id": 1, "iscrowd": 1},
        {"id": 256, "category_id": 90, "iscrowd": 0},
        {"id": 255, "category_id": 187, "iscrowd": 0},
    ]
    ids = some_ids([66051, 7, 256, 255, 0], np.int64)
    colors = np.stack([ids % 256, ids // 256 % 256, ids // 65536], -1).astype(np.uint8)
    annotations = root / "annotations"
    mask(annotations / "panoptic_val2017" / "000000000009.png", colors)
    entry = {"file_name": "000000000009.png", "image_id": 9, "segments_info": segments}
    text = json.dumps({"images": [], "annotations": [entry], "categories": []})
    (annotations / "panoptic_val2017.json").write_text(text)
    image(root / "val2017" / "000000000009.jpg")
    return {
        "000000000009": some_ids([1, 1, 90, 0, 255]),
        "000000000009 instances": np.resize([1, -1, 3, 0, -1], ids.shape),
    }


def kitti_step(root: Path) -> Truth:
    # Two cars (the second with a large number), a rider without number, void.
    pixels = [(13, 0, 1), (13, 1, 4), (12, 0, 0), (255, 0, 0)]
    colors = np.resize(np.array(pixels, np.uint8), (HEIGHT, WIDTH, 3))
    mask(root / "panoptic_maps" / "val" / "0002" / "000000.png", colors)
    image(root / "training" / "image_02" / "0002" / "000000.png")
    image(root / "training" / "image_02" / "0003" / "000000.png")  # of train
    return {
        "0002/000000": some_ids([13, 13, 12, 255]),
        "0002/000000 instances": np.resize([1, 2, 0, -1], (HEIGHT, WIDTH)),
    }


def part_image_net158(root: Path) -> Truth:
    write_paired("part_image_net", root)
    # Quadrupeds come first, four parts each, ordered by synset; the tiger is the 24th.
    return {"n02129604_17": some_ids([93, 96, 0], np.uint16)}


def pascal_part(root: Path) -> Truth:
    def at(*rows: int) -> np.ndarray:
        shown = np.zeros((HEIGHT, WIDTH), np.uint8)
        shown[list(rows)] = 1
        return shown

    def structs(fields: list[str], rows: list[tuple]) -> np.ndarray:
        return np.array([rows], [(field, object) for field in fields])

    def parts(**masks: np.ndarray) -> np.ndarray:
        return structs(["part_name", "mask"], list(masks.items()))

    eye = at(1)
    eye[1, 1:] = 0  # a pixel of the head
    # The car is the largest, so the others lie over it.
    objects = structs(
        ["class", "mask", "parts"],
        [
            ("boat", at(5), parts()),
            ("bird", at(1, 2, 3), parts(leye=eye, head=at(1), beak=at(2))),
            ("car", at(0, 3, 4, 5), parts(wheel_2=at(0), wheel_1=at(4))),
        ],
    )
    path = root / "Annotations_Part" / "2008_000001.mat"
    path.parent.mkdir(parents=True)
    scipy.io.savemat(path, {"anno": {"imname": "2008_000001", "objects": objects}})
    image(root / "JPEGImages" / "2008_000001.jpg")
    car_wheel, bird_head, bird_eye, bird_beak, bird, boat = 53, 14, 15, 17, 203, 27
    rows = np.array([car_wheel, bird_head, bird_beak, bird, car_wheel, boat], np.uint8)
    expected = np.repeat(rows[:, None], WIDTH, axis=1)
    expected[1, 0] = bird_eye
    objects = np.repeat([[1], [2], [2], [2], [1], [3]], WIDTH, axis=1)
    return {"2008_000001": expected, "2008_000001 instances": objects}


WRITERS: dict[str, Callable[[Path], Truth]] = {
    **{name: functools.partial(write_paired, name) for name in PAIRED},
    **{
        writer.__name__: writer
        for writer in (
            *(
                bsds500,
                cityscapes,
                coco,
                kitti_step,
                part_image_net158,
                pascal_context,
                pascal_part,
                voc2012,
            ),
        )
    },
}
SPLITS = {"potsdam": "tiles", "vaihingen": "tiles", "pascal_part": "trainval"}
