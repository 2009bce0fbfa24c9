"""PascalVOC2012 segmentation."""

from typing import ClassVar

from uhseg_jax.datasets.voc_layout import VocLayout

__all__ = ["Voc2012"]


class Voc2012(VocLayout):
    """PascalVOC2012 segmentation: 20 classes of objects and background."""

    name = "voc2012"
    YEAR, LISTS, MAPS = "VOC2012", "Segmentation", "SegmentationClass"
    EXPECTED: ClassVar = {"train": 1464, "val": 1449, "trainval": 2913}
    MANUAL_DOWNLOAD_INSTRUCTIONS = """
      VOCdevkit/VOC2012/ImageSets/Segmentation/{train,val,trainval}.txt
      VOCdevkit/VOC2012/JPEGImages/*.jpg
      VOCdevkit/VOC2012/SegmentationClass/*.png
    """
