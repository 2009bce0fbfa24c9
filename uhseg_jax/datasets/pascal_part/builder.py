"""Pascal-Part: objects and their parts."""

import functools
import re
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import scipy.io

from uhseg_jax.datasets.builder import SegmentationBuilder
from uhseg_jax.datasets.pairs import Pair, first_existing, list_pairs, read_names
from uhseg_jax.datasets.source import DatasetError, reading
from uhseg_jax.types import Integer

__all__ = ["PascalPart"]

_NUMBER = re.compile(r"_\d+$")  # of wheels, windows, ...: all are one part


class PascalPart(SegmentationBuilder):
    """Pascal-Part: the images of PascalVOC2010 with the parts of their objects.

    Its masks overlap. Here an object lies over a larger one, and a part over the larger
    parts of its object (eyes over the head). Numbered parts (``wheel_1``) are one part.
    The ids, below 255, are those of ``taxonomy.txt`` beside this module: background 0,
    parts and objects that have none from 1, and for the pixels of an object that no
    part claims 200 + the number of the class in PascalVOC. ``instances`` numbers the
    objects of an image, with their parts, from 1, the largest first.
    """

    name = "pascal_part"
    EXPECTED: ClassVar = {"trainval": 10103, "train": 4998, "val": 5105}
    DEFAULT_SPLIT = "trainval"
    EXTRAS = ("instances",)
    MANUAL_DOWNLOAD_INSTRUCTIONS = """
      Annotations_Part/*.mat
      VOCdevkit/VOC2010/JPEGImages/*.jpg                 (or JPEGImages/)
      VOCdevkit/VOC2010/ImageSets/Main/{train,val}.txt   (for these splits)
    """

    @classmethod
    def split_path(cls, root: Path, split: str) -> Path:
        """The folder of annotations, or the list of the split."""
        if split == "trainval":
            return root / "Annotations_Part"
        return root / "VOCdevkit" / "VOC2010" / "ImageSets" / "Main" / f"{split}.txt"

    @classmethod
    def split_pairs(cls, root: Path, split: str) -> list[Pair]:
        """All annotations, or those that the list of the split names."""
        where = cls.split_path(root, split)
        annotations = root / "Annotations_Part"
        if split == "trainval":
            names = sorted(path.stem for path in annotations.glob("*.mat"))
        else:
            names = read_names(where)
        images = first_existing(root, "VOCdevkit/VOC2010/JPEGImages", "JPEGImages")
        return list_pairs(
            names,
            lambda name: images / f"{name}.jpg",
            lambda name: annotations / f"{name}.mat",
            where=where,
        )

    @classmethod
    def read_maps(cls, pair: Pair) -> dict[str, Integer[np.ndarray, "_ _"]]:
        """One map of all objects and parts, and the objects told apart."""
        ids = _ids()
        objects = sorted(_read(pair.mask), key=lambda x: -int(x[1].sum()))
        labels, instances = np.zeros((2, *objects[0][1].shape), np.uint16)
        for number, (name, mask, parts) in enumerate(objects, start=1):
            if (name, "") not in ids:
                raise DatasetError(f"{pair.mask}: has an unknown object {name!r}")
            labels[mask] = ids[name, ""]
            instances[mask] = number
            for part, part_mask in sorted(parts, key=lambda x: -int(x[1].sum())):
                key = (name, _NUMBER.sub("", part))
                if key not in ids:
                    raise DatasetError(
                        f"{pair.mask}: has an unknown part {part!r} of a {name}"
                    )
                labels[part_mask] = ids[key]
                instances[part_mask] = number
        return {"label": labels, "instances": instances}


@functools.cache
def _ids() -> dict[tuple[str, str], int]:
    """Ids by object and part; the part is empty for what no part claims."""
    paths = PascalPart.read_taxonomy(view="objects.txt").paths()
    return {(path[0], "".join(path[1:])): raw_id for raw_id, path in paths.items()}


def _read(path: Path) -> list[tuple[str, Any, list[tuple[str, Any]]]]:
    """Name, mask and parts (name and mask) of every object of a .mat file."""
    with reading(path, "anno.objects.parts.mask as Pascal-Part has it"):
        annotation = scipy.io.loadmat(path)["anno"][0, 0]
        objects = [
            (
                str(one["class"][0]),
                one["mask"].astype(bool),
                [
                    (str(part["part_name"][0]), part["mask"].astype(bool))
                    for part in one["parts"].ravel()
                ],
            )
            for one in annotation["objects"].ravel()
        ]
    shapes = {mask.shape for _, mask, _ in objects} | {
        mask.shape for _, _, parts in objects for _, mask in parts
    }
    if len(shapes) != 1:
        raise DatasetError(
            f"{path}: expected at least one object, and all masks of one size, but "
            f"found the sizes {sorted(shapes)}; use the original file."
        )
    return objects
