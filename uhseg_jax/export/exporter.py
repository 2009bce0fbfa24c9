"""What a format is: what it makes of a result, and how that becomes files.

The two are apart, so that results can be rendered in any thread: `Exporter.render`
touches no file, and whoever opened a format puts what was rendered in its place.

The files of an image are known by a mark in them, so that those of users are never
taken for results nor replaced. Those of a run as a whole have none, for people edit
them: whoever has them written remembers what was.
"""

import contextlib
import dataclasses
import functools
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from uhseg_jax.export.panels import require_same_size
from uhseg_jax.files import atomic_write
from uhseg_jax.hierarchy import tree_file
from uhseg_jax.hierarchy.regions import (
    RegionChoice,
    Regions,
    choose,
    pruned,
    united,
)
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.types import Float, Int, UInt8

__all__ = [
    "Destination",
    "ExportOptions",
    "Exporter",
    "FileWriter",
    "Folder",
    "ImageFile",
    "IsOwn",
    "Opened",
    "Provenance",
    "Render",
    "Result",
    "Selected",
    "category_names",
    "for_each_image",
    "for_the_run",
]

# Whether a file carries the mark of a format.
IsOwn = Callable[[Path], bool]


@dataclasses.dataclass(frozen=True)
class Provenance:
    """What a result was made of: another image, or other settings, give another.

    Attributes:
      settings: SHA-256 of the settings of the run, in hexadecimal.
      source: SHA-256 of the image's file as it was read, or of its pixels.
      features: SHA-256 of the file of its features; empty where a backbone gave them.
    """

    settings: str
    source: str
    features: str = ""

    def short(self) -> str:
        """All in 16 characters."""
        text = " ".join(filter(None, (self.settings, self.source, self.features)))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclasses.dataclass(frozen=True)
class Selected:
    """A region that somebody selected.

    Attributes:
      name: what they called it; may be empty.
      nodes: of the whole tree, whose union it is; at least one.
    """

    name: str
    nodes: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Result:
    """An image and what was found in it, in numpy arrays.

    Attributes:
      name: path of its files below the output folder, with ``/`` and no suffix.
      title: what people know the image as, usually its path.
      image: its pixels, RGB; None where no format needs them (`pixels`).
      tree: its regions, with labels at the size of the image.
      categories: ``[n]``, category of every node of the tree, 0 for the background and
        for nodes that are no region; None where there are no categories.
      distances: ``[n]``, of every node to the centroid of its category; None if they
        are not known.
      provenance: what it was made of; None outside runs.
      names: ``[n]``, what every node of the tree is called, as an index into the names
        of the run; -1 where it has no name. None where nothing was named.
      descriptors: float32 ``[n, d]``, of every node of the tree; None where they are
        not wanted, or not known.
      place: path of the image's file from the output folder, with ``/``; empty if it
        has none.
      selected: its regions where somebody selected some, in place of a choice.

    Raises:
      ValueError: the labels have another size than the image.
    """

    name: str
    title: str
    image: UInt8[np.ndarray, "H W 3"] | None
    tree: RegionTree
    categories: Int[np.ndarray, " n"] | None = None
    distances: Float[np.ndarray, " n"] | None = None
    provenance: Provenance | None = None
    names: Int[np.ndarray, " n"] | None = None
    descriptors: Float[np.ndarray, "n d"] | None = None
    place: str = ""
    selected: tuple[Selected, ...] | None = None

    def __post_init__(self) -> None:
        if self.image is not None:
            require_same_size(self.image, self.tree, self.title)

    @property
    def pixels(self) -> UInt8[np.ndarray, "H W 3"]:
        """The image.

        Raises:
          ValueError: it was not read.
        """
        if self.image is None:
            raise ValueError(
                f"{self.title}: expected the pixels of the image, but it was not read."
            )
        return self.image

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the image."""
        height, width = self.tree.labels.shape
        return height, width

    @functools.cached_property
    def tree_id(self) -> str:
        """What tells the tree from others: 16 hexadecimal digits."""
        parents = np.asarray(self.tree.parents)[: int(self.tree.num_nodes)]
        return tree_file.identity(np.asarray(self.tree.labels), parents)

    def note(self, how: str) -> str:
        """How a file of this result is made, and of what, for its mark."""
        return how + (f" of {self.provenance.short()}" if self.provenance else "")

    def regions(self, options: "ExportOptions") -> Regions:
        """Those that a run shows, or those selected; found once.

        Raises:
          ValueError: disjoint ones are wanted, and some of those selected overlap.
        """
        if self.selected is None:
            found = self._once(choose, options.choice)
            if options.named and self.names is not None:
                found = found.only(self.names[found.nodes] >= 0)
            return found
        return self._once(self._united, RegionChoice(flat=options.choice.flat))

    def _united(self, tree: RegionTree, choice: RegionChoice) -> Regions:
        """Those selected."""
        selected = self.selected or ()
        found = united(tree, [x.nodes for x in selected])
        shared = found.contains[:, found.contains.sum(0) > 1]
        if choice.flat and shared.size:
            overlapping = [selected[i] for i in np.flatnonzero(shared.any(1))]
            names = [x.name or f"of node {x.nodes[0]}" for x in overlapping]
            raise ValueError(
                f"{self.title}: expected disjoint regions, but of those selected "
                f"{', '.join(names[:4])} overlap; select others, or choose a format of "
                "nested regions."
            )
        return found

    def region_classes(self, options: "ExportOptions") -> Int[np.ndarray, " k"]:
        """The class of every one of `regions`, from 1 (`ExportOptions.class_names`).

        It is 0 for what is no region, where there are categories.
        """
        if self.selected is None:
            return self.class_ids(options)[self.regions(options).nodes]
        names = options.names or ()
        numbers = {name: number for number, name in enumerate(names, start=1)}
        nameless = len(names) + 1
        classes = [numbers.get(x.name, nameless) for x in self.selected]
        return np.array(classes, np.int32)

    def pruned(
        self, options: "ExportOptions"
    ) -> tuple[RegionTree, Int[np.ndarray, " n"]]:
        """The tree that a run shows, and its nodes in the whole one; found once."""
        cut = RegionChoice(**options.choice.criterion)
        return self._once(pruned, cut)

    def _once(self, function: Callable[..., Any], choice: RegionChoice) -> Any:
        found = self._found
        if (function, choice) not in found:
            found[function, choice] = function(self.tree, choice)
        return found[function, choice]

    @functools.cached_property
    def _found(self) -> dict[Any, Any]:
        return {}

    def class_ids(self, options: "ExportOptions") -> Int[np.ndarray, " n"]:
        """The class of every node, from 1 (`ExportOptions.class_names`).

        It is 0 for nodes that are no region, where there are categories.
        """
        if options.names is not None and self.names is not None:
            nameless = len(options.names) + 1
            return np.where(self.names < 0, nameless, self.names + 1).astype(np.int32)
        if self.categories is not None:
            return np.asarray(self.categories, np.int32)
        return np.ones(int(self.tree.num_nodes), np.int32)

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
      choice: the regions that formats of regions hold.
      named: leave regions without a name out, where regions have names.
      flat: whether these are disjoint; None: as each format expects (`of`).
      names: what regions may be called; None where nothing was named.
      tolerance: how far, in pixels, polygons may be from the sides of pixels; None: as
        each format has it where nothing is said.
    """

    levels: tuple[int, ...] = (4, 8, 16)
    num_categories: int | None = None
    choice: RegionChoice = dataclasses.field(
        default_factory=lambda: RegionChoice(root=True)
    )
    names: tuple[str, ...] | None = None
    named: bool = False
    flat: bool | None = None
    tolerance: float | None = None

    def of(self, exporter: "Exporter") -> "ExportOptions":
        """Those of one format, whose choice says whether regions are disjoint."""
        flat = exporter.flat if self.flat is None else self.flat
        choice = dataclasses.replace(self.choice, flat=flat)
        return dataclasses.replace(self, choice=choice)

    def note(self, how: str) -> str:
        """How a file of the tree above the cut is made, for its mark."""
        cut = (f"{name} {value}" for name, value in self.choice.criterion.items())
        return " at ".join([how, *cut])

    def region_note(self, how: str) -> str:
        """How a file of the regions that are shown is made, for its mark."""
        values = (
            (x, getattr(self.choice, x.name)) for x in dataclasses.fields(RegionChoice)
        )
        changed = (
            x.name if value is True else f"{x.name} {value}"
            for x, value in values
            if value != x.default
        )
        return ", ".join([how, *changed])

    def class_names(self) -> tuple[str, ...]:
        """What `Result.class_ids` count, from 1.

        Regions without a name are of the last class, "region".
        """
        if self.names is not None:
            return (*self.names, "region")
        if self.num_categories is not None:
            return tuple(category_names(self.num_categories))
        return ("region",)


@runtime_checkable
class FileWriter(Protocol):
    """Takes what a format rendered of the results of a run, in their order."""

    def is_there(self, result: Result) -> bool:
        """Whether a result has its files: whole, of the same with the same options.

        Never where there is one file for the run, for that is written anew.
        """

    def put(self, name: str, content: Any) -> None:
        """Writes what `Exporter.render` made of a result; all of it or nothing.

        Args:
          name: of the result.
          content: of the format.

        Raises:
          OSError: a file cannot be written.
        """


@runtime_checkable
class Destination(Protocol):
    """Where the files of formats come to be, such as the folder of a run."""

    @property
    def output(self) -> Path:
        """The folder."""

    def write(
        self, name: str, is_own: IsOwn | None = None
    ) -> contextlib.AbstractContextManager[Path]:
        """Gives a path to write a file to, which has its name when the block ends.

        Args:
          name: of the file, a path below the folder with ``/``.
          is_own: tells such a file from those of users; None where it has no mark.
        """

    def remove(self, name: str) -> None:
        """Removes a file without a mark that an earlier run wrote, and nothing else.

        Args:
          name: of the file, a path below the folder with ``/``.
        """


@dataclasses.dataclass(frozen=True)
class Folder:
    """A `Destination` in which every file may be replaced.

    Attributes:
      output: the folder; created if need be.
    """

    output: Path

    def write(
        self, name: str, is_own: IsOwn | None = None
    ) -> contextlib.AbstractContextManager[Path]:
        """Gives a path to write a file to; see `files.atomic_write`."""
        del is_own
        return atomic_write(self.output / name)

    def remove(self, name: str) -> None:
        """Removes any file of that name."""
        (self.output / name).unlink(missing_ok=True)


Render = Callable[[Result, ExportOptions], Any]
IsGood = Callable[[Path, Result, ExportOptions], bool]
Opened = contextlib.AbstractContextManager[FileWriter]
OpenFile = Callable[[Path, ExportOptions], Opened]
Open = Callable[[Destination, ExportOptions], Opened]


@dataclasses.dataclass(frozen=True)
class Exporter:
    """A format that results are written in.

    Attributes:
      name: what it is called on command lines.
      summary: what its files hold, for help texts: a noun phrase.
      patterns: names of its files: of a run, or with "{name}" in place of a result's
        name, and then perhaps with "*" where there are several (`for_each_region`).
      render: makes of a result, in any thread, what the writer puts in place: the bytes
        of its files, in the order of the patterns, or its part of the file of the run.
        It depends on its arguments alone, and raises ValueError, with the name of the
        image, where the format cannot hold the result.
      open: gives a writer of files at a destination. A file of a run appears under its
        name when the block ends without an exception, and not before.
      has_mark: whether a regular file carries the mark of this format; None where its
        files have none.
      needs_pixels: whether `render` looks at the image.
      uses_descriptors: whether `render` looks at those of regions, if there are any.
      in_runs: whether runs that segment write it; others are made of finished results.
      flat: whether its regions are disjoint where nothing else is said.
      disjoint: whether it can hold no others.
    """

    name: str
    summary: str
    patterns: tuple[str, ...]
    render: Render
    open: Open
    has_mark: IsOwn | None = None
    needs_pixels: bool = True
    uses_descriptors: bool = False
    in_runs: bool = True
    flat: bool = False
    disjoint: bool = False

    @property
    def per_image(self) -> bool:
        """Whether there are files for each image, and not one for the run."""
        return "{name}" in self.patterns[0]

    def files(self, names: Iterable[str]) -> Iterator[Path]:
        """The files, below the output folder, of a run over images of these names."""
        for name in names if self.per_image else ("",):
            yield from (Path(x.replace("{name}", name)) for x in self.patterns)

    def is_own(self, path: Path) -> bool:
        """Whether a file is there that carries the mark of this format."""
        return self.has_mark is not None and path.is_file() and self.has_mark(path)


@dataclasses.dataclass(frozen=True)
class ImageFile:
    """One of the files that a format has for each image.

    Attributes:
      suffix: what its name ends in, after the name of a result.
      is_good: whether one that is there may stay (`FileWriter.is_there`).
      has_mark: whether a regular file carries the mark of such files.
      folder: where it lies below the output folder; empty, or with ``/`` at its end.
    """

    suffix: str
    is_good: IsGood
    has_mark: IsOwn
    folder: str = ""


def for_each_image(
    name: str,
    summary: str,
    files: Sequence[ImageFile],
    render: Callable[[Result, ExportOptions], Sequence[bytes]],
    **more: Any,
) -> Exporter:
    """A format of files for each image, written together.

    Args:
      name: what the format is called on command lines.
      summary: what its files hold, for help texts: a noun phrase.
      files: of an image, in the order in which they are written.
      render: the bytes of each of them.
      more: further fields of the `Exporter`.
    """
    exporter: Exporter

    def open_files(destination: Destination, options: ExportOptions) -> Opened:
        writer = _Files(exporter, files, destination, options)
        return contextlib.nullcontext(writer)

    def has_mark(path: Path) -> bool:
        return any(
            path.name.endswith(file.suffix) and file.has_mark(path) for file in files
        )

    patterns = tuple(file.folder + "{name}" + file.suffix for file in files)
    exporter = Exporter(name, summary, patterns, render, open_files, has_mark, **more)
    return exporter


@dataclasses.dataclass(frozen=True)
class _Files:
    """The writer of a format of files for each image."""

    exporter: Exporter
    kinds: Sequence[ImageFile]
    destination: Destination
    options: ExportOptions

    def is_there(self, result: Result) -> bool:
        files = self.exporter.files([result.name])
        return all(
            kind.is_good(self.destination.output / file, result, self.options)
            for kind, file in zip(self.kinds, files, strict=True)
        )

    def put(self, name: str, content: Sequence[bytes]) -> None:
        with contextlib.ExitStack() as stack:
            for file, written in zip(self.exporter.files([name]), content, strict=True):
                aside = stack.enter_context(
                    self.destination.write(file.as_posix(), self.exporter.is_own)
                )
                aside.write_bytes(written)


def for_the_run(
    name: str,
    summary: str,
    file: str,
    render: Render,
    open_file: OpenFile,
    **more: Any,
) -> Exporter:
    """A format of one file for the whole run.

    Args:
      name: what the format is called on command lines.
      summary: what its file holds, for help texts: a noun phrase.
      file: name of its file, below the output folder.
      render: what the writer puts into the file for a result.
      open_file: gives a writer of the file, at the path to write to.
      more: further fields of the `Exporter`.
    """

    @contextlib.contextmanager
    def open_whole(
        destination: Destination, options: ExportOptions
    ) -> Iterator[FileWriter]:
        with destination.write(file) as aside, open_file(aside, options) as writer:
            yield writer

    return Exporter(name, summary, (file,), render, open_whole, **more)


def category_names(count: int) -> list[str]:
    """What the categories are called: "category 01", "category 02", ..."""
    digits = max(2, len(str(count)))
    return [f"category {number:0{digits}d}" for number in range(1, count + 1)]
