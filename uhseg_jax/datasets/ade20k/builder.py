"""ADE20K scene parsing."""

from pathlib import Path
from typing import ClassVar

from uhseg_jax.datasets.builder import SegmentationBuilder
from uhseg_jax.datasets.pairs import Pair, find_pairs, first_existing

__all__ = ["Ade20k"]

_FOLDERS = {"train": "training", "val": "validation"}


class Ade20k(SegmentationBuilder):
    """ADE20K as the scene parsing challenge of 2016 has it: 150 classes, 0 for none."""

    name = "ade20k"
    EXPECTED: ClassVar = {"train": 20210, "val": 2000}
    MANUAL_DOWNLOAD_INSTRUCTIONS = """
      ADEChallengeData2016/images/{training,validation}/*.jpg
      ADEChallengeData2016/annotations/{training,validation}/*.png
    """

    @classmethod
    def split_path(cls, root: Path, split: str) -> Path:
        """The folder of images."""
        return _data(root) / "images" / _FOLDERS[split]

    @classmethod
    def split_pairs(cls, root: Path, split: str) -> list[Pair]:
        """Images and masks of the same name."""
        masks = _data(root) / "annotations" / _FOLDERS[split]
        return find_pairs(cls.split_path(root, split), masks)


def _data(root: Path) -> Path:
    return first_existing(root, "ADEChallengeData2016", "")
