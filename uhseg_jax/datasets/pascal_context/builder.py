"""Pascal-Context: a class for nearly every pixel of PascalVOC2010."""

from pathlib import Path
from typing import ClassVar

from uhseg_jax.datasets.builder import SegmentationBuilder
from uhseg_jax.datasets.pairs import Pair, first_existing, list_pairs, read_names

__all__ = ["PascalContext"]


class PascalContext(SegmentationBuilder):
    """Pascal-Context: 59 classes of objects and stuff; 0 for all others.

    The ids are those of mmsegmentation's maps: the 59 most frequent of the 459 classes,
    by name.
    """

    name = "pascal_context"
    EXPECTED: ClassVar = {"train": 4996, "val": 5104}
    MANUAL_DOWNLOAD_INSTRUCTIONS = """
      VOCdevkit/VOC2010/ImageSets/SegmentationContext/{train,val}.txt
      VOCdevkit/VOC2010/JPEGImages/*.jpg
      VOCdevkit/VOC2010/SegmentationClassContext/*.png
    """

    @classmethod
    def split_path(cls, root: Path, split: str) -> Path:
        """The list of the split."""
        return _devkit(root) / "ImageSets" / "SegmentationContext" / f"{split}.txt"

    @classmethod
    def split_pairs(cls, root: Path, split: str) -> list[Pair]:
        """The pairs that the list names."""
        folder, names = _devkit(root), cls.split_path(root, split)
        return list_pairs(
            read_names(names),
            lambda name: folder / "JPEGImages" / f"{name}.jpg",
            lambda name: folder / "SegmentationClassContext" / f"{name}.png",
            where=names,
        )


def _devkit(root: Path) -> Path:
    return first_existing(root, "VOCdevkit/VOC2010", "VOC2010", "")
