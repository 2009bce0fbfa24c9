"""PartImageNet: parts of objects, by 11 groups of classes or by 158 classes."""

import functools
from pathlib import Path
from typing import ClassVar

import numpy as np

from uhseg_jax.datasets.builder import SegmentationBuilder
from uhseg_jax.datasets.masks import read_mask
from uhseg_jax.datasets.pairs import Pair, find_pairs, first_existing, list_pairs
from uhseg_jax.datasets.part_image_net.outlines import read_outlines
from uhseg_jax.datasets.source import DatasetError
from uhseg_jax.taxonomy import Taxonomy
from uhseg_jax.types import Int, Integer

__all__ = ["BACKGROUND", "PartImageNet", "PartImageNet158"]

BACKGROUND = 40


class PartImageNet(SegmentationBuilder):
    """PartImageNet: 40 parts of 11 groups of classes (0 to 39), 40 for background."""

    name = "part_image_net"
    EXPECTED: ClassVar = {"train": 16540, "val": 2957, "test": 4598}
    MANUAL_DOWNLOAD_INSTRUCTIONS = """
      {train,val,test}.json                         (PartImageNet_OOD)
      {train,val,test}/SYNSET/SYNSET_NUMBER.JPEG
    or
      annotations/{train,val,test}/SYNSET_NUMBER.png   (PartImageNet_Seg)
      images/{train,val,test}/SYNSET_NUMBER.JPEG
    """

    @classmethod
    def split_path(cls, root: Path, split: str) -> Path:
        """The list of annotations, or their folder."""
        name = f"annotations/{split}"
        return first_existing(_data(root), f"{split}.json", f"{name}.json", name)

    @classmethod
    def split_pairs(cls, root: Path, split: str) -> list[Pair]:
        """The images that the list names, or images and masks of the same name."""
        annotations = cls.split_path(root, split)
        images = first_existing(_data(root), f"images/{split}", split)
        if annotations.suffix != ".json":
            return find_pairs(images, annotations)
        outlines = read_outlines(annotations)
        folders = {name: f"{name.partition('_')[0]}/" for name in outlines}
        pairs = list_pairs(
            sorted(outlines),
            lambda name: first_existing(
                images, f"{folders[name]}{name}.JPEG", f"{name}.JPEG"
            ),
            lambda _: annotations,
            where=annotations,
        )
        return [Pair(x.name, x.image, x.mask, outlines[x.name]) for x in pairs]

    @classmethod
    def read_maps(cls, pair: Pair) -> dict[str, Integer[np.ndarray, "_ _"]]:
        """Parts by group of classes."""
        if pair.note is None:
            return {"label": read_mask(pair.mask)}
        return {"label": pair.note.paint(BACKGROUND, name=pair.image)}


class PartImageNet158(PartImageNet):
    """PartImageNet by class: the parts of 158 classes of ImageNet, 1 to 598, else 0.

    The class is the synset that the file's name starts with.
    """

    name = "part_image_net158"
    LABEL_DTYPE = np.uint16
    TAXONOMY = "taxonomy158.txt"

    @classmethod
    def read_maps(cls, pair: Pair) -> dict[str, Integer[np.ndarray, "_ _"]]:
        """Parts by class, from parts by group and the file's name."""
        parts = super().read_maps(pair)["label"]
        synset = Path(pair.name).name.partition("_")[0]
        lookup = _lookups().get(synset)
        if lookup is None:
            raise DatasetError(
                f"{pair.image}: expected a name that starts with one of the 158 "
                f"synsets of PartImageNet, but {synset!r} is none"
            )
        unknown = np.setdiff1d(parts, np.flatnonzero(lookup >= 0))
        if unknown.size:
            raise DatasetError(
                f"{pair.image}: has parts {', '.join(map(str, unknown))}, which "
                f"objects of {synset} do not have"
            )
        return {"label": lookup[parts]}


@functools.cache
def _lookups() -> dict[str, Int[np.ndarray, " ids"]]:
    """For every synset the id by class of each part's id by group, -1 for none."""
    by_group = _parts(PartImageNet.read_taxonomy())
    lookups: dict[str, Int[np.ndarray, " ids"]] = {}
    for (group, class_name, part), raw_id in _parts(
        PartImageNet158.read_taxonomy()
    ).items():
        lookup = lookups.setdefault(class_name.split()[0], np.full(2**8, -1, np.int32))
        lookup[by_group[group, part]] = raw_id
        lookup[BACKGROUND] = 0
    return lookups


def _parts(taxonomy: Taxonomy) -> dict[tuple[str, ...], int]:
    """The ids of all parts by their names and those of the lines above, top first."""
    return {path: i for i, path in taxonomy.paths().items() if len(path) > 1}


def _data(root: Path) -> Path:
    return first_existing(root, "PartImageNet", "")
