"""Cityscapes, fine annotations."""

from pathlib import Path
from typing import ClassVar

import numpy as np

from uhseg_jax.datasets.builder import SegmentationBuilder
from uhseg_jax.datasets.masks import NO_COUNT, read_mask
from uhseg_jax.datasets.pairs import Pair, find_pairs
from uhseg_jax.datasets.source import DatasetError
from uhseg_jax.types import Integer

__all__ = ["Cityscapes"]

_FIRST_CLASS = 7  # ids below it are void
_FIRST_THING = 24  # person, rider, vehicles
_PER_CLASS = 1000  # numbers of objects of one class


class Cityscapes(SegmentationBuilder):
    """Cityscapes street scenes of 2048 x 1024 with the labelIds 0 to 33.

    ``instances`` numbers the persons, riders and vehicles of an image from 1, 0 where
    there is none, 65535 for void and for groups that are not told apart; without the
    maps of instanceIds no pixel counts there.
    """

    name = "cityscapes"
    EXPECTED: ClassVar = {"train": 2975, "val": 500}
    EXTRAS = ("instances",)
    MANUAL_DOWNLOAD_INSTRUCTIONS = """
      leftImg8bit/{train,val}/CITY/*_leftImg8bit.png
      gtFine/{train,val}/CITY/*_gtFine_labelIds.png
      gtFine/{train,val}/CITY/*_gtFine_instanceIds.png   (for scores of objects)
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

    @classmethod
    def read_maps(cls, pair: Pair) -> dict[str, Integer[np.ndarray, "_ _"]]:
        """The labelIds, and the objects told apart."""
        labels = read_mask(pair.mask)
        name = pair.mask.name.replace("_labelIds", "_instanceIds")
        path = pair.mask.with_name(name)
        instances = np.full(labels.shape, NO_COUNT)
        if path.exists():
            instances = _numbered(read_mask(path))
        if instances.shape != labels.shape:
            raise DatasetError(
                f"{path}: expected a map of the size of {pair.mask.name}, "
                f"{list(labels.shape)}, but found {list(instances.shape)}; use the "
                "original file."
            )
        return {"label": labels, "instances": instances}


def _numbered(ids: Integer[np.ndarray, "h w"]) -> Integer[np.ndarray, "h w"]:
    """Objects from 1; instanceIds are 1000 class + number, or the class alone."""
    found, index = np.unique(ids, return_inverse=True)
    is_object = found >= _FIRST_THING * _PER_CLASS
    numbers = np.cumsum(is_object) * is_object
    is_stuff = (found >= _FIRST_CLASS) & (found < _FIRST_THING)
    numbers[~is_object & ~is_stuff] = NO_COUNT
    return numbers[index].reshape(ids.shape)
