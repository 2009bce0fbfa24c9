"""ISPRS Vaihingen."""

from typing import ClassVar

from uhseg_jax.datasets.tiles import IsprsTiles

__all__ = ["Vaihingen"]


class Vaihingen(IsprsTiles):
    """ISPRS Vaihingen: aerial infrared, red and green of a village, 6 classes."""

    name = "vaihingen"
    EXPECTED: ClassVar = {"tiles": 3300, "train": 1600, "val": 1700}
    PLACE = "vaihingen"
    MANUAL_DOWNLOAD_INSTRUCTIONS = """
      vaihingen/img_dir/{train,val}/*.png     (or img_dir/, with or without folders)
      vaihingen/ann_dir/{train,val}/*.png
    """
