"""Label maps: PNGs of ids for programs, and the same in colours for people.

Ids are grey values, which every reader gives back as they are; a palette would make
most of them give colours.
"""

import functools
import os

import numpy as np
from PIL import Image

from uhseg_jax.export.colors import category_colors, node_colors
from uhseg_jax.export.exporter import Exporter, ExportOptions, Result
from uhseg_jax.export.png_files import png_format, save_png
from uhseg_jax.hierarchy.placement import visible_nodes
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.types import Integer, UInt8

__all__ = ["COLORS", "LABELS", "save_categories", "save_labels"]

_MAX_ID = 2**16 - 1


def save_labels(
    path: str | os.PathLike[str],
    tree: RegionTree,
    *,
    num_regions: int | None = None,
    colored: bool = False,
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

    Raises:
      ValueError: the tree has more than 65536 nodes, or ``num_regions`` is below 1.
    """
    save_png(path, _of_tree(tree, path, num_regions=num_regions, colored=colored))


def save_categories(
    path: str | os.PathLike[str],
    categories: Integer[np.ndarray, "H W"],
    *,
    count: int,
    colored: bool = False,
) -> None:
    """Writes a PNG whose pixels are category ids, 0 for the background.

    Args:
      path: the file to write.
      categories: the category of every pixel.
      count: how many there are in the run.
      colored: as in `save_labels`, in the colours of the categories.

    Raises:
      ValueError: there are more than 65535 categories.
    """
    save_png(path, _of_categories(categories, path, count=count, colored=colored))


def _of_tree(
    tree: RegionTree, name: object, *, num_regions: int | None = None, colored: bool
) -> Image.Image:
    """What `save_labels` writes; errors call it by its name."""
    count = int(tree.num_nodes)
    if count - 1 > _MAX_ID:
        raise ValueError(
            f"{name}: expected a tree of at most {_MAX_ID + 1} nodes, which is what a "
            f"PNG can number, but it has {count}; save it with tree.save."
        )
    labels = np.asarray(tree.labels)
    if num_regions is not None:
        labels = np.asarray(visible_nodes(tree, num_regions=num_regions))[labels]
    colors = node_colors(tree)[:count] if colored else None
    return _drawn(labels, count, colors)


def _of_categories(
    categories: Integer[np.ndarray, "H W"], name: object, *, count: int, colored: bool
) -> Image.Image:
    """What `save_categories` writes; errors call it by its name."""
    if count > _MAX_ID:
        raise ValueError(
            f"{name}: expected at most {_MAX_ID} categories, which is what a PNG can "
            f"number, but there are {count}."
        )
    colors = category_colors(count) if colored else None
    return _drawn(categories, count + 1, colors)


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


def _draw(result: Result, options: ExportOptions, *, colored: bool) -> Image.Image:
    count, name = options.num_categories, result.title
    if count is None:
        return _of_tree(result.tree, name, colored=colored)
    return _of_categories(result.category_map(), name, count=count, colored=colored)


def _note(options: ExportOptions, *, colored: bool) -> str:
    kind = "labels" if options.num_categories is None else "category ids"
    return f"{kind} {'in colours' if colored else 'as grey values'}"


def _format(name: str, summary: str, *, colored: bool) -> Exporter:
    return png_format(
        name,
        summary,
        f".{name}.png",
        draw=functools.partial(_draw, colored=colored),
        note=functools.partial(_note, colored=colored),
    )


LABELS = _format("labels", "PNG of leaf ids, grey", colored=False)
COLORS = _format("colors", "the same to look at", colored=True)
