"""The npz of an image: its tree, what it was made of, its names, perhaps categories.

What it was made of stands first, so that the file is known even if its end is cut off.
"""

import dataclasses
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from uhseg_jax.export.exporter import ImageFile, for_each_image
from uhseg_jax.export.result import ExportOptions, Provenance, Result
from uhseg_jax.hierarchy import tree_file
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.npy import read_npy_header
from uhseg_jax.types import UInt8

__all__ = ["NPZ", "Saved", "begins_with", "look_up", "read_result", "read_saved"]

_MADE_OF = ("settings", "source")  # the fields of a `Provenance`
_FEATURES = "features"  # another, where a backbone did not give them
_SAID = (*_MADE_OF, _FEATURES, "title", "image")
_OTHERS = {  # by the axes of their labels
    1: (
        "of a raster",
        "take a smaller copy with RasterTree.load(folder).overview()",
    ),
    3: (
        "of a clip or a volume",
        "take that of a frame with VideoTree.load(path).frame(i)",
    ),
}
_NAME_AT = 30  # bytes of a zip archive before the name of its first member


def read_result(
    output: Path,
    name: str,
    *,
    title: str,
    pixels: UInt8[np.ndarray, "H W 3"],
    provenance: Provenance,
) -> Result | None:
    """The result of an earlier run, if it can stand for a new one.

    Args:
      output: the folder of the run.
      name: what the files of the result are called, without suffix.
      title: what people know the image as.
      pixels: the image, whose size the labels must have.
      provenance: what a new result would be made of.

    Returns:
      The result; None if there is none, or it was made of something else, or is
      damaged.
    """
    path = output / f"{name}.npz"
    beside = _beside_the_tree(path)
    if beside.get("provenance") != provenance:
        return None
    try:
        tree = RegionTree.load(path)
    except (tree_file.TreeFileError, OSError, ValueError):
        return None
    if tree.labels.shape != pixels.shape[:2]:
        return None
    return Result(name, title, pixels, tree, **beside)


_TREE = {"labels", "parents", "depths", "costs"}  # what a saved tree has at least


@dataclasses.dataclass(frozen=True)
class Saved:
    """What an npz says beside the arrays of its tree.

    Attributes:
      size: (height, width) of the labels.
      title: what people know the image as; empty where that is not said.
      place: as of a `Result`.
      provenance: as of a `Result`.
      num_categories: the highest category; None if there are none.
    """

    size: tuple[int, int]
    title: str = ""
    place: str = ""
    provenance: Provenance | None = None
    num_categories: int | None = None


def look_up(path: Path) -> Saved | None:
    """What an npz says, in a millisecond; None if it holds no tree.

    Raises:
      TreeFileError: it is damaged.
      OSError: it cannot be read.
    """
    try:
        with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as file:
            if not _TREE.issubset(file.files):
                return None
            with file.zip.open("labels.npy") as member:
                shape = read_npy_header(member).shape
            texts = {x: str(file[x]) for x in _SAID if x in file.files}
            most = None
            if "categories" in file.files:
                most = int(file["categories"].max(initial=0))
    except OSError:
        raise
    except Exception as error:  # a damaged archive fails in many ways
        raise tree_file.TreeFileError(
            f"{path}: expected a saved tree (npz), but the file is damaged or "
            "something else; leave it out, or segment the image again."
        ) from error
    if len(shape) != 2:
        lattice, advice = _OTHERS.get(
            len(shape), (f"over {shape}", "give another file")
        )
        raise tree_file.TreeFileError(
            f"{path}: expected the tree of an image, but this is one {lattice}; "
            f"{advice}, or leave it out."
        )
    height, width = shape
    return Saved(
        (height, width),
        texts.get("title", ""),
        texts.get("image", ""),
        _provenance(texts),
        most,
    )


def read_saved(
    path: Path, name: str, title: str, image: UInt8[np.ndarray, "H W 3"] | None
) -> Result:
    """The result in an npz that a run wrote, or `RegionTree.save`.

    Args:
      path: the file.
      name: what the files of the result are called, without suffix.
      title: what people know the image as.
      image: the image; None if no format needs it.

    Raises:
      TreeFileError: it is damaged.
      ValueError: the image has another size.
      OSError: it cannot be read.
    """
    tree = RegionTree.load(path)
    return Result(name, title, image, tree, **_beside_the_tree(path))


def _beside_the_tree(path: Path) -> dict[str, Any]:
    """Fields of a result; none if no run wrote the file, or it is damaged."""
    if not path.is_file():
        return {}
    try:
        with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as file:
            made_of = _provenance({x: str(file[x]) for x in _SAID if x in file.files})
            more = {x: file[x] for x in ("categories", "distances") if x in file.files}
    except Exception:  # a damaged archive fails in many ways
        return {}
    return {**more, "provenance": made_of} if made_of else {}


def _provenance(said: Mapping[str, str]) -> Provenance | None:
    """What a result was made of; None where no run says so."""
    if not {*_MADE_OF} <= said.keys():
        return None
    settings, source = (said[x] for x in _MADE_OF)
    return Provenance(settings, source, said.get(_FEATURES, ""))


def _has_mark(path: Path) -> bool:
    """Whether a run wrote a file, be it damaged since."""
    if not begins_with(path, _MADE_OF[0]):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return {f"{x}.npy" for x in _MADE_OF} <= set(archive.namelist())
    except OSError:
        return False
    except Exception:  # a damaged archive fails in many ways
        return True


def begins_with(path: Path, name: str) -> bool:
    """Whether a file is an npz, be it damaged, whose first array has that name."""
    member = f"{name}.npy".encode()
    try:
        with open(path, "rb") as file:
            begin = file.read(_NAME_AT + len(member))
    except OSError:
        return False
    return begin[:2] == b"PK" and begin[_NAME_AT:] == member


def _is_good(path: Path, result: Result, options: ExportOptions) -> bool:
    del result, options
    return path.is_file()  # the result was read from there


def _render(result: Result, options: ExportOptions) -> list[bytes]:
    del options
    more: dict[str, np.ndarray] = {}
    if result.categories is not None:
        more["categories"] = np.asarray(result.categories, np.int32)
    if result.distances is not None:
        more["distances"] = np.asarray(result.distances, np.float32)
    count = int(result.tree.num_nodes)
    said: dict[str, np.ndarray] = {}
    if result.provenance is not None:
        said = {x: np.array(getattr(result.provenance, x)) for x in _MADE_OF}
        if result.provenance.features:
            said[_FEATURES] = np.array(result.provenance.features)
    said["title"] = np.array(result.title)
    if result.place:
        said["image"] = np.array(result.place)
    content = tree_file.encode(
        **said,
        labels=np.asarray(result.tree.labels, np.int32),
        parents=np.asarray(result.tree.parents, np.int32)[:count],
        depths=np.asarray(result.tree.depths, np.int32)[:count],
        costs=np.asarray(result.tree.costs, np.float32)[:count],
        **{name: x[:count] for name, x in more.items()},
    )
    return [content]


NPZ = for_each_image(
    "npz",
    "the tree; without it later runs compute it again",
    [ImageFile(".npz", _is_good, _has_mark)],
    _render,
    needs_pixels=False,
    holds_regions=False,
)
