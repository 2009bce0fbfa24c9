"""Aerial images of ISPRS, cut into tiles as MMSegmentation's tools write them."""

from pathlib import Path
from typing import ClassVar

from uhseg_jax.datasets.builder import SegmentationBuilder
from uhseg_jax.datasets.pairs import Pair, find_pairs, first_existing

__all__ = ["Potsdam", "Vaihingen"]


class _IsprsTiles(SegmentationBuilder):
    """Tiles in ``img_dir`` and ``ann_dir``, in folders by split or all in one.

    Id 0 is the eroded border between regions, which does not count; 1 to 6 are the
    classes. The split ``tiles`` takes every tile.
    """

    DEFAULT_SPLIT = "tiles"
    EXPECTED: ClassVar

    @classmethod
    def split_path(cls, root: Path, split: str) -> Path:
        """The folder of images."""
        folder = first_existing(root, f"{cls.name}/img_dir", "img_dir")
        return folder if split == "tiles" else folder / split

    @classmethod
    def split_pairs(cls, root: Path, split: str) -> list[Pair]:
        """Tiles of the same name."""
        masks = first_existing(root, f"{cls.name}/ann_dir", "ann_dir")
        return find_pairs(
            cls.split_path(root, split), masks if split == "tiles" else masks / split
        )


class Potsdam(_IsprsTiles):
    """ISPRS Potsdam: aerial images of a city, 6 classes."""

    name = "potsdam"
    # Of 600 x 600 pixels without overlap: 24 + 14 images of 100 tiles each.
    EXPECTED: ClassVar = {"tiles": 3800, "train": 2400, "val": 1400}
    MANUAL_DOWNLOAD_INSTRUCTIONS = """
      potsdam/img_dir/{train,val}/*.png     (or img_dir/, with or without folders)
      potsdam/ann_dir/{train,val}/*.png
    """


class Vaihingen(_IsprsTiles):
    """ISPRS Vaihingen: aerial infrared, red and green of a village, 6 classes."""

    name = "vaihingen"
    EXPECTED: ClassVar = {"tiles": 3300, "train": 1600, "val": 1700}
    MANUAL_DOWNLOAD_INSTRUCTIONS = """
      vaihingen/img_dir/{train,val}/*.png     (or img_dir/, with or without folders)
      vaihingen/ann_dir/{train,val}/*.png
    """
