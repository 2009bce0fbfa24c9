"""COCO-Stuff: pixel maps of things and stuff."""

from pathlib import Path
from typing import ClassVar

from uhseg_jax.datasets.builder import SegmentationBuilder
from uhseg_jax.datasets.pairs import Pair, find_pairs, first_existing

__all__ = ["CocoStuff"]


class CocoStuff(SegmentationBuilder):
    """COCO-Stuff on the images of COCO 2017: 91 classes of stuff, 80 of things.

    The ids are those of the pixel maps, one less than in COCO's list: 0 to 181, and 255
    for unlabelled pixels.
    """

    name = "coco_stuff"
    EXPECTED: ClassVar = {"train": 118287, "val": 5000}
    MANUAL_DOWNLOAD_INSTRUCTIONS = """
      {train,val}2017/*.jpg                            (or images/{train,val}2017)
      stuffthingmaps_trainval2017/{train,val}2017/*.png   (or annotations/...)
    """

    @classmethod
    def split_path(cls, root: Path, split: str) -> Path:
        """The folder of images."""
        return first_existing(root, f"{split}2017", f"images/{split}2017")

    @classmethod
    def split_pairs(cls, root: Path, split: str) -> list[Pair]:
        """Images and pixel maps of the same number."""
        folders = ("stuffthingmaps_trainval2017", "stuffthingmaps", "annotations")
        masks = first_existing(root, *(f"{folder}/{split}2017" for folder in folders))
        return find_pairs(cls.split_path(root, split), masks)
