"""ISPRS Potsdam."""

from typing import ClassVar

from uhseg_jax.datasets.tiles import IsprsTiles

__all__ = ["Potsdam"]


class Potsdam(IsprsTiles):
    """ISPRS Potsdam: aerial images of a city, 6 classes."""

    name = "potsdam"
    # Of 600 x 600 pixels without overlap: 24 + 14 images of 100 tiles each.
    EXPECTED: ClassVar = {"tiles": 3800, "train": 2400, "val": 1400}
    PLACE = "potsdam"
    MANUAL_DOWNLOAD_INSTRUCTIONS = """
      potsdam/img_dir/{train,val}/*.png     (or img_dir/, with or without folders)
      potsdam/ann_dir/{train,val}/*.png
    """
