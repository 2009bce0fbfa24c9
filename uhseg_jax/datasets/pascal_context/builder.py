"""Pascal-Context: a class for nearly every pixel of PascalVOC2010."""

from typing import ClassVar

from uhseg_jax.datasets.voc_layout import VocLayout

__all__ = ["PascalContext"]


class PascalContext(VocLayout):
    """Pascal-Context: 59 classes of objects and stuff; 0 for all others.

    The ids are those of mmsegmentation's maps: the 59 most frequent of the 459 classes,
    by name.
    """

    name = "pascal_context"
    YEAR, LISTS, MAPS = "VOC2010", "SegmentationContext", "SegmentationClassContext"
    EXPECTED: ClassVar = {"train": 4996, "val": 5104}
    MANUAL_DOWNLOAD_INSTRUCTIONS = """
      VOCdevkit/VOC2010/ImageSets/SegmentationContext/{train,val}.txt
      VOCdevkit/VOC2010/JPEGImages/*.jpg
      VOCdevkit/VOC2010/SegmentationClassContext/*.png
    """
