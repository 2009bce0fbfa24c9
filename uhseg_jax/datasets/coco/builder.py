"""MSCOCO things, from the panoptic annotations."""

import json
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from uhseg_jax.datasets.builder import SegmentationBuilder
from uhseg_jax.datasets.masks import NO_COUNT, read_colors
from uhseg_jax.datasets.pairs import Pair, first_existing, list_pairs
from uhseg_jax.datasets.source import DatasetError, reading
from uhseg_jax.types import Int, Integer

__all__ = ["Coco"]

_LAST_THING = 91  # categories above it are stuff
_BACKGROUND, _UNLABELLED = 0, 255


class Coco(SegmentationBuilder):
    """MSCOCO 2017: 80 classes of things, everything else as background.

    From the panoptic annotations, where no two objects overlap. ``label`` holds the
    category id of things (1 to 90), 0 for stuff and 255 where nothing is labelled;
    ``instances`` numbers the things of an image from 1, 0 for stuff, 65535 for crowds
    and unlabelled pixels.
    """

    name = "coco"
    EXPECTED: ClassVar = {"train": 118287, "val": 5000}
    EXTRAS = ("instances",)
    MANUAL_DOWNLOAD_INSTRUCTIONS = """
      {train,val}2017/*.jpg                        (or images/{train,val}2017)
      annotations/panoptic_{train,val}2017.json
      annotations/panoptic_{train,val}2017/*.png
    """

    @classmethod
    def split_path(cls, root: Path, split: str) -> Path:
        """The list of annotations."""
        return root / "annotations" / f"panoptic_{split}2017.json"

    @classmethod
    def split_pairs(cls, root: Path, split: str) -> list[Pair]:
        """The pairs that the list of annotations names, by number."""
        path = cls.split_path(root, split)
        segments = _read_list(path)
        images = first_existing(root, f"{split}2017", f"images/{split}2017")
        pairs = list_pairs(
            sorted(segments),
            lambda name: images / f"{name}.jpg",
            lambda name: path.with_suffix("") / f"{name}.png",
            where=path,
        )
        return [Pair(x.name, x.image, x.mask, segments[x.name]) for x in pairs]

    @classmethod
    def read_maps(cls, pair: Pair) -> dict[str, Integer[np.ndarray, "_ _"]]:
        """Category ids of things, and the things told apart."""
        categories = {0: _UNLABELLED}
        objects = {0: NO_COUNT}
        for number, x in enumerate(pair.note, start=1):
            is_thing = x["category_id"] < _LAST_THING
            categories[x["id"]] = x["category_id"] if is_thing else _BACKGROUND
            if is_thing:
                objects[x["id"]] = NO_COUNT if x["iscrowd"] else number
            else:
                objects[x["id"]] = 0
        segments = _read_segments(pair, known=categories)
        return {
            name: _paint(segments, values)
            for name, values in (("label", categories), ("instances", objects))
        }


def _read_list(path: Path) -> dict[str, list[dict[str, Any]]]:
    """The segments of every image, by its number."""
    with reading(path, "annotations in COCO's panoptic format"):
        annotations = json.loads(path.read_text(encoding="utf-8"))["annotations"]
        return {Path(x["file_name"]).stem: x["segments_info"] for x in annotations}


def _read_segments(pair: Pair, *, known: Container[int]) -> Int[np.ndarray, "H W"]:
    """The id of the segment of every pixel: R + 256 G + 65536 B."""
    red, green, blue = np.moveaxis(read_colors(pair.mask).astype(np.int64), -1, 0)
    segments = red + 256 * green + 65536 * blue
    unknown = [str(i) for i in np.unique(segments) if i not in known]
    if unknown:
        raise DatasetError(
            f"{pair.mask}: has segments that the list of annotations does not know: "
            f"{', '.join(unknown)}"
        )
    return segments


def _paint(
    segments: Int[np.ndarray, "H W"], values: Mapping[int, int]
) -> Int[np.ndarray, "H W"]:
    """A map with one value a segment."""
    found, index = np.unique(segments, return_inverse=True)
    painted = np.array([values[i] for i in found], np.int64)[index]
    return painted.reshape(segments.shape)
