"""What a format is: what it makes of a result, and how that becomes files.

The two are apart, so that results can be rendered in any thread: `Exporter.render`
touches no file, and whoever opened a format puts what was rendered in its place.

The files of an image are known by a mark in them, so that those of users are never
taken for results nor replaced. Those of a run as a whole have none, for people edit
them: whoever has them written remembers what was.
"""

import abc
import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from uhseg_jax.export.result import ExportOptions, Result
from uhseg_jax.files import atomic_write

__all__ = [
    "Destination",
    "Exporter",
    "FileOfTheRun",
    "FileWriter",
    "Folder",
    "ImageFile",
    "IsOwn",
    "Opened",
    "Render",
    "for_each_image",
    "for_the_run",
]

IsOwn = Callable[[Path], bool]
"""Whether a file carries the mark of a format."""


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


class FileOfTheRun(abc.ABC):
    """A `FileWriter` of what is for all results together, and always written anew."""

    def is_there(self, result: Result) -> bool:
        """Never, see `FileWriter.is_there`."""
        del result
        return False

    def put(self, name: str, content: Any) -> None:
        """See `FileWriter.put`."""
        del name
        self.add(content)

    @abc.abstractmethod
    def add(self, content: Any) -> None:
        """Takes what was rendered of the next result."""


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
"""What a format makes of a result."""

IsGood = Callable[[Path, Result, ExportOptions], bool]
Opened = contextlib.AbstractContextManager[FileWriter]
"""A writer that is closed at the end of a block."""

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
      flat: whether its regions are disjoint where nothing else is said; those that
        somebody selected need only be where it can hold no others (`options_for`).
      disjoint: whether it can hold no others.
      holds_regions: whether it holds the regions of a choice (`Result.regions`), or
        those selected; others show the whole tree, or that above the cut.
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
    holds_regions: bool = True

    @property
    def per_image(self) -> bool:
        """Whether there are files for each image, and not one for the run."""
        return "{name}" in self.patterns[0]

    def options_for(self, options: ExportOptions, result: Result) -> ExportOptions:
        """What a run shows of a result in this format."""
        is_chosen = result.selected is None
        return options.resolved(flat=self.flat if is_chosen else self.disjoint)

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
