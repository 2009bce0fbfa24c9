"""Label maps as PNG: the value of a pixel is the id of its leaf or of its category."""

import os
from pathlib import Path

import numpy as np
from PIL import Image

from uhseg_jax.export.colors import category_colors, node_colors
from uhseg_jax.export.exporter import ExportOptions, Result, for_each_image
from uhseg_jax.export.png_files import is_own, is_whole, note_of_result, save_png
from uhseg_jax.hierarchy.tree import RegionTree, visible_nodes
from uhseg_jax.types import Integer, UInt8

__all__ = ["LABELS", "save_categories", "save_labels"]

_MAX_ID = 2**16 - 1


def save_labels(
    path: str | os.PathLike[str],
    tree: RegionTree,
    *,
    num_regions: int | None = None,
    note: str | None = None,
) -> None:
    """Writes a cut of a tree as a PNG whose pixels are node ids.

    Trees of up to 256 nodes give 8-bit pixels with the colours of the overlay as
    palette, so that the file can be looked at; larger ones 16-bit grey. Ids are those
    of the saved tree, hence the same region has the same id in every cut.

    Args:
      path: the file to write.
      tree: one tree.
      num_regions: at most how many regions, as in `RegionTree.cut`; all leaves if None.
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
    save_png(path, _indexed(labels, node_colors(tree)[:count]), note=note)


def save_categories(
    path: str | os.PathLike[str],
    categories: Integer[np.ndarray, "H W"],
    *,
    count: int,
    note: str | None = None,
) -> None:
    """Writes a PNG whose pixels are category ids, 0 for the background.

    8-bit pixels with the colours of the categories as palette up to 255 categories,
    else 16-bit grey.

    Args:
      path: the file to write.
      categories: the category of every pixel.
      count: how many there are in the run.
      note: as in `png_files.save_png`.

    Raises:
      ValueError: there are more than 65535 categories.
    """
    if count > _MAX_ID:
        raise ValueError(
            f"{path}: expected at most {_MAX_ID} categories, which is what a PNG can "
            f"number, but there are {count}."
        )
    save_png(path, _indexed(categories, category_colors(count)), note=note)


def _indexed(
    ids: Integer[np.ndarray, "H W"], palette: UInt8[np.ndarray, "n 3"]
) -> Image.Image:
    if len(palette) > 256:
        return Image.fromarray(ids.astype(np.uint16))
    image = Image.fromarray(ids.astype(np.uint8), "L")
    image.putpalette(palette.tobytes())
    return image


def _write(path: Path, result: Result, options: ExportOptions, keep: bool) -> None:
    count = options.num_categories
    note = note_of_result(result, "labels" if count is None else "category ids")
    if keep and is_whole(path, note):
        return
    if count is None:
        save_labels(path, result.tree, note=note)
    else:
        save_categories(path, result.category_map(), count=count, note=note)


LABELS = for_each_image("labels", "PNG of leaf ids", ".labels.png", _write, is_own)
