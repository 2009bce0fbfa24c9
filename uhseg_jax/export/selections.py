"""Files of selected regions, as the page saves them.

    {"uhseg_jax": "selection", "version": 1, "images": [
      {"name": TITLE, "size": [H, W], "num_nodes": n, "tree": TREE_ID, "regions": [
        {"name": "dog", "nodes": [12, 15]}]}]}

A region is the union of its nodes; its name may be empty. Nodes count only in the very
tree that they were selected in, which `Result.tree_id` tells from others.
"""

import dataclasses
import os
from collections.abc import Iterable
from typing import Any

from uhseg_jax.export.result import Result, Selected
from uhseg_jax.files import parse_json

__all__ = [
    "SelectedImage",
    "SelectionError",
    "all_named",
    "names_of",
    "read_selection",
]

_NAMELESS = ("", "region")  # the second is what formats call those without a name

_KIND, _VERSION = "selection", 1


class SelectionError(ValueError):
    """A file holds no selection, or one of something else."""


@dataclasses.dataclass(frozen=True)
class SelectedImage:
    """The regions that were selected in an image.

    Attributes:
      title: what the image is called.
      size: its height and width.
      num_nodes: of its tree.
      tree_id: of the tree.
      regions: those selected.
    """

    title: str
    size: tuple[int, int]
    num_nodes: int
    tree_id: str
    regions: tuple[Selected, ...]

    def of(self, result: Result) -> Result:
        """A result with these regions.

        Raises:
          SelectionError: they were selected in another tree.
        """
        found = (result.size, int(result.tree.num_nodes), result.tree_id)
        if found != (self.size, self.num_nodes, self.tree_id):
            (height, width), count, tree_id = found
            raise SelectionError(
                f"{self.title}: expected the tree that the regions were selected in "
                f"({self.num_nodes} nodes, {self.size[1]} x {self.size[0]} pixels, "
                f"{self.tree_id}), but the results hold another ({count} nodes, "
                f"{width} x {height} pixels, {tree_id}); select them again."
            )
        return dataclasses.replace(result, selected=self.regions)


def names_of(images: Iterable[SelectedImage]) -> tuple[str, ...]:
    """What selected regions are called, each name once."""
    names = (region.name for one in images for region in one.regions)
    return tuple(dict.fromkeys(x for x in names if x not in _NAMELESS))


def all_named(images: Iterable[SelectedImage]) -> bool:
    """Whether every selected region has a name."""
    return all(x.name not in _NAMELESS for one in images for x in one.regions)


def read_selection(path: str | os.PathLike[str]) -> tuple[SelectedImage, ...]:
    """Reads a file of selected regions; images without any are left out.

    Raises:
      SelectionError: it holds something else, or cannot be read.
    """
    expected = f"{path}: expected regions selected in index.html and saved there, but"
    try:
        with open(path, "rb") as file:
            found = parse_json(file.read())
    except OSError as error:
        raise SelectionError(
            f"{expected} the system says: {error.strerror}."
        ) from error
    except ValueError:
        found = None
    if not isinstance(found, dict) or found.get("uhseg_jax") != _KIND:
        raise SelectionError(f"{expected} the file holds something else.")
    if found.get("version") != _VERSION:
        raise SelectionError(
            f"{path}: expected a selection of version {_VERSION}, but it is of version "
            f"{found.get('version')!r}; save it with the page of this uhseg_jax."
        )
    try:
        images = [_image(one) for one in found["images"]]
    except (KeyError, TypeError, ValueError) as error:
        raise SelectionError(
            f"{path}: expected the selection as the page saved it, but it was changed "
            f"or damaged ({type(error).__name__}: {error}); save it again."
        ) from error
    titles = [one.title for one in images]
    if len({*titles}) < len(titles):
        twice = next(x for x in titles if titles.count(x) > 1)
        raise SelectionError(
            f"{path}: expected every image once, but {twice} is there again; leave one "
            "of the two out."
        )
    if not any(one.regions for one in images):
        raise SelectionError(
            f"{path}: expected selected regions, but there are none; select some in "
            "index.html."
        )
    return tuple(one for one in images if one.regions)


def _image(found: Any) -> SelectedImage:
    height, width = (_integer(x) for x in found["size"])
    count = _integer(found["num_nodes"])
    regions = [
        Selected(_text(one["name"]).strip(), tuple(map(_integer, one["nodes"])))
        for one in found["regions"]
    ]
    for region in regions:
        if not region.nodes or max(region.nodes) >= count:
            raise ValueError(f"a region has the nodes {region.nodes[:8]} of {count}")
    return SelectedImage(
        _text(found["name"]),
        (height, width),
        count,
        _text(found["tree"]),
        tuple(regions),
    )


def _integer(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"expected an integer from 0 up, but got {value!r}")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value
