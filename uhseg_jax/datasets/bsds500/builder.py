"""BSDS500: regions drawn by several people."""

from pathlib import Path
from typing import ClassVar

import numpy as np
import scipy.io

from uhseg_jax.datasets.builder import SegmentationBuilder
from uhseg_jax.datasets.pairs import Pair, find_pairs, first_existing
from uhseg_jax.datasets.source import DatasetError, reading
from uhseg_jax.taxonomy import Case, Taxonomy
from uhseg_jax.types import Integer

__all__ = ["Bsds500"]

_MAX_REGIONS = 1024  # of one person; the most in train and val is well below


class Bsds500(SegmentationBuilder):
    """BSDS500: every image cut into regions by 4 to 9 people.

    ``annotations`` holds all of them, ``label`` the first. Regions have no classes:
    the ids, from 1, only tell them apart.
    """

    name = "bsds500"
    EXPECTED: ClassVar = {"train": 200, "val": 100, "test": 200}
    DEFAULT_SPLIT = "test"
    EXTRAS = ("annotations",)
    LABEL_DTYPE = np.uint16
    MANUAL_DOWNLOAD_INSTRUCTIONS = """
      BSR/BSDS500/data/images/{train,val,test}/*.jpg
      BSR/BSDS500/data/groundTruth/{train,val,test}/*.mat
    """

    @classmethod
    def split_path(cls, root: Path, split: str) -> Path:
        """The folder of images."""
        return _data(root) / "images" / split

    @classmethod
    def split_pairs(cls, root: Path, split: str) -> list[Pair]:
        """Images and .mat files of the same name."""
        return find_pairs(
            cls.split_path(root, split),
            _data(root) / "groundTruth" / split,
            mask_endings=(".mat",),
        )

    @classmethod
    def read_maps(cls, pair: Pair) -> dict[str, Integer[np.ndarray, "_ _"]]:
        """The regions of the first person, and those of all, one below the other."""
        people = _read(pair.mask)
        return {"label": people[0], "annotations": np.concatenate(people)}

    @classmethod
    def read_taxonomy(cls, *, view: str | None = None) -> Taxonomy:
        """One class a region, since there are no others."""
        del view
        return Taxonomy.from_rows(
            [(f"region {i}", i, Case.FOREGROUND, 0) for i in range(1, _MAX_REGIONS + 1)]
        )


def _read(path: Path) -> list[Integer[np.ndarray, "H W"]]:
    """The label maps of a .mat file, one a person, uint16."""
    with reading(path, "groundTruth{i}.Segmentation as BSDS500 has it"):
        people = scipy.io.loadmat(path)["groundTruth"].ravel()
        maps = [one["Segmentation"][0, 0] for one in people]
    if not maps or any(one.ndim != 2 or one.shape != maps[0].shape for one in maps):
        raise DatasetError(
            f"{path}: expected at least one annotation, all of one size, but found "
            f"{[one.shape for one in maps]}; use the original file."
        )
    return [one.astype(np.uint16) for one in maps]


def _data(root: Path) -> Path:
    return first_existing(root, "BSR/BSDS500/data", "BSDS500/data", "data")
