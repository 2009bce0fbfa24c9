"""Label maps: PNGs of ids for programs, and the same in colours for people.

Ids are grey values, which every reader gives back as they are; a palette would make
most of them give colours.
"""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from uhseg_jax.export.colors import category_colors, node_colors
from uhseg_jax.export.exporter import ExportOptions, Result, for_each_image
from uhseg_jax.export.png_files import is_own, is_whole, note_of_result, save_png
from uhseg_jax.hierarchy.tree import RegionTree, visible_nodes
from uhseg_jax.types import Integer, UInt8

__all__ = ["COLORS", "LABELS", "save_categories", "save_labels"]

_MAX_ID = 2**16 - 1


def save_labels(
    path: str | os.PathLike[str],
    tree: RegionTree,
    *,
    num_regions: int | None = None,
    colored: bool = False,
    note: str | None = None,
) -> None:
    """Writes a cut of a tree as a PNG whose pixels are node ids.

    Ids are those of the saved tree, hence the same region has the same id in every cut.

    Args:
      path: the file to write.
      tree: one tree.
      num_regions: at most how many regions, as in `RegionTree.cut`; all leaves if None.
      colored: the colours of the overlay as a palette of the ids, or in their place
        where there are more than 256 nodes. Otherwise ids are grey, of 8 bits for up to
        256 nodes and else of 16.
      note: as in `png_files.save_png`.

    Raises:
      ValueError: the tree has more than 65536 nodes, or ``num_regions`` is below 1.
    """
    count = int(tree.num_nodes)
    if count - 1 > _MAX_ID:
        raise ValueError(
            f"{path}: expected a tree of at most {_MAX_ID + 1} nodes, which is what a "
            f"PNG can number, but it has {count}; save it with tree.save."
        )
    labels = np.asarray(tree.labels)
    if num_regions is not None:
        labels = np.asarray(visible_nodes(tree, num_regions=num_regions))[labels]
    colors = node_colors(tree)[:count] if colored else None
    save_png(path, _drawn(labels, count, colors), note=note)


def save_categories(
    path: str | os.PathLike[str],
    categories: Integer[np.ndarray, "H W"],
    *,
    count: int,
    colored: bool = False,
    note: str | None = None,
) -> None:
    """Writes a PNG whose pixels are category ids, 0 for the background.

    Args:
      path: the file to write.
      categories: the category of every pixel.
      count: how many there are in the run.
      colored: as in `save_labels`, in the colours of the categories.
      note: as in `png_files.save_png`.

    Raises:
      ValueError: there are more than 65535 categories.
    """
    if count > _MAX_ID:
        raise ValueError(
            f"{path}: expected at most {_MAX_ID} categories, which is what a PNG can "
            f"number, but there are {count}."
        )
    colors = category_colors(count) if colored else None
    save_png(path, _drawn(categories, count + 1, colors), note=note)


def _drawn(
    ids: Integer[np.ndarray, "H W"], count: int, colors: UInt8[np.ndarray, "n 3"] | None
) -> Image.Image:
    """Ids below a count as grey values, or in colours."""
    if count > 256:
        of_pixels = ids.astype(np.uint16) if colors is None else colors[ids]
        return Image.fromarray(of_pixels)
    image = Image.fromarray(ids.astype(np.uint8), "L")
    if colors is not None:
        image.putpalette(colors.tobytes())
    return image


def _writer(*, colored: bool) -> Callable[..., None]:
    """What writes the label map of a result."""
    how = " in colours" if colored else " as grey values"

    def write(path: Path, result: Result, options: ExportOptions, keep: bool) -> None:
        count = options.num_categories
        kind = "labels" if count is None else "category ids"
        note = note_of_result(result, kind + how)
        if keep and is_whole(path, note):
            return
        if count is None:
            save_labels(path, result.tree, colored=colored, note=note)
        else:
            categories = result.category_map()
            save_categories(path, categories, count=count, colored=colored, note=note)

    return write


LABELS = for_each_image(
    "labels", "PNG of leaf ids, grey", ".labels.png", _writer(colored=False), is_own
)
COLORS = for_each_image(
    "colors", "the same to look at", ".colors.png", _writer(colored=True), is_own
)
