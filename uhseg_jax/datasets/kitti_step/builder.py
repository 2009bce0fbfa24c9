"""KITTI-STEP: frames of street videos."""

from pathlib import Path
from typing import ClassVar

import numpy as np

from uhseg_jax.datasets.builder import SegmentationBuilder
from uhseg_jax.datasets.masks import NO_COUNT, read_colors
from uhseg_jax.datasets.pairs import Pair, find_pairs, first_existing
from uhseg_jax.types import Integer

__all__ = ["KittiStep"]

_VOID = 255


class KittiStep(SegmentationBuilder):
    """KITTI-STEP: the 21 training videos of KITTI tracking, 19 classes of Cityscapes.

    A pixel of the panoptic maps holds the class in red and the number of the object in
    green and blue (256 G + B). ``instances`` numbers the objects of a frame from 1, 0
    where there is none, 65535 for void.
    """

    name = "kitti_step"
    EXPECTED: ClassVar = {"train": 5027, "val": 2981}
    EXTRAS = ("instances",)
    MANUAL_DOWNLOAD_INSTRUCTIONS = """
      panoptic_maps/{train,val}/SEQUENCE/FRAME.png   (kitti-step.tar.gz)
      training/image_02/SEQUENCE/FRAME.png           (data_tracking_image_2.zip)
    """

    @classmethod
    def split_path(cls, root: Path, split: str) -> Path:
        """The folder of panoptic maps."""
        return _maps(root) / split

    @classmethod
    def split_pairs(cls, root: Path, split: str) -> list[Pair]:
        """Frames by sequence; KITTI keeps the images of both splits together."""
        images = first_existing(
            root, "training/image_02", f"images/{split}", "data_tracking_image_2"
        )
        maps = cls.split_path(root, split)
        names = sorted(
            path.relative_to(maps).with_suffix("").as_posix()
            for path in maps.rglob("*.png")
        )
        return find_pairs(images, maps, names=names, image_endings=(".png",))

    @classmethod
    def read_maps(cls, pair: Pair) -> dict[str, Integer[np.ndarray, "_ _"]]:
        """Classes, 0 to 18 and 255, and the objects of a frame, told apart."""
        classes, high, low = np.moveaxis(read_colors(pair.mask).astype(np.int64), -1, 0)
        objects = 256 * high + low
        keys = np.where((objects > 0) & (classes != _VOID), classes << 16 | objects, 0)
        found, index = np.unique(keys, return_inverse=True)
        numbers = np.cumsum(found > 0) * (found > 0)
        instances = numbers[index].reshape(classes.shape)
        return {
            "label": classes,
            "instances": np.where(classes == _VOID, NO_COUNT, instances),
        }


def _maps(root: Path) -> Path:
    return first_existing(root, "panoptic_maps", "kitti-step/panoptic_maps")
