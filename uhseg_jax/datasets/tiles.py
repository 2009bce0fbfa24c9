"""Aerial images of ISPRS, cut into tiles as MMSegmentation's tools write them."""

from pathlib import Path
from typing import ClassVar

from uhseg_jax.datasets.builder import SegmentationBuilder
from uhseg_jax.datasets.pairs import Pair, find_pairs, first_existing

__all__ = ["IsprsTiles"]


class IsprsTiles(SegmentationBuilder):
    """Tiles in ``img_dir`` and ``ann_dir``, in folders by split or all in one.

    Id 0 is the eroded border between regions, which does not count; 1 to 6 are the
    classes. The split ``tiles`` takes every tile.
    """

    DEFAULT_SPLIT = "tiles"
    EXPECTED: ClassVar
    PLACE: ClassVar[str]  # folder that the tools make

    @classmethod
    def split_path(cls, root: Path, split: str) -> Path:
        """The folder of images."""
        folder = first_existing(root, f"{cls.PLACE}/img_dir", "img_dir")
        return folder if split == "tiles" else folder / split

    @classmethod
    def split_pairs(cls, root: Path, split: str) -> list[Pair]:
        """Tiles of the same name."""
        masks = first_existing(root, f"{cls.PLACE}/ann_dir", "ann_dir")
        return find_pairs(
            cls.split_path(root, split), masks if split == "tiles" else masks / split
        )
