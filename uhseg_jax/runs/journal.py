"""What an evaluation has scored so far, one line for every image.

A line is appended when an image is done, so a killed evaluation goes on where it was.
The line holds the image's own state in integers; the scores over the set are sums
of those, and come out the same to the last digit however often the run was stopped.

A line counts only as it was written: it begins with a mark, the name of its journal
and the digest of the settings that it was scored with, and ends in a checksum of all
that is before it. So a copy of a journal under another name is none.
"""

import base64
import contextlib
import dataclasses
import errno
import hashlib
import json
import os
import re
import stat
from pathlib import Path
from typing import Any

import numpy as np

from uhseg_jax.files import parse_json
from uhseg_jax.locks import FileLock
from uhseg_jax.runs.record import RunError

__all__ = ["Entry", "Journal", "is_journal", "journals_in", "read_journals"]

_NAME = re.compile(r"images-(\d+)\.jsonl")
_SEAL = b', "sha256": "'


@dataclasses.dataclass(frozen=True)
class Entry:
    """One image of the journal.

    Attributes:
      index: position of the example in its dataset.
      name: what the dataset calls the example.
      row: its scores in words, for a table of images.
      words: its states, as `metrics.states.to_words` packs them.
    """

    index: int
    name: str
    row: dict[str, Any]
    words: np.ndarray

    def to_line(self, settings: str, journal: str) -> bytes:
        """The entry as one line with its end.

        Args:
          settings: digest of all that the scores depend on.
          journal: name of the file that the line is for.
        """
        packed = base64.b64encode(np.asarray(self.words, "<i4").tobytes()).decode()
        fields = {"settings": settings, **dataclasses.asdict(self), "words": packed}
        body = _mark(journal) + json.dumps(fields)[1:-1].encode()
        return body + _SEAL + _checksum(body)

    @classmethod
    def from_line(cls, line: bytes, settings: str, journal: str) -> "Entry":
        """The entry of a line that `to_line` wrote with the same settings and journal.

        Raises:
          ValueError: the line is any other: cut, altered, or of other ones.
        """
        body, _, checksum = line.rpartition(_SEAL)
        if not body.startswith(_mark(journal)) or checksum != _checksum(body):
            raise ValueError("expected a whole line of a journal.")
        match parse_json(body + b"}"):
            case {
                "settings": str(found),
                "index": int(index),
                "name": str(name),
                "row": dict(row),
                "words": str(packed),
            } if found == settings and all(
                isinstance(x, (int, float)) for x in row.values()
            ):
                words = np.frombuffer(base64.b64decode(packed, validate=True), "<i4")
                return cls(index, name, row, words)
        raise ValueError("expected the fields of an entry, and the same settings.")


class Journal:
    """An append-only file of entries, held by one process while it scores.

    A context manager: it creates the file when it is entered.

    Args:
      path: the file.
      settings: digest of all that the scores depend on.
    """

    def __init__(self, path: Path, settings: str):
        self._path, self._settings = path, settings

    def __enter__(self) -> "Journal":
        """Opens the file for this process alone.

        Raises:
          RunError: another process holds it, or the file is no journal.
          OSError: it cannot be opened.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if os.path.lexists(self._path) and not is_journal(self._path):
            raise RunError(
                f"{self._path}: expected a journal of scores, but the file is another; "
                "give another --output folder, or replace it with --overwrite."
            )
        with contextlib.ExitStack() as stack:
            lock = FileLock(self._path.with_name(f".{self._path.stem}.lock"))
            stack.callback(lock.close)
            if not lock.try_alone():
                raise RunError(
                    f"{self._path}: another evaluation scores into this folder now; "
                    "wait until it ends, or give another --output folder."
                )
            self._file = stack.enter_context(open(self._path, "a+b", buffering=0))
            self._held = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        """Closes the file, which frees it for others."""
        self._held.close()

    def append(self, entry: Entry) -> None:
        """Adds an entry; it is in the file when the call returns, all of it or nothing.

        Raises:
          OSError: the file cannot be written, or is under its name no more.
        """
        if not os.path.samestat(os.stat(self._path), os.fstat(self._file.fileno())):
            raise FileExistsError(
                errno.EEXIST, "another file has its name now", str(self._path)
            )
        size = self._file.seek(0, os.SEEK_END)
        line = entry.to_line(self._settings, self._path.name)
        rest = memoryview(self._end_of_cut_line(size) + line)
        try:
            while rest:  # a disk that fills up takes a part, and refuses the rest
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            with contextlib.suppress(OSError):
                self._file.truncate(size)
            raise OSError(error.errno, error.strerror, str(self._path)) from error

    def _end_of_cut_line(self, size: int) -> bytes:
        """What ends a line that a kill cut off, so that it spoils only itself."""
        if size == 0:
            return b""
        self._file.seek(size - 1)
        return b"" if self._file.read(1) == b"\n" else b"\n"


def journals_in(folder: Path) -> list[Path]:
    """The journals in a folder, those of any number of processes, in their order."""
    found = (
        (int(match[1]), path)
        for path in folder.glob("images-*.jsonl")
        if (match := _NAME.fullmatch(path.name)) and is_journal(path)
    )
    return [path for _, path in sorted(found)]


def is_journal(path: Path) -> bool:
    """Whether a file is a journal: it is empty, or has a line that begins as ours.

    The lines of a journal that was renamed or copied begin as those of the old name.
    """
    mark = _mark(path.name)
    if not stat.S_ISREG(os.lstat(path).st_mode):
        return False
    with open(path, "rb") as file:
        first = file.readline()
        # A kill may have cut off even the first line.
        return mark.startswith(first[: len(mark)]) or any(
            line.startswith(mark) for line in file
        )


def read_journals(folder: Path, settings: str) -> tuple[list[Entry], list[str]]:
    """What all journals in a folder say of the images scored with some settings.

    Args:
      folder: where the journals lie.
      settings: digest of all that the scores depend on.

    Returns:
      The entries in the order of their indices; of several with one index it is the
      first of the first journal. Then, for each journal with lines that are damaged or
      of other settings, a sentence.
    """
    entries: dict[int, Entry] = {}
    notes = []
    for path in journals_in(folder):
        damaged = 0
        with open(path, "rb") as file:
            for line in file:
                try:
                    entry = Entry.from_line(line, settings, path.name)
                except ValueError:
                    damaged += 1
                else:
                    entries.setdefault(entry.index, entry)
        if damaged:
            lines = "1 line is" if damaged == 1 else f"{damaged} lines are"
            notes.append(
                f"{path}: {lines} damaged or of other settings; images whose scores "
                "are nowhere else are scored again."
            )
    return [entries[index] for index in sorted(entries)], notes


def _mark(journal: str) -> bytes:
    """What a line of a journal begins with."""
    return f'{{"uhseg_jax": "score", "journal": {json.dumps(journal)}, '.encode()


def _checksum(body: bytes) -> bytes:
    """What a line holds after its seal, for what it holds before."""
    return hashlib.sha256(body).hexdigest().encode() + b'"}\n'
