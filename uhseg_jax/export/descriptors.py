"""Descriptors of all regions of an image, in a file beside its tree.

They are the means of the features that the method had (`RegionTree.describe`), so the
regions of one run can be compared: `uhseg_jax.similar_regions` reads these files, and
the page finds similar regions where they were written.
"""

import functools
from pathlib import Path

import numpy as np

from uhseg_jax.export.exporter import ImageFile, for_each_image
from uhseg_jax.export.npz import begins_with
from uhseg_jax.export.result import ExportOptions, Result
from uhseg_jax.hierarchy.descriptors import descriptor_file
from uhseg_jax.types import Float

__all__ = ["DESCRIPTORS", "read_descriptors"]

_MARK = "uhseg_jax"  # name of the array that says how the file was made
_HOW = "descriptors"


def read_descriptors(path: Path, result: Result) -> Float[np.ndarray, "n d"] | None:
    """Descriptors that are there; None if there are none of this very result.

    Args:
      path: the file.
      result: without descriptors.
    """
    if not path.is_file() or _note_in(path) != result.note(_HOW):
        return None
    try:
        found = descriptor_file.read(path, result.tree_id)
    except (ValueError, OSError):
        return None
    return found if len(found) == int(result.tree.num_nodes) else None


def _note_in(path: Path) -> str:
    try:
        with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as file:
            return str(file[_MARK])
    except Exception:  # a damaged archive fails in many ways
        return ""


def _is_good(path: Path, result: Result, options: ExportOptions) -> bool:
    del options
    return read_descriptors(path, result) is not None


def _render(result: Result, options: ExportOptions) -> list[bytes]:
    del options
    if result.descriptors is None:
        raise ValueError(
            f"{result.title}: expected descriptors, but it has none; uhseg-segment "
            "makes them with --format=npz,descriptors, of trees that are there too."
        )
    mark = {_MARK: np.array(result.note(_HOW))}
    return [descriptor_file.encode(result.descriptors, result.tree_id, **mark)]


DESCRIPTORS = for_each_image(
    "descriptors",
    "what similar regions are found by, NAME.descriptors.npz",
    [
        ImageFile(
            descriptor_file.SUFFIX,
            _is_good,
            functools.partial(begins_with, name=_MARK),
        )
    ],
    _render,
    needs_pixels=False,
    holds_regions=False,
    uses_descriptors=True,
)
