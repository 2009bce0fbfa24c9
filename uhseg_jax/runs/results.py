"""The files of one image: which are there, and how they are written.

Overlays and label maps carry a mark, a PNG text chunk that names this package and how
they were made. So they are never taken for photographs, wherever they lie, and are
drawn again when other levels are asked for.
"""

import struct
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from uhseg_jax.export.label_png import save_labels
from uhseg_jax.export.overlay import overlay, save_png
from uhseg_jax.files import atomic_write
from uhseg_jax.hierarchy.tree import RegionTree, TreeFileError
from uhseg_jax.types import UInt8

__all__ = [
    "FORMATS",
    "is_own",
    "load_tree",
    "png_paths",
    "result_files",
    "write_drawn",
    "write_files",
]

FORMATS = ("npz", "png", "labels", "coco", "html")

_MARK = b"Software\0uhseg_jax"
_AFTER_HEADER = 33  # bytes of a PNG's signature and first chunk
_HEAD = 4096  # bytes in which the mark is looked for


def png_paths(output: Path, name: str) -> tuple[Path, Path]:
    """The overlay and the label map of an image."""
    return output / f"{name}.png", output / f"{name}.labels.png"


def result_files(
    output: Path, names: Iterable[str], *, formats: Collection[str]
) -> Iterator[Path]:
    """All files that a run over images of these names writes, but ``run.json``."""
    for kind, name in (("coco", "coco.json"), ("html", "index.html")):
        if kind in formats:
            yield output / name
    for name in names:
        if "npz" in formats:
            yield output / f"{name}.npz"
        for kind, path in zip(("png", "labels"), png_paths(output, name), strict=True):
            if kind in formats:
                yield path


def is_own(path: Path) -> bool:
    """Whether a file is a PNG that `write_files` drew."""
    return path.suffix.lower() == ".png" and _MARK in _head(path)


def load_tree(
    output: Path, name: str, *, size: tuple[int, int], since: int
) -> RegionTree | None:
    """The tree of an earlier run, if it can stand for a new one.

    Args:
      output: the folder of the run.
      name: of the image.
      size: height and width that its labels must have.
      since: time in ns; older files are of other settings or another image.

    Returns:
      The tree; None if there is none, or it is older, damaged or of another size.
    """
    path = output / f"{name}.npz"
    if not _is_current(path, since):
        return None
    try:
        tree = RegionTree.load(path)
    except (TreeFileError, OSError):
        return None
    return tree if tuple(tree.labels.shape) == tuple(size) else None


def write_files(
    output: Path,
    name: str,
    pixels: UInt8[np.ndarray, "H W 3"],
    tree: RegionTree,
    *,
    formats: Collection[str],
    levels: Sequence[int],
    keep_since: int | None = None,
) -> None:
    """Writes the files of one image, the npz last: where it is, the rest is too.

    Args:
      output: the folder of the run; created if need be.
      name: of the image.
      pixels: the image.
      tree: its tree, with labels at image size.
      formats: of `FORMATS`; those that are no file of one image are ignored.
      levels: numbers of regions in the overlay.
      keep_since: time in ns from which files are kept that are there already (the tree
        was loaded from one of them); None: write all.

    Raises:
      OSError: a file cannot be written; the error names it.
    """
    drawn, labelled = png_paths(output, name)
    kinds: dict[Path, tuple[str, bytes, Callable[[Path], None]]] = {
        drawn: (
            "png",
            f" levels {','.join(map(str, levels))}".encode(),
            lambda path: save_png(path, overlay(pixels, tree, levels=levels)),
        ),
        labelled: ("labels", b" labels", lambda path: save_labels(path, tree)),
    }
    for path, (kind, note, save) in kinds.items():
        if kind not in formats:
            continue
        mark = _chunk(_MARK + note)
        kept = keep_since is not None and _is_current(path, keep_since)
        if not (kept and mark in _head(path)):
            _write_marked(path, mark, save)
    if "npz" in formats and keep_since is None:
        tree.save(output / f"{name}.npz")


def write_drawn(path: Path, note: str, save: Callable[[Path], None]) -> None:
    """Saves a PNG with the mark by which `is_own` knows it.

    Args:
      path: the file to write.
      note: how it was made, in ASCII.
      save: writes the PNG to a path.
    """
    _write_marked(path, _chunk(_MARK + f" {note}".encode("ascii")), save)


def _is_current(path: Path, since: int) -> bool:
    try:
        return path.stat().st_mtime_ns >= since
    except OSError:
        return False


def _head(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(_HEAD)
    except OSError:
        return b""


def _chunk(text: bytes) -> bytes:
    """A PNG text chunk: length, type, keyword with text, checksum."""
    body = b"tEXt" + text
    return struct.pack(">I", len(text)) + body + struct.pack(">I", zlib.crc32(body))


def _write_marked(path: Path, mark: bytes, save: Callable[[Path], None]) -> None:
    """Saves a PNG with the mark behind its header."""
    with atomic_write(path) as aside:
        save(aside)
        content = aside.read_bytes()
        with open(aside, "r+b") as file:
            file.seek(_AFTER_HEADER)
            file.write(mark)
            file.write(content[_AFTER_HEADER:])
