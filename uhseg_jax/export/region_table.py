"""A table of the regions of all images: regions.csv, for spreadsheets and pandas.

A row for every region that is shown:

    image       what people know the image as
    id          place of the region in its image, from 0; of disjoint regions the value
                that `labels` has
    parent      id of the smallest region around; empty if none is
    node        number in the arrays of the whole tree; empty for a union of several
    name        its name or class, "region" where there are none
    depth, cost of the node; empty for a union
    area        in pixels
    x, y, width, height           the box, in pixels
    centroid_x, centroid_y        mean column and row, from 0
    red, green, blue              mean colour, from 0 to 255
"""

import contextlib
import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import numpy as np

from uhseg_jax.export.exporter import FileOfTheRun, for_the_run
from uhseg_jax.export.region_rows import rows_of
from uhseg_jax.export.result import ExportOptions, Result
from uhseg_jax.hierarchy.regions import VOID, Regions
from uhseg_jax.types import Float, UInt8

__all__ = ["CSV", "open_table", "table_rows"]

_COLUMNS = (
    *("image", "id", "parent", "node", "name", "depth", "cost", "area"),
    *("x", "y", "width", "height", "centroid_x", "centroid_y"),
    *("red", "green", "blue"),
)


def table_rows(result: Result, options: ExportOptions) -> str:
    """The rows of an image, as CSV."""
    regions = result.regions(options)
    means = _means(regions, result.pixels)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for row in rows_of(result, options):
        x, y, red, green, blue = means[row.index].tolist()
        place = (row.index, row.parent, row.node, row.name, row.depth, row.cost)
        centroid = (f"{x:.2f}", f"{y:.2f}")
        color = (f"{red:.1f}", f"{green:.1f}", f"{blue:.1f}")
        writer.writerow([result.title, *place, row.area, *row.box, *centroid, *color])
    return text.getvalue()


def _means(
    regions: Regions, pixels: UInt8[np.ndarray, "h w 3"]
) -> Float[np.ndarray, "k 5"]:
    """Mean column, row, red, green and blue of every region."""
    inside = regions.pieces != VOID
    pieces, count = regions.pieces[inside], regions.contains.shape[1]
    rows, columns = np.nonzero(inside)
    values = (columns, rows, *pixels[inside].T)
    sums = [np.bincount(pieces, value, count) for value in values]
    return regions.contains @ np.stack(sums, axis=1) / regions.areas()[:, None]


@contextlib.contextmanager
def open_table(path: Path, options: ExportOptions) -> Iterator["_TableWriter"]:
    """Writes the table of many images, one in memory at a time.

    It is whole when the block has ended without an exception.
    """
    del options
    # File names may hold bytes that are no text; they become question marks.
    with open(path, "w", encoding="utf-8", errors="replace", newline="") as file:
        file.write(",".join(_COLUMNS) + "\n")
        yield _TableWriter(file)


class _TableWriter(FileOfTheRun):
    """Adds the rows of images to an open file."""

    def __init__(self, file: TextIO):
        self._file = file

    def add(self, content: str) -> None:
        """Writes the rows of an image."""
        self._file.write(content)


CSV = for_the_run(
    "csv",
    "regions.csv, a row for every region",
    "regions.csv",
    table_rows,
    open_table,
)
