"""What a format is: which files it writes, and how results are added to them."""

import contextlib
import dataclasses
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
    "Result",
    "Writer",
    "category_names",
    "for_each_image",
    "for_the_run",
    "is_current",
]


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

    Raises:
      ValueError: the labels have another size than the image.
    """

    name: str
    title: str
    pixels: UInt8[np.ndarray, "H W 3"]
    tree: RegionTree
    categories: Int[np.ndarray, " n"] | None = None
    distances: Float[np.ndarray, " n"] | None = None

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

    def add(self, result: Result, *, since: int | None = None) -> None:
        """Writes a result; all of it or nothing.

        Args:
          result: of one image.
          since: time in ns from which a file of this image that is there stays, if it
            was made with the same options; None: all files are written.

        Raises:
          ValueError: the format cannot hold the result; the message names the image.
          OSError: a file cannot be written.
        """


Write = Callable[[Path, Result, ExportOptions, int | None], None]
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
    """

    name: str
    summary: str
    file: str
    open: Open

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


def for_each_image(name: str, summary: str, suffix: str, write: Write) -> Exporter:
    """A format of one file for each image.

    Args:
      name: what the format is called on command lines.
      summary: what its file holds, for help texts: a noun phrase.
      suffix: what its files end in, after the name of a result.
      write: is given a path, a result, the options and ``since`` of `Writer.add`.
    """
    return Exporter(
        name,
        summary,
        "{name}" + suffix,
        lambda output, options: contextlib.nullcontext(
            _Files(output, options, suffix, write)
        ),
    )


@dataclasses.dataclass(frozen=True)
class _Files:
    """The writer of a format of one file for each image."""

    output: Path
    options: ExportOptions
    suffix: str
    write: Write

    def add(self, result: Result, *, since: int | None = None) -> None:
        path = self.output / f"{result.name}{self.suffix}"
        self.write(path, result, self.options, since)


def for_the_run(name: str, summary: str, file: str, open_file: Open) -> Exporter:
    """A format of one file for the whole run.

    Args:
      name: what the format is called on command lines.
      summary: what its file holds, for help texts: a noun phrase.
      file: name of its file, below the output folder.
      open_file: as `Exporter.open`, but for the path of the file.
    """
    return Exporter(
        name, summary, file, lambda output, options: open_file(output / file, options)
    )


def is_current(path: Path, since: int | None) -> bool:
    """Whether a file is there and not older than a time in ns; never for None."""
    try:
        return since is not None and path.stat().st_mtime_ns >= since
    except OSError:
        return False


def category_names(count: int) -> list[str]:
    """What the categories are called: "category 01", "category 02", ..."""
    digits = max(2, len(str(count)))
    return [f"category {number:0{digits}d}" for number in range(1, count + 1)]
