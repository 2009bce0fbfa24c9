"""MSCOCO things, from the panoptic annotations."""

import json
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from uhseg_jax.datasets.builder import SegmentationBuilder
from uhseg_jax.datasets.masks import NO_COUNT, read_colors
from uhseg_jax.datasets.pairs import Pair, first_existing, list_pairs
from uhseg_jax.datasets.source import DatasetError
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
    def read_label(cls, pair: Pair) -> Integer[np.ndarray, "H W"]:
        """Category ids of things."""
        values = [
            x["category_id"] if x["category_id"] < _LAST_THING else _BACKGROUND
            for x in pair.note
        ]
        return _paint(pair, values, _UNLABELLED).astype(np.uint8)

    @classmethod
    def read_extras(cls, pair: Pair) -> dict[str, Integer[np.ndarray, "R W"]]:
        """The things of an image, told apart."""
        values = [
            0
            if x["category_id"] >= _LAST_THING
            else NO_COUNT
            if x["iscrowd"]
            else number
            for number, x in enumerate(pair.note, start=1)
        ]
        return {"instances": _paint(pair, values, NO_COUNT).astype(np.uint16)}


def _read_list(path: Path) -> dict[str, list[dict[str, Any]]]:
    """The segments of every image, by its number."""
    try:
        annotations = json.loads(path.read_text(encoding="utf-8"))["annotations"]
        return {Path(x["file_name"]).stem: x["segments_info"] for x in annotations}
    except (ValueError, KeyError, TypeError) as error:
        raise DatasetError(
            f"{path}: expected annotations in COCO's panoptic format, but they cannot "
            f"be read ({error!r}); use the original file."
        ) from error


def _paint(pair: Pair, values: list[int], unlabelled: int) -> Int[np.ndarray, "H W"]:
    """A map with one value a segment; segment ids are R + 256 G + 65536 B."""
    red, green, blue = np.moveaxis(read_colors(pair.mask).astype(np.int64), -1, 0)
    found, index = np.unique(red + 256 * green + 65536 * blue, return_inverse=True)
    by_id = {x["id"]: value for x, value in zip(pair.note, values, strict=True)}
    by_id[0] = unlabelled
    unknown = [str(i) for i in found if i not in by_id]
    if unknown:
        raise DatasetError(
            f"{pair.mask}: has segments that the list of annotations does not know: "
            f"{', '.join(unknown)}"
        )
    painted = np.array([by_id[i] for i in found], np.int64)[index]
    return painted.reshape(red.shape)
