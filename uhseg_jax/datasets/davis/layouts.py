"""Where the files of datasets of clips lie, and how they are opened."""

import dataclasses
import inspect
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from uhseg_jax.datasets.clips import ClipSource, FrameFiles
from uhseg_jax.datasets.pairs import find_pairs, first_existing, read_names
from uhseg_jax.datasets.source import DatasetError, stop_at
from uhseg_jax.images import PathLike, natural_order

__all__ = ["CLIP_DATASETS", "ClipDataset"]

_log = logging.getLogger(__name__)
_IMAGES = "JPEGImages/480p"


@dataclasses.dataclass(frozen=True)
class ClipDataset:
    """A dataset of clips that is read as it lies.

    Attributes:
      name: what it is loaded by.
      masks: where the folder of masks may lie, in order.
      lists: where the list of a split's clips may lie, in order; ``{}`` is the split.
      expected: number of clips of every split as published.
      single: whether everything but 0 is one object.
      layout: the files, for people.
      default_split: the split that papers score.
    """

    name: str
    masks: Sequence[str]
    lists: Sequence[str]
    expected: Mapping[str, int]
    single: bool
    layout: str
    default_split: str = "val"

    def open(
        self,
        root: PathLike | None,
        *,
        split: str | None = None,
        names: Sequence[str] | PathLike | None = None,
    ) -> ClipSource:
        """The clips of a split.

        Args:
          root: folder with the original files, ``DAVIS`` or what holds it; None is
            refused.
          split: the split; by default the one that papers score. Where its list is not
            there, it is all clips that are.
          names: the clips to take instead, in this order: a list, or a text file with
            one name a line.

        Raises:
          DatasetError: there is no such split, or its files are missing or have
            problems; the message names them and says what is expected.
        """
        split = self.default_split if split is None else split
        if split not in self.expected:
            raise DatasetError(
                f"{self.name}: there is no split {split!r}; it has "
                f"{', '.join(self.expected)}."
            )
        expected = f"Expected layout:\n{inspect.cleandoc(self.layout)}"
        if root is None:
            raise DatasetError(
                f"{self.name}: no folder of original files was given (manual_dir). "
                f"{expected}"
            )
        try:
            clips = self._find(Path(root), split, names)
        except DatasetError as error:
            raise DatasetError(f"{error}\n{expected}") from error
        if names is None and len(clips) != self.expected[split]:
            _log.warning(
                "%s %s has %d clips here; as published it has %d.",
                *(self.name, split, len(clips), self.expected[split]),
            )
        return ClipSource(clips, name=self.name, single=self.single)

    def _find(
        self, root: Path, split: str, names: Sequence[str] | PathLike | None
    ) -> list[FrameFiles]:
        if not (root / _IMAGES).is_dir() and (root / "DAVIS" / _IMAGES).is_dir():
            root = root / "DAVIS"
        images, masks = root / _IMAGES, first_existing(root, *self.masks)
        if not images.is_dir():
            raise DatasetError(
                f"{images}: expected a folder of clips, but there is none; check the "
                "path."
            )
        if isinstance(names, (str, os.PathLike)):
            names = _names_in(Path(names))
        if names is None:
            listed = first_existing(root, *(x.format(split) for x in self.lists))
            names = _names_in(listed) if listed.is_file() else _clips_in(images)
        missing = [x for x in names if not (images / x).is_dir()]
        stop_at(
            [f"{images / x}: there is no such clip" for x in missing],
            where=images,
            advice="Put the clips there, or name those that are (names)",
        )
        if not names:
            raise DatasetError(f"{images}: expected clips, but found none.")
        return [
            FrameFiles(name, _frames(images / name, masks / name, name))
            for name in names
        ]


def _frames(images: Path, masks: Path, name: str) -> tuple:
    """The frames of a clip in the natural order of their names."""
    pairs = find_pairs(images, masks)
    pairs.sort(key=lambda pair: natural_order(pair.name))
    return tuple(
        dataclasses.replace(pair, name=f"{name}/{pair.name}") for pair in pairs
    )


def _names_in(path: Path) -> list[str]:
    """The clips in a list of names, or of the paths of all their frames."""
    names = [Path(x).parent.name if "/" in x else x for x in read_names(path)]
    return list(dict.fromkeys(names))


def _clips_in(images: Path) -> list[str]:
    found = (x.name for x in images.iterdir() if x.is_dir())
    return sorted((x for x in found if not x.startswith(".")), key=natural_order)


CLIP_DATASETS = [
    ClipDataset(
        "davis2016",
        masks=("Annotations/480p",),
        lists=("ImageSets/2016/{}.txt", "ImageSets/480p/{}.txt"),
        expected={"train": 30, "val": 20},
        single=True,
        layout="""
          JPEGImages/480p/CLIP/00000.jpg
          Annotations/480p/CLIP/00000.png
          ImageSets/2016/{train,val}.txt   (or ImageSets/480p; else all clips)
        """,
    ),
    ClipDataset(
        "davis2017_unsupervised",
        masks=("Annotations_unsupervised/480p", "Annotations/480p"),
        lists=("ImageSets/2017/{}.txt",),
        expected={"train": 60, "val": 30},
        single=False,
        layout="""
          JPEGImages/480p/CLIP/00000.jpg
          Annotations_unsupervised/480p/CLIP/00000.png   (or Annotations/480p)
          ImageSets/2017/{train,val}.txt                 (else all clips)
        """,
    ),
]
"""The datasets of clips."""
