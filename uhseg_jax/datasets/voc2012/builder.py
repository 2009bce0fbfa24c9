"""PascalVOC2012 segmentation."""

from pathlib import Path
from typing import ClassVar

from uhseg_jax.datasets.builder import SegmentationBuilder
from uhseg_jax.datasets.pairs import Pair, first_existing, list_pairs, read_names

__all__ = ["Voc2012"]


class Voc2012(SegmentationBuilder):
    """PascalVOC2012 segmentation: 20 classes of objects and background."""

    name = "voc2012"
    EXPECTED: ClassVar = {"train": 1464, "val": 1449, "trainval": 2913}
    MANUAL_DOWNLOAD_INSTRUCTIONS = """
      VOCdevkit/VOC2012/ImageSets/Segmentation/{train,val,trainval}.txt
      VOCdevkit/VOC2012/JPEGImages/*.jpg
      VOCdevkit/VOC2012/SegmentationClass/*.png
    """

    @classmethod
    def split_path(cls, root: Path, split: str) -> Path:
        """The list of the split."""
        return _devkit(root) / "ImageSets" / "Segmentation" / f"{split}.txt"

    @classmethod
    def split_pairs(cls, root: Path, split: str) -> list[Pair]:
        """The pairs that the list names."""
        folder, names = _devkit(root), cls.split_path(root, split)
        return list_pairs(
            read_names(names),
            lambda name: folder / "JPEGImages" / f"{name}.jpg",
            lambda name: folder / "SegmentationClass" / f"{name}.png",
            where=names,
        )


def _devkit(root: Path) -> Path:
    return first_existing(root, "VOCdevkit/VOC2012", "VOC2012", "")
