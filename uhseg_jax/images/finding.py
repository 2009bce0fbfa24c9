"""Finding image files by path, folder or pattern."""

import dataclasses
import functools
import os
from collections.abc import Sequence
from pathlib import Path

from uhseg_jax.images.kinds import IMAGE_SUFFIXES
from uhseg_jax.images.sources import ImageError, PathLike, missing, not_regular
from uhseg_jax.images.walking import Walk, is_pattern

__all__ = ["Found", "find_images", "search"]


@dataclasses.dataclass(frozen=True)
class Found:
    """What a search found.

    Attributes:
      paths: the image files, each once, in order.
      roots: for every path the folder that was searched: one that was given, that of a
        file that was, or the last before the wildcards of a pattern. Absolute.
      problems: sentences on places that should have been read and could not.
      notes: sentences on what was left out.
    """

    paths: tuple[Path, ...]
    roots: tuple[Path, ...]
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def find_images(spec: PathLike | Sequence[PathLike]) -> list[Path]:
    """Lists the image files that paths, patterns and folders stand for; see `search`.

    Raises:
      ImageError: one of them stands for no image.
    """
    return list(search(spec).paths)


def search(spec: PathLike | Sequence[PathLike]) -> Found:
    """Finds the image files that paths, patterns and folders stand for.

    A file is taken whatever its suffix; a folder gives the images in it and below it;
    a pattern (``*``, ``**``, ``?``, ``[...]``) gives the images that match. Images are
    known by suffix (`IMAGE_SUFFIXES`). ``~`` is the home folder.

    Folders and patterns follow one rule: natural order (frame_2 before frame_10),
    hidden names only where a pattern spells the dot, regular files only, links
    followed, every file and every folder once, under the first of its names. Brackets
    stand for themselves where something has that very name.

    Args:
      spec: one path, pattern or folder, or several, in the order wanted.

    Returns:
      The files, in the order of ``spec``, and what was not read or left out.

    Raises:
      ImageError: one of them stands for no image.
    """
    specs = [spec] if isinstance(spec, (str, os.PathLike)) else list(spec)
    if not specs:
        raise ImageError(
            "expected at least one image, folder or pattern, but got none; "
            "for example photo.jpg, photos/ or 'photos/*.jpg'."
        )
    walks: list[Walk] = []
    roots: dict[Path, Path] = {}
    first_names: dict[str, Path] = {}
    for one in specs:
        walk = Walk()
        walks.append(walk)
        root, paths = _find(one, walk)
        for path in paths:
            first = first_names.setdefault(_real(path), path)
            if first is path:
                roots[path] = root
            elif os.path.abspath(first) != os.path.abspath(path):
                walk.leave_out(path, f"is {first} again, by a link")
    return Found(
        tuple(roots),
        tuple(roots.values()),
        tuple(dict.fromkeys(x for walk in walks for x in walk.problems)),
        tuple(dict.fromkeys(x for walk in walks for x in walk.notes())),
    )


def _find(spec: PathLike, walk: Walk) -> tuple[Path, list[Path]]:
    """The root of a specification and the images that it stands for."""
    name = os.path.expanduser(os.fspath(spec))
    path = Path(name)
    if os.path.isfile(path):  # also one with pattern characters in its name
        return _absolute(path.parent), [path]
    root, pattern = (path, ("**", "*")) if os.path.isdir(path) else _split(path)
    if os.path.isdir(path):
        found = "is a folder without images"
    else:
        found = "is a pattern that matches no image"
        if "[" in name:
            found += " (brackets stand for one of the characters in them)"
    if not pattern:
        if os.path.exists(path):
            kind = not_regular(path.stat().st_mode)
            raise ImageError(f"{name}: expected an image file, but this is {kind}.")
        raise ImageError(missing(name))
    paths = walk.matching(root, pattern)
    if not paths:
        left_out = "".join(f" {x}" for x in (*walk.problems, *walk.notes()))
        raise ImageError(
            f"{name}: expected images ({' '.join(IMAGE_SUFFIXES)}), but this {found}; "
            f"give another folder or pattern, or name the files.{left_out}"
        )
    return _absolute(root), paths


def _split(path: Path) -> tuple[Path, Sequence[str]]:
    """The folder before the first wildcard of a pattern, and the rest of it."""
    root = Path()
    for index, part in enumerate(path.parts):
        if is_pattern(root, part):
            return root, path.parts[index:]
        root /= part
    return root, ()


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))


def _real(path: Path) -> str:
    """The path without links; folders are followed once, not for every file."""
    real = os.path.join(_real_folder(os.path.abspath(path.parent)), path.name)
    return os.path.realpath(real) if os.path.islink(real) else real


@functools.lru_cache(maxsize=64)
def _real_folder(folder: str) -> str:
    return os.path.realpath(folder)
