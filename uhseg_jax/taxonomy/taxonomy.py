"""Label hierarchies: which raw ids are which classes, and which classes hold which.

Read from text files (`lines` gives the format), held as plain arrays, and
scored in two views. The *flat* view has one class for every foreground id, and one that
merges all background ids. The *hierarchy* has a node for every foreground line, inner
ones too, and one for the background; a node holds the pixels of everything below it.
Ids to ignore are dropped pixel by pixel in both.
"""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from uhseg_jax.taxonomy.lines import (
    NO_ID,
    NO_PARENT,
    Case,
    Row,
    TaxonomyError,
    link_lines,
    parse_lines,
    write_lines,
)
from uhseg_jax.types import Bool, Int, Integer

__all__ = ["IGNORED", "ClassTree", "FlatClasses", "Taxonomy"]

IGNORED = -1
"""Class index of a pixel that does not count."""

_UNKNOWN = -2


@dataclasses.dataclass(frozen=True)
class FlatClasses:
    """The flat view: class indices for raw ids.

    Attributes:
      names: name of every class; the background, if any, is the first.
      lookup: ``[largest id + 1]``, class index of a raw id; `IGNORED` for ids to
        ignore, and below that for ids that the taxonomy does not know.
    """

    names: tuple[str, ...]
    lookup: Int[np.ndarray, " ids"]

    @property
    def num_classes(self) -> int:
        """Number of classes, the merged background included."""
        return len(self.names)

    def encode(self, raw: Integer[np.ndarray, "*s"]) -> Int[np.ndarray, "*s"]:
        """Class indices, int32, of raw ids; `IGNORED` where a pixel does not count.

        Raises:
          ValueError: there are ids that the taxonomy does not know; it names them.
        """
        raw = np.asarray(raw)
        inside = (raw >= 0) & (raw < self.lookup.size)
        classes = np.where(
            inside, self.lookup[np.where(inside, raw, 0)], _UNKNOWN
        ).astype(np.int32)
        unknown = classes == _UNKNOWN
        if unknown.any():
            ids, pixels = np.unique(raw[unknown], return_counts=True)
            found = ", ".join(
                f"{i} ({count} pixels)" for i, count in zip(ids, pixels, strict=True)
            )
            known = np.flatnonzero(self.lookup != _UNKNOWN)
            raise ValueError(
                f"expected only ids of the taxonomy ({_ranges(known)}), but found "
                f"{found}; add lines for them to the taxonomy file, with the case "
                "ignore if they should not count."
            )
        return classes


@dataclasses.dataclass(frozen=True)
class ClassTree:
    """The hierarchy T_gt: nodes over the flat classes, the root left out.

    Attributes:
      names: name of every node.
      parents: ``[g]``, parent of every node, before it; -1 at the top.
      members: ``[c, g]``, whether the pixels of a flat class belong to the node.
    """

    names: tuple[str, ...]
    parents: Int[np.ndarray, " g"]
    members: Bool[np.ndarray, "c g"]

    def contains(self) -> Bool[np.ndarray, "g g"]:
        """``[i, j]``: node i is node j or one of its ancestors."""
        contains = np.eye(self.parents.size, dtype=bool)
        for node, parent in enumerate(self.parents):
            if parent != NO_PARENT:
                contains[:, node] |= contains[:, parent]
        return contains


@dataclasses.dataclass(frozen=True)
class Taxonomy:
    """A label hierarchy as plain arrays, one entry a line of its file.

    Attributes:
      names: name of every line.
      ids: ``[n]``, raw id of every line; `NO_ID` for one that only groups.
      cases: ``[n]``, `Case` of every line.
      parents: ``[n]``, the line that each belongs to, above it; -1 at the top.
    """

    names: tuple[str, ...]
    ids: Int[np.ndarray, " n"]
    cases: Int[np.ndarray, " n"]
    parents: Int[np.ndarray, " n"]

    # -- in and out ----------------------------------------------------------------

    @classmethod
    def from_rows(
        cls, rows: Sequence[tuple[str, int | None, int | None, int]]
    ) -> "Taxonomy":
        """A taxonomy from rows ``(name, id or None, case or None, depth)``.

        Raises:
          TaxonomyError: as `parse`, with rows counted from 1.
        """
        return cls._linked(
            [
                Row(
                    f"row {number}",
                    name,
                    NO_ID if raw_id is None else raw_id,
                    Case.NONE if case is None else Case(case),
                    depth,
                )
                for number, (name, raw_id, case, depth) in enumerate(rows, start=1)
            ],
            source="the taxonomy",
        )

    @classmethod
    def parse(cls, text: str, *, source: str = "the taxonomy") -> "Taxonomy":
        """Reads the text format of `lines`.

        Args:
          text: the lines.
          source: what to call it in errors, usually the path.

        Raises:
          TaxonomyError: a line breaks a rule of the format; the message gives its
            number and says how to mend it.
        """
        return cls._linked(parse_lines(text, source=source), source=source)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Taxonomy":
        """Reads a text file (UTF-8).

        Raises:
          TaxonomyError: as `parse`, with the path; also if the file is no text.
        """
        path = Path(path)
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise TaxonomyError(
                f"{path}: expected UTF-8 text, but byte {error.start} is something "
                "else; save the file as UTF-8."
            ) from error
        return cls.parse(text, source=str(path))

    def to_text(self) -> str:
        """The lines that `parse` reads back into the same taxonomy."""
        columns = (self.names, self.ids, self.cases, self.depths)
        return write_lines(
            [
                Row("", name, int(raw_id), Case(case), int(depth))
                for name, raw_id, case, depth in zip(*columns, strict=True)
            ]
        )

    @classmethod
    def _linked(cls, rows: Sequence[Row], *, source: str) -> "Taxonomy":
        parents = link_lines(rows, source=source)
        return cls(
            tuple(row.name for row in rows),
            np.array([row.raw_id for row in rows], np.int32),
            np.array([row.case for row in rows], np.int32),
            np.array(parents, np.int32),
        )

    # -- views ---------------------------------------------------------------------

    @property
    def depths(self) -> Int[np.ndarray, " n"]:
        """``[n]``, lines above each line, 0 at the top."""
        depths = np.zeros(self.parents.size, np.int32)
        for line, parent in enumerate(self.parents):
            depths[line] = 0 if parent == NO_PARENT else depths[parent] + 1
        return depths

    def paths(self) -> dict[int, tuple[str, ...]]:
        """For every id the names of the lines that lead to it, the top one first."""
        paths: list[tuple[str, ...]] = []
        for name, parent in zip(self.names, self.parents, strict=True):
            paths.append((name,) if parent == NO_PARENT else (*paths[parent], name))
        ids = zip(self.ids.tolist(), paths, strict=True)
        return {raw_id: path for raw_id, path in ids if raw_id != NO_ID}

    def flat(self, *, depth: int | None = None) -> FlatClasses:
        """The flat view; with ``depth``, lines deeper than it count as their ancestor.

        ``depth=0`` thus gives the classes of the top level (the 27 of COCO-Stuff, the 7
        groups of Cityscapes).
        """
        shown = self._shown_as(depth)
        heads = self._heads(shown)
        index = {line: i for i, line in enumerate(heads, start=self.has_background)}
        lookup = np.full(int(self.ids.max()) + 1, _UNKNOWN, np.int32)
        for line, (raw_id, case) in enumerate(zip(self.ids, self.cases, strict=True)):
            if case == Case.FOREGROUND:
                lookup[raw_id] = index[shown[line]]
            elif case != Case.NONE:
                lookup[raw_id] = 0 if case == Case.BACKGROUND else IGNORED
        names = ("background",) * self.has_background
        return FlatClasses((*names, *(self.names[line] for line in heads)), lookup)

    def hierarchy(self) -> ClassTree:
        """The hierarchy over the classes of `flat`."""
        lines = np.flatnonzero(self._holds_foreground())
        offset = int(self.has_background)
        node = {int(line): i for i, line in enumerate(lines, start=offset)}
        parents = [NO_PARENT] * offset + [
            node.get(int(self.parents[line]), NO_PARENT) for line in lines
        ]
        classes = self._heads(np.arange(self.ids.size))
        members = np.zeros((offset + len(classes), len(parents)), bool)
        members[:offset, :offset] = True
        for index, line in enumerate(classes, start=offset):
            while line != NO_PARENT:
                members[index, node[line]] = True
                line = self.parents[line]
        names = ("background",) * offset + tuple(self.names[line] for line in lines)
        return ClassTree(names, np.array(parents, np.int32), members)

    @property
    def has_background(self) -> bool:
        """Whether ids are background; they are the first of the flat classes."""
        return bool(np.any(self.cases == Case.BACKGROUND))

    def _shown_as(self, depth: int | None) -> Int[np.ndarray, " n"]:
        """The line as which each line counts when the hierarchy ends at a depth."""
        shown, depths = np.arange(self.ids.size), self.depths
        for line, parent in enumerate(self.parents):
            if depth is not None and depths[line] > depth:
                shown[line] = shown[parent]
        return shown

    def _heads(self, shown: Int[np.ndarray, " n"]) -> list[int]:
        """The lines that are classes of their own, in the order of the file."""
        return sorted({int(x) for x in shown[self.cases == Case.FOREGROUND]})

    def _holds_foreground(self) -> Bool[np.ndarray, " n"]:
        """The lines with a foreground id, their own or below."""
        holds = self.cases == Case.FOREGROUND
        for line in range(self.parents.size - 1, -1, -1):  # children before parents
            if self.parents[line] != NO_PARENT:
                holds[self.parents[line]] |= holds[line]
        return holds


def _ranges(ids: Int[np.ndarray, " k"]) -> str:
    """Ids as ``0-20, 255``."""
    parts = np.split(ids, np.flatnonzero(np.diff(ids) > 1) + 1)
    return ", ".join(f"{p[0]}-{p[-1]}" if p.size > 1 else f"{p[0]}" for p in parts)
