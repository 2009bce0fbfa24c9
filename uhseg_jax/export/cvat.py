"""Annotations as CVAT imports them: one XML file, "CVAT for images 1.1".

Regions are polygons, or masks where the tolerance is 0. CVAT has no holes, and a shape
is in one piece: a hole hangs on the outline of its polygon by a seam, and pieces of one
region have one group. Around each other, outer regions lie below inner ones. Images are
known by their names, which must be those of the task.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from uhseg_jax.export.exporter import FileOfTheRun, for_the_run
from uhseg_jax.export.region_rows import RegionRow, outer_first, rows_of
from uhseg_jax.export.result import ExportOptions, Result
from uhseg_jax.export.shapes import as_text, one_line, polygons_of
from uhseg_jax.outlines.seams import without_holes
from uhseg_jax.types import Bool

__all__ = ["CVAT", "open_cvat", "shapes_of"]


def shapes_of(result: Result, options: ExportOptions) -> str:
    """The element of an image but for its number, with a shape for every piece."""
    height, width = result.size
    name = quoteattr(as_text(result.title, instead="?"))
    lines = [f'name={name} width="{width}" height="{height}">']
    found = polygons_of(result, options)
    levels: dict[int, int] = {}
    rows = outer_first(rows_of(result, options))
    for group, row in enumerate(rows, start=1):
        levels[row.index] = 0 if row.parent is None else levels[row.parent] + 1
        about = f'label={quoteattr(one_line(row.name))} source="auto" occluded="0"'
        place = f'z_order="{levels[row.index]}"'
        node = "" if row.node is None else str(row.node)
        end = f'>\n<attribute name="node">{node}</attribute>\n'
        if found is None:
            mask = row.mask_in_box(result.regions(options))
            what = f"{_rle(mask)} {_box(row)}"
            lines.append(f"<mask {about} {what} {place}{end}</mask>")
            continue
        polygons = found[row.index]
        if len(polygons) > 1:
            place += f' group_id="{group}"'
        for polygon in polygons:
            points = ";".join(f"{x},{y}" for x, y in without_holes(polygon).tolist())
            lines.append(f'<polygon {about} points="{points}" {place}{end}</polygon>')
    return "\n".join([*lines, "</image>\n"])


def _rle(mask: Bool[np.ndarray, "h w"]) -> str:
    """Lengths of runs along the rows of a mask, the first one outside."""
    values = mask.ravel()
    begins = np.flatnonzero(values[1:] != values[:-1]) + 1
    counts = np.diff(begins, prepend=0, append=values.size).tolist()
    if values[0]:
        counts = [0, *counts]
    return f'rle="{", ".join(map(str, counts))}"'


def _box(row: RegionRow) -> str:
    left, top, width, height = row.box
    return f'left="{left}" top="{top}" width="{width}" height="{height}"'


@contextlib.contextmanager
def open_cvat(path: Path, options: ExportOptions) -> Iterator["_CvatWriter"]:
    """Writes one file for many images, one image in memory at a time.

    It is whole when the block has ended without an exception.
    """
    names = dict.fromkeys(map(one_line, options.class_names()))
    labels = "".join(
        f"<label><name>{escape(name)}</name><type>any</type><attributes><attribute>"
        "<name>node</name><mutable>False</mutable><input_type>text</input_type>"
        "<default_value></default_value><values></values></attribute></attributes>"
        "</label>\n"
        for name in names
    )
    with open(path, "w", encoding="utf-8") as file:
        file.write(
            '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n'
            "<version>1.1</version>\n<meta><task><name>uhseg_jax</name>"
            f"<mode>annotation</mode>\n<labels>\n{labels}</labels></task></meta>\n"
        )
        yield _CvatWriter(file)
        file.write("</annotations>\n")


class _CvatWriter(FileOfTheRun):
    """Adds images to an open file."""

    def __init__(self, file: TextIO):
        self._file = file
        self._num_images = 0

    def add(self, content: str) -> None:
        """Writes the shapes of the next image."""
        self._file.write(f'<image id="{self._num_images}" {content}')
        self._num_images += 1


CVAT = for_the_run(
    "cvat",
    "annotations.xml, polygons of the regions for CVAT",
    "annotations.xml",
    shapes_of,
    open_cvat,
    needs_pixels=False,
    in_runs=False,
    flat=True,
)
