"""Label maps: PNGs of numbers for programs, and the same in colours for people.

Numbers are grey values, which every reader gives back as they are; a palette would make
most of them give colours. The format ``labels`` counts the regions that a run shows
from 0, without gaps; ``nodes`` has the numbers of nodes, which are the same in every
cut. DAVIS has a palette of its own (`davis_palette`), and counts from 1.
"""

import functools
import os
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from uhseg_jax.export.colors import category_colors, node_colors
from uhseg_jax.export.exporter import Exporter
from uhseg_jax.export.png_files import png_format, save_png
from uhseg_jax.export.result import ExportOptions, Result
from uhseg_jax.hierarchy.regions import NO_NODE, VOID
from uhseg_jax.types import Int, Integer, UInt8

__all__ = ["COLORS", "DAVIS", "LABELS", "NODES", "davis_palette", "save_categories"]

_MAX_ID = 2**16 - 1
_VOID, _VOID_16 = 2**8 - 1, _MAX_ID  # in files of 8 and of 16 bits


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


def _numbers(result: Result, options: ExportOptions) -> Int[np.ndarray, "H W"]:
    """The disjoint region of every pixel, from 0; ``VOID`` where there is none."""
    regions = result.regions(options)
    try:
        return regions.labels()
    except ValueError as error:
        raise ValueError(
            f"{result.title}: expected disjoint regions, since a pixel of a label map "
            "has one number, but some lie in others; leave out --nested (flat=True) or "
            "take the format masks."
        ) from error


def _labels(result: Result, options: ExportOptions) -> Image.Image:
    numbers = _numbers(result, options)
    count = int(numbers.max()) + 1
    if count > _VOID_16:
        raise ValueError(
            f"{result.title}: expected at most {_VOID_16} regions, which is what a PNG "
            f"can number beside the void, but there are {count}; choose fewer "
            "(num_regions, or min_area)."
        )
    void, kind = (_VOID, np.uint8) if count <= _VOID else (_VOID_16, np.uint16)
    return Image.fromarray(np.where(numbers == VOID, void, numbers).astype(kind))


def _colors(result: Result, options: ExportOptions) -> Image.Image:
    """The same in the colours of the overlay, the void black."""
    numbers = _numbers(result, options)
    nodes = result.regions(options).nodes
    colors = node_colors(result.tree)[nodes]
    unions = nodes == NO_NODE
    colors[unions] = category_colors(int(unions.sum()))[1:]
    count = len(colors)
    if count >= _VOID:
        colors = np.concatenate([colors, np.zeros((1, 3), np.uint8)])
        return Image.fromarray(colors[numbers])  # VOID is the last
    palette = np.zeros((_VOID + 1, 3), np.uint8)
    palette[:count] = colors
    image = Image.fromarray(np.where(numbers == VOID, _VOID, numbers).astype(np.uint8))
    image.putpalette(palette.tobytes())
    return image


def _nodes(result: Result, options: ExportOptions) -> Image.Image:
    count = int(result.tree.num_nodes)
    if count - 1 > _MAX_ID:
        raise ValueError(
            f"{result.title}: expected a tree of at most {_MAX_ID + 1} nodes, which is "
            f"what a PNG can number, but it has {count}; save it with tree.save."
        )
    tree, nodes = result.pruned(options)
    return _drawn(nodes[np.asarray(tree.labels)], count, None)


def _davis(result: Result, options: ExportOptions) -> Image.Image:
    numbers = _numbers(result, options) + 1
    if numbers.max() > _VOID:
        raise ValueError(
            f"{result.title}: expected at most {_VOID} regions, which is what an "
            f"annotation of DAVIS can hold, but there are {numbers.max()}; choose "
            "fewer (num_regions, or min_area)."
        )
    image = Image.fromarray(numbers.astype(np.uint8))
    image.putpalette(davis_palette().tobytes())
    return image


def davis_palette() -> UInt8[np.ndarray, "256 3"]:
    """The colours of the labels 0 to 255 in PASCAL VOC and in files like DAVIS's.

    From the highest bit of each channel down, bits of the label are dealt out to red,
    green and blue.
    """
    labels = np.arange(256)
    colors = np.zeros((256, 3), np.int64)
    for bit in range(8):
        for channel in range(3):
            if 3 * bit + channel < 8:
                colors[:, channel] |= (labels >> (3 * bit + channel) & 1) << (7 - bit)
    return colors.astype(np.uint8)


def _of_regions(
    draw: Callable[[Result, ExportOptions], Image.Image], *, colored: bool
) -> Callable[[Result, ExportOptions], Image.Image]:
    """Draws regions, or the categories of a run that found such."""

    def drawn(result: Result, options: ExportOptions) -> Image.Image:
        if not options.maps_categories or result.selected is not None:
            return draw(result, options)
        assert options.num_categories is not None
        return _of_categories(
            result.category_map(),
            result.title,
            count=options.num_categories,
            colored=colored,
        )

    return drawn


def _note(options: ExportOptions, *, how: str) -> str:
    if options.maps_categories:
        return f"category ids {how}"
    return options.region_note(f"labels {how}")


def _format(name: str, summary: str, draw: Any, note: Any, **more: Any) -> Exporter:
    return png_format(
        name, summary, f".{name}.png", draw=draw, note=note, needs_pixels=False, **more
    )


LABELS = _format(
    "labels",
    "PNG of regions, counted from 0, 255 or 65535 where none is",
    _of_regions(_labels, colored=False),
    functools.partial(_note, how="as grey values"),
    flat=True,
    disjoint=True,
)
COLORS = _format(
    "colors",
    "the same to look at",
    _of_regions(_colors, colored=True),
    functools.partial(_note, how="in colours"),
    flat=True,
    disjoint=True,
)
NODES = _format(
    "nodes",
    "PNG of the numbers of nodes, grey",
    _nodes,
    lambda options: options.note("nodes as grey values"),
    holds_regions=False,
)
DAVIS = png_format(
    "davis",
    "Annotations/NAME.png, regions from 1 in the palette of DAVIS",
    ".png",
    draw=_davis,
    note=lambda options: options.region_note("annotations as of DAVIS"),
    folder="Annotations/",
    needs_pixels=False,
    in_runs=False,
    flat=True,
    disjoint=True,
)
