"""Files as PascalVOC lays them out: a folder of each year, lists, images, maps."""

from pathlib import Path
from typing import ClassVar

from uhseg_jax.datasets.builder import SegmentationBuilder
from uhseg_jax.datasets.pairs import Pair, first_existing, list_pairs, read_names

__all__ = ["VocLayout"]


class VocLayout(SegmentationBuilder):
    """A dataset of one year of PascalVOC.

    Attributes:
      YEAR: folder of the year, ``VOC2012``.
      LISTS: folder of the lists of splits, in ``ImageSets``.
      MAPS: folder of the label maps.
    """

    YEAR: ClassVar[str]
    LISTS: ClassVar[str]
    MAPS: ClassVar[str]

    @classmethod
    def split_path(cls, root: Path, split: str) -> Path:
        """The list of the split."""
        return cls._year(root) / "ImageSets" / cls.LISTS / f"{split}.txt"

    @classmethod
    def split_pairs(cls, root: Path, split: str) -> list[Pair]:
        """The pairs that the list names."""
        year, names = cls._year(root), cls.split_path(root, split)
        return list_pairs(
            read_names(names),
            lambda name: year / "JPEGImages" / f"{name}.jpg",
            lambda name: year / cls.MAPS / f"{name}.png",
            where=names,
        )

    @classmethod
    def _year(cls, root: Path) -> Path:
        return first_existing(root, f"VOCdevkit/{cls.YEAR}", cls.YEAR, "")
