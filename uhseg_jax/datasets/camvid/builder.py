"""CamVid, as prepared for SegNet."""

from pathlib import Path
from typing import ClassVar

from uhseg_jax.datasets.builder import SegmentationBuilder
from uhseg_jax.datasets.pairs import Pair, find_pairs, first_existing

__all__ = ["CamVid"]


class CamVid(SegmentationBuilder):
    """CamVid with the 11 classes, size (480 x 360) and splits of SegNet."""

    name = "camvid"
    EXPECTED: ClassVar = {"train": 367, "val": 101, "test": 233}
    MANUAL_DOWNLOAD_INSTRUCTIONS = """
      CamVid/{train,val,test}/*.png
      CamVid/{train,val,test}annot/*.png
    """

    @classmethod
    def split_path(cls, root: Path, split: str) -> Path:
        """The folder of images."""
        return first_existing(root, f"CamVid/{split}", split)

    @classmethod
    def split_pairs(cls, root: Path, split: str) -> list[Pair]:
        """Images and masks of the same name."""
        images = cls.split_path(root, split)
        return find_pairs(images, images.with_name(f"{split}annot"))
