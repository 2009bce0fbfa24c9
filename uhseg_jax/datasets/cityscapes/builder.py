"""Cityscapes, fine annotations."""

from pathlib import Path
from typing import ClassVar

from uhseg_jax.datasets.builder import SegmentationBuilder
from uhseg_jax.datasets.pairs import Pair, find_pairs

__all__ = ["Cityscapes"]


class Cityscapes(SegmentationBuilder):
    """Cityscapes street scenes of 2048 x 1024 with the labelIds 0 to 33."""

    name = "cityscapes"
    EXPECTED: ClassVar = {"train": 2975, "val": 500}
    MANUAL_DOWNLOAD_INSTRUCTIONS = """
      leftImg8bit/{train,val}/CITY/*_leftImg8bit.png
      gtFine/{train,val}/CITY/*_gtFine_labelIds.png
    """

    @classmethod
    def split_path(cls, root: Path, split: str) -> Path:
        """The folder of images."""
        return root / "leftImg8bit" / split

    @classmethod
    def split_pairs(cls, root: Path, split: str) -> list[Pair]:
        """Images and labelIds of the same city and frame."""
        return find_pairs(
            cls.split_path(root, split),
            root / "gtFine" / split,
            image_endings=("_leftImg8bit.png",),
            mask_endings=("_gtFine_labelIds.png",),
        )
