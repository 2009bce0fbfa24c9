"""Mapillary Vistas, versions 1.2 and 2.0."""

import json
from pathlib import Path
from typing import ClassVar

from uhseg_jax.datasets.builder import SegmentationBuilder
from uhseg_jax.datasets.pairs import Pair, find_pairs, first_existing
from uhseg_jax.datasets.source import DatasetError, reading
from uhseg_jax.taxonomy import Taxonomy

__all__ = ["Mapillary12", "Mapillary20"]

_FOLDERS = {"train": "training", "val": "validation"}


class _Mapillary(SegmentationBuilder):
    """What both versions share."""

    EXPECTED: ClassVar = {"train": 18000, "val": 2000}
    LABELS: ClassVar[str]  # its folder of annotations, and the end of its config's name

    @classmethod
    def split_path(cls, root: Path, split: str) -> Path:
        """The folder of images."""
        return root / _FOLDERS[split] / "images"

    @classmethod
    def split_pairs(cls, root: Path, split: str) -> list[Pair]:
        """Images and label maps of the same name."""
        _check_config(root / f"config_{cls.LABELS}.json", cls.read_taxonomy())
        folder = root / _FOLDERS[split]  # older archives have no version below it
        masks = first_existing(folder, f"{cls.LABELS}/labels", "labels")
        return find_pairs(cls.split_path(root, split), masks)


class Mapillary12(_Mapillary):
    """Mapillary Vistas 1.2: street scenes of all continents, 66 classes."""

    name = "mapillary_v1_2"
    TAXONOMY = "v1_2.txt"
    LABELS = "v1.2"
    MANUAL_DOWNLOAD_INSTRUCTIONS = """
      config_v1.2.json                      (checked if it is there)
      {training,validation}/images/*.jpg
      {training,validation}/v1.2/labels/*.png   (or .../labels)
    """


class Mapillary20(_Mapillary):
    """Mapillary Vistas 2.0: the images of 1.2 with 124 classes."""

    name = "mapillary_v2_0"
    TAXONOMY = "v2_0.txt"
    LABELS = "v2.0"
    MANUAL_DOWNLOAD_INSTRUCTIONS = """
      config_v2.0.json                      (checked if it is there)
      {training,validation}/images/*.jpg
      {training,validation}/v2.0/labels/*.png
    """


def _check_config(path: Path, taxonomy: Taxonomy) -> None:
    """Compares the names of ids with the config of the dataset."""
    if not path.is_file():
        return
    with reading(path, "the config of Mapillary Vistas with its labels"):
        labels = json.loads(path.read_text(encoding="utf-8"))["labels"]
        theirs = {i: label["name"] for i, label in enumerate(labels)}
    ours = {i: "--".join(path) for i, path in taxonomy.paths().items()}
    different = [
        f"{i} ({ours.get(i)} here, {theirs.get(i)} there)"
        for i in sorted(ours.keys() | theirs.keys())
        if ours.get(i) != theirs.get(i)
    ]
    if different:
        raise DatasetError(
            f"{path}: its labels differ from the label hierarchy of this version: "
            f"{', '.join(different[:16])}; use the other version of the dataset."
        )
