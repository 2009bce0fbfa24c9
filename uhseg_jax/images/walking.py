"""Walking folders by pattern: every file and every folder once."""

import collections
import fnmatch
import functools
import mimetypes
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from uhseg_jax.images.kinds import (
    HEIF_ADVICE,
    HEIF_SUFFIXES,
    IMAGE_SUFFIXES,
    OTHER_SUFFIXES,
    looks_like_an_image,
)
from uhseg_jax.images.sources import PathLike, not_regular

__all__ = ["Walk", "is_pattern", "natural_order"]

_NAMED = 16  # things left out that are named one by one; the rest are counted
_SOME = 5  # files named in one sentence
_LOOKS = 256  # files that are opened because their names say nothing


class Walk:
    """A walk over folders that remembers where it was and what it left out.

    Attributes:
      problems: sentences on folders that cannot be listed.
    """

    def __init__(self) -> None:
        self.problems: list[str] = []
        self._left_out: list[str] = []
        self._not_read: dict[Path, str] = {}  # images of kinds that are not read
        self._unknown: list[Path] = []  # files whose names say nothing
        self._visited: dict[tuple[int, int, int], str] = {}
        self._listed: tuple[Path, list[os.DirEntry[str]]] | None = None

    def matching(self, root: Path, parts: Sequence[str]) -> list[Path]:
        """The images below a folder that match a pattern, in natural order.

        Args:
          root: where the pattern begins.
          parts: the pattern between its slashes; ``**`` is any number of folders.
        """
        return sorted(set(self._matching(root, parts)), key=natural_order)

    def notes(self) -> list[str]:
        """Sentences on what was left out."""
        notes = self._left_out[:_NAMED]
        if len(self._left_out) > _NAMED:
            notes.append(f"{len(self._left_out) - _NAMED} more were left out.")
        if self._not_read:
            kinds = collections.Counter(self._not_read.values())
            counts = ", ".join(f"{x} {n}" for x, n in sorted(kinds.items()))
            count = len(self._not_read)
            files = "1 file of a kind" if count == 1 else f"{count} files of kinds"
            verb = "is" if count == 1 else "are"
            has_heif = not kinds.keys().isdisjoint(HEIF_SUFFIXES)
            advice = f"; {HEIF_ADVICE}" if has_heif else ""
            named = _some(self._not_read)
            notes.append(f"{files} that {verb} not read ({counts}): {named}{advice}.")
        look = [x for x in self._unknown[:_LOOKS] if looks_like_an_image(x)]
        if look:
            one = len(look) == 1
            files = "1 file looks" if one else f"{len(look)} files look"
            kind = "like an image but is" if one else "like images but are"
            notes.append(
                f"{files} {kind} not named so, and not read: {_some(look)}; give "
                "every one a suffix such as .jpg, or name it by itself."
            )
        return notes

    def leave_out(self, path: PathLike, reason: str) -> None:
        """Notes that something is left out."""
        self._left_out.append(f"{os.fspath(path)}: {reason}; left out.")

    def _matching(self, folder: Path, parts: Sequence[str]) -> Iterator[Path]:
        part, *rest = parts
        if part == "**":
            yield from self._at_any_depth(folder, rest or ["*"])
            return
        if is_pattern(folder, part):
            found = self._entries(folder, part)
        else:
            found = [folder / part]
        if not rest:
            yield from filter(self._is_image, found)
        for path in found if rest else ():
            if os.path.isdir(path):
                yield from self._matching(path, rest)

    def _at_any_depth(self, top: Path, rest: Sequence[str]) -> Iterator[Path]:
        while rest[0] == "**":
            rest = rest[1:] or ["*"]
        for above in Path(os.path.realpath(top)).parents:
            self._visited.setdefault(_identity(above, rest), "")
        waiting = [top]
        while waiting:  # no recursion: folders may lie deeper than Python calls
            folder = waiting.pop()
            if self._is_new(folder, rest):
                yield from self._matching(folder, rest)
                waiting += reversed(self._folders(folder))

    def _is_new(self, folder: Path, rest: Sequence[str]) -> bool:
        try:
            key = _identity(folder, rest)
        except OSError:
            return False
        own = os.path.abspath(folder)
        if key not in self._visited:
            self._visited[key] = own
            return True
        first = self._visited[key]
        if not first:
            self.leave_out(folder, "leads back above the folder that is searched")
        elif first != own:
            self.leave_out(folder, f"is {first} again, by a link")
        return False

    def _entries(self, folder: Path, pattern: str) -> list[Path]:
        """What a folder has that matches; hidden only where the pattern is."""
        matches = re.compile(fnmatch.translate(os.path.normcase(pattern))).match
        return [
            folder / entry.name
            for entry in self._listing(folder)
            if matches(os.path.normcase(entry.name))
            and (not entry.name.startswith(".") or pattern.startswith("."))
        ]

    def _folders(self, folder: Path) -> list[Path]:
        """The folders in a folder, linked ones too, hidden ones not."""
        names = [
            entry.name
            for entry in self._listing(folder)
            if not entry.name.startswith(".") and _is_folder(entry)
        ]
        return [folder / name for name in sorted(names, key=natural_order)]

    def _listing(self, folder: Path) -> list[os.DirEntry[str]]:
        if self._listed is None or self._listed[0] != folder:
            try:
                with os.scandir(folder) as entries:
                    self._listed = folder, list(entries)
            except OSError as error:
                self._listed = folder, []
                self.problems.append(
                    f"{folder}: the folder cannot be listed ({error.strerror}); change "
                    "its permissions, or leave it out."
                )
        return self._listed[1]

    def _is_image(self, path: Path) -> bool:
        suffix = path.suffix.lower()
        is_known = suffix in IMAGE_SUFFIXES or suffix in OTHER_SUFFIXES
        if not is_known and mimetypes.guess_type(f"a{suffix}")[0] is not None:
            return False
        try:
            kind = not_regular(path.stat().st_mode)
        except OSError as error:
            if path.is_symlink() and (is_known or not suffix):
                to = os.readlink(path)
                self.leave_out(path, f"leads to {to}, which cannot be had")
            elif suffix in IMAGE_SUFFIXES:
                self.problems.append(f"{path}: cannot be looked at ({error.strerror}).")
            return False
        if kind == "a folder":
            return False
        if not is_known:
            if not kind:
                self._unknown.append(path)
            return False
        if kind:
            self.leave_out(path, f"is {kind} and no file")
        elif suffix in OTHER_SUFFIXES:
            self._not_read[path] = suffix
        return not kind and suffix in IMAGE_SUFFIXES


def _some(paths: Iterable[Path]) -> str:
    """The first of some paths, and how many more there are."""
    named = sorted(paths, key=natural_order)
    more = f" and {len(named) - _SOME} more" if len(named) > _SOME else ""
    return ", ".join(map(os.fspath, named[:_SOME])) + more


def natural_order(path: PathLike) -> list[tuple[str | int, ...]]:
    """A key that sorts names as people count: frame_2 before frame_10.

    Args:
      path: a path, or any name; folders are compared one after the other.
    """
    return [_natural_part(part) for part in Path(path).parts]


def is_pattern(folder: Path, part: str) -> bool:
    """Whether a part of a path is a pattern: brackets are none where they are a name.

    Args:
      folder: where it is looked for.
      part: what stands between two slashes.
    """
    if "*" in part or "?" in part:
        return True
    return "[" in part and not os.path.lexists(folder / part)


@functools.lru_cache(maxsize=1024)  # folders have many files
def _natural_part(name: str) -> tuple[str | int, ...]:
    """Texts and numbers in turn, a number as its length and its digits."""
    stem, suffix = os.path.splitext(name)
    key: list[str | int] = []
    for text, digits in re.findall(r"([^0-9]*)([0-9]*)", stem):
        value = digits.lstrip("0")
        key += [text, len(value), value]
    return (*key, suffix, 0, name)


def _identity(folder: Path, rest: Sequence[str]) -> tuple[int, int, int]:
    found = folder.stat()
    return found.st_dev, found.st_ino, len(rest)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a circle of links
        return False
