"""What a format is: which files it writes, and how results are added to them.

Files that a run wrote are known by a mark in them, so that those of users are never
taken for results nor replaced.
"""

import contextlib
import dataclasses
import functools
import hashlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from uhseg_jax.export.panels import require_same_size
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.types import Float, Int, UInt8

__all__ = [
    "ExportOptions",
    "Exporter",
    "Provenance",
    "Result",
    "Writer",
    "category_names",
    "for_each_image",
    "for_the_run",
]

_HEAD = 4096  # bytes at the beginning of a file in which its mark is sought


@dataclasses.dataclass(frozen=True)
class Provenance:
    """What a result was made of: another image, or other settings, give another.

    Attributes:
      settings: SHA-256 of the settings of the run, in hexadecimal.
      source: SHA-256 of the image's file as it was read, or of its pixels.
    """

    settings: str
    source: str

    def short(self) -> str:
        """Both in 16 characters."""
        both = f"{self.settings} {self.source}"
        return hashlib.sha256(both.encode()).hexdigest()[:16]


@dataclasses.dataclass(frozen=True)
class Result:
    """An image and what was found in it, in numpy arrays.

    Attributes:
      name: path of its files below the output folder, with ``/`` and no suffix.
      title: what people know the image as, usually its path.
      pixels: the image, RGB.
      tree: its regions, with labels at the size of the image.
      categories: ``[n]``, category of every node of the tree, 0 for the background and
        for nodes that are no region; None where there are no categories.
      distances: ``[n]``, of every node to the centroid of its category; None if they
        are not known.
      provenance: what it was made of; None outside runs.

    Raises:
      ValueError: the labels have another size than the image.
    """

    name: str
    title: str
    pixels: UInt8[np.ndarray, "H W 3"]
    tree: RegionTree
    categories: Int[np.ndarray, " n"] | None = None
    distances: Float[np.ndarray, " n"] | None = None
    provenance: Provenance | None = None

    def __post_init__(self) -> None:
        require_same_size(self.pixels, self.tree, self.title)

    def category_map(self) -> Int[np.ndarray, "H W"]:
        """The category of every pixel, 0 where there is none."""
        labels = np.asarray(self.tree.labels)
        if self.categories is None:
            return np.zeros_like(labels)
        return np.asarray(self.categories, np.int32)[labels]


@dataclasses.dataclass(frozen=True)
class ExportOptions:
    """What the formats of one run have in common.

    Attributes:
      levels: numbers of regions that an overlay shows a tree at.
      num_categories: how many categories the run found; None: it found trees, and
        results have no categories.
    """

    levels: tuple[int, ...] = (4, 8, 16)
    num_categories: int | None = None


@runtime_checkable
class Writer(Protocol):
    """Takes the results of a run, in the order of its images."""

    def add(self, result: Result, *, keep: bool = False) -> None:
        """Writes a result; all of it or nothing.

        Args:
          result: of one image.
          keep: whether a file of this image stays that is there, whole, and made of the
            same with the same options.

        Raises:
          ValueError: the format cannot hold the result; the message names the image.
          OSError: a file cannot be written.
        """


Write = Callable[[Path, Result, ExportOptions, bool], None]
Open = Callable[[Path, ExportOptions], contextlib.AbstractContextManager[Writer]]


@dataclasses.dataclass(frozen=True)
class Exporter:
    """A format that results are written in.

    Attributes:
      name: what it is called on command lines.
      summary: what its file holds, for help texts: a noun phrase.
      file: of a run, or with "{name}" in place of a result's name.
      open: gives a writer for an output folder. A file of a run appears under its name
        when the block ends without an exception, and not before.
      has_mark: whether a regular file carries the mark of this format.
    """

    name: str
    summary: str
    file: str
    open: Open
    has_mark: Callable[[Path], bool]

    @property
    def per_image(self) -> bool:
        """Whether there is a file for each image, and not one for the run."""
        return "{name}" in self.file

    def files(self, names: Iterable[str]) -> Iterator[Path]:
        """The files, below the output folder, of a run over images of these names."""
        if not self.per_image:
            yield Path(self.file)
            return
        for name in names:
            yield Path(self.file.replace("{name}", name))

    def is_own(self, path: Path) -> bool:
        """Whether a file of this format is there that this package wrote."""
        return path.is_file() and self.has_mark(path)


def for_each_image(
    name: str,
    summary: str,
    suffix: str,
    write: Write,
    has_mark: Callable[[Path], bool],
) -> Exporter:
    """A format of one file for each image.

    Args:
      name: what the format is called on command lines.
      summary: what its file holds, for help texts: a noun phrase.
      suffix: what its files end in, after the name of a result.
      write: is given a path, a result, the options and ``keep`` of `Writer.add`.
      has_mark: as `Exporter.has_mark`.
    """
    return Exporter(
        name,
        summary,
        "{name}" + suffix,
        lambda output, options: contextlib.nullcontext(
            _Files(output, options, suffix, write)
        ),
        has_mark,
    )


@dataclasses.dataclass(frozen=True)
class _Files:
    """The writer of a format of one file for each image."""

    output: Path
    options: ExportOptions
    suffix: str
    write: Write

    def add(self, result: Result, *, keep: bool = False) -> None:
        path = self.output / f"{result.name}{self.suffix}"
        self.write(path, result, self.options, keep)


def for_the_run(
    name: str, summary: str, file: str, open_file: Open, mark: bytes
) -> Exporter:
    """A format of one file for the whole run.

    Args:
      name: what the format is called on command lines.
      summary: what its file holds, for help texts: a noun phrase.
      file: name of its file, below the output folder.
      open_file: as `Exporter.open`, but for the path of the file.
      mark: what stands near the beginning of every file of this format.
    """
    return Exporter(
        name,
        summary,
        file,
        lambda output, options: open_file(output / file, options),
        functools.partial(_begins_with, mark),
    )


def _begins_with(mark: bytes, path: Path) -> bool:
    try:
        with open(path, "rb") as file:
            return mark in file.read(_HEAD)
    except OSError:
        return False


def category_names(count: int) -> list[str]:
    """What the categories are called: "category 01", "category 02", ..."""
    digits = max(2, len(str(count)))
    return [f"category {number:0{digits}d}" for number in range(1, count + 1)]
