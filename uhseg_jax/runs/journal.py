"""What an evaluation has scored so far, one line for every image.

A line is appended when an image is done, so a killed evaluation goes on where it was.
The line holds the image's own state in integers; the scores over the set are sums
of those, and come out the same to the last digit however often the run was stopped.
"""

import base64
import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["Entry", "Journal"]


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

    def to_line(self) -> str:
        """The entry as one line of text, without the line's end."""
        packed = base64.b64encode(np.asarray(self.words, "<i4").tobytes()).decode()
        fields = {"index": self.index, "name": self.name, "row": self.row}
        return json.dumps({**fields, "words": packed})

    @classmethod
    def from_line(cls, line: str) -> "Entry":
        """The entry of a line that `to_line` wrote; ValueError or KeyError if not."""
        fields = json.loads(line)
        words = np.frombuffer(base64.b64decode(fields["words"], validate=True), "<i4")
        return cls(fields["index"], fields["name"], fields["row"], words)


class Journal:
    """An append-only file of entries."""

    def __init__(self, path: Path):
        self._path = path

    def read(self) -> Iterator[Entry]:
        """The entries that are whole; a line that a kill cut off is passed over."""
        if not self._path.exists():
            return
        with open(self._path, encoding="utf-8", errors="replace") as file:
            for line in file:
                try:
                    yield Entry.from_line(line)
                except (ValueError, KeyError, TypeError):
                    continue

    def append(self, entry: Entry) -> None:
        """Adds an entry; it is in the file when the call returns."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with open(self._path, "a+b") as file:
            # A cut-off line is ended first, so that it spoils only itself.
            if file.tell() and not _ends_a_line(file):
                file.write(b"\n")
            file.write(entry.to_line().encode() + b"\n")


def _ends_a_line(file: Any) -> bool:
    file.seek(-1, 2)
    return file.read(1) == b"\n"
