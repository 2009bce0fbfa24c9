"""Files of a run that come in parts where it has many images.

Some hundred images are in one file, which people can send and tools read. Of more there
are parts, that no file takes minutes to open. What they will hold waits on disk in one
nameless file until the run ends, for until then nobody knows which files there will be;
so a run that is stopped before its end leaves none of them.
"""

import contextlib
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from uhseg_jax.export.exporter import Destination, Exporter, FileWriter, Render
from uhseg_jax.export.result import ExportOptions

__all__ = [
    "MOST_IN_ONE_FILE",
    "PartsWriter",
    "Spool",
    "for_the_run_in_parts",
    "joined",
    "part_name",
    "remove_old_parts",
    "slices",
]

MOST_IN_ONE_FILE = 500  # images
_NUMBER = r"\d{4,}"


class Spool:
    """Texts that wait on disk, in the order in which they are added.

    Args:
      folder: where the file is; it needs to have room.
    """

    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        self._ends = [0]

    def __len__(self) -> int:
        return len(self._ends) - 1

    def add(self, text: str | bytes) -> None:
        """Adds a text; names of files may hold bytes that are none, which become "?".

        Raises:
          OSError: it cannot be written; the message names the folder.
        """
        content = text.encode(errors="replace") if isinstance(text, str) else text
        try:
            self._file.seek(self._ends[-1])
            self._file.write(content)
        except OSError as error:
            where = str(self._folder)
            raise type(error)(error.errno, error.strerror, where) from error
        self._ends.append(self._ends[-1] + len(content))

    def __getitem__(self, index: int) -> bytes:
        self._file.seek(self._ends[index])
        return self._file.read(self._ends[index + 1] - self._ends[index])

    def texts(self, which: range) -> Iterator[str]:
        """Some of the texts, one in memory at a time."""
        return (self[index].decode() for index in which)

    def close(self) -> None:
        """Frees the disk."""
        self._file.close()


def joined(texts: Iterable[str]) -> Iterator[str]:
    """The texts that are not empty, as entries of a list in JSON."""
    for number, text in enumerate(filter(None, texts)):
        yield text if number == 0 else f",\n{text}"


@runtime_checkable
class PartsWriter(FileWriter, Protocol):
    """Takes what a format rendered, and writes it when all is there."""

    def __len__(self) -> int:
        """How many images it has taken."""

    def write(self, path: Path, which: range) -> None:
        """Writes a file that holds some of the images.

        Args:
          path: the file.
          which: numbers of the images, from 0, in order.
        """

    def close(self) -> None:
        """Lets go of what waits on disk."""


def for_the_run_in_parts(
    name: str,
    summary: str,
    file: str,
    parts: str,
    render: Render,
    make_writer: Callable[[Path, ExportOptions], PartsWriter],
    **more: Any,
) -> Exporter:
    """A format of one file for the whole run, or of parts where it has many images.

    Args:
      name: what the format is called on command lines.
      summary: what its files hold, for help texts: a noun phrase.
      file: name of its file, below the output folder.
      parts: names of its parts; see `part_name`.
      render: what the writer puts into the file for a result.
      make_writer: gives a writer, given the folder where contents may wait.
      more: further fields of the `Exporter`.
    """

    @contextlib.contextmanager
    def open_whole(
        destination: Destination, options: ExportOptions
    ) -> Iterator[FileWriter]:
        with (
            contextlib.closing(make_writer(destination.output, options)) as writer,
            contextlib.suppress(_InParts),
            destination.write(file) as aside,  # so that no other file has this name
        ):
            yield writer
            if len(writer) > MOST_IN_ONE_FILE:
                _write_parts(writer, destination, parts)
                destination.remove(file)
                raise _InParts
            remove_old_parts(destination, parts)
            writer.write(aside, range(len(writer)))

    return Exporter(name, summary, (file,), render, open_whole, **more)


class _InParts(Exception):  # noqa: N818
    """The one file of a run is not written, for there are parts."""


def _write_parts(writer: PartsWriter, destination: Destination, pattern: str) -> None:
    """Writes all parts, and removes those of earlier runs."""
    in_parts = slices(len(writer), MOST_IN_ONE_FILE)
    remove_old_parts(destination, pattern, above=len(in_parts))
    for number, which in enumerate(in_parts, start=1):
        with destination.write(part_name(pattern, number)) as aside:
            writer.write(aside, which)


def part_name(pattern: str, number: int) -> str:
    """The name of a part, such as ``coco/0001.json``.

    Args:
      pattern: of the names, with ``{part}`` in place of the number.
      number: of the part, from 1.
    """
    return pattern.replace("{part}", f"{number:04d}")


def slices(count: int, most: int) -> list[range]:
    """Which of some items are in which part: as many in each, fewer in the last."""
    return [range(start, min(start + most, count)) for start in range(0, count, most)]


def remove_old_parts(destination: Destination, pattern: str, *, above: int = 0) -> None:
    """Removes the parts of an earlier run, as far as no person changed them.

    Args:
      destination: of the run.
      pattern: as for `part_name`.
      above: parts up to this number stay.
    """
    folder, _, name = pattern.rpartition("/")
    begin, end = map(re.escape, name.split("{part}"))
    wanted = re.compile(f"{begin}({_NUMBER}){end}")
    for path in sorted((destination.output / folder).glob("*")):
        found = wanted.fullmatch(path.name)
        if found and int(found[1]) > above:
            destination.remove(f"{folder}/{path.name}")
    with contextlib.suppress(OSError):  # there are others in it
        (destination.output / folder).rmdir()
