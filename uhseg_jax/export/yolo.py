"""Segments as Ultralytics' YOLO trains on them: a text file for each image.

    yolo/data.yaml         where the images are and what the classes are called
    yolo/labels/NAME.txt   a line for every region: its class, from 0, and its outline,
                           x and y as shares of the width and the height of the image
    yolo/images/NAME.jpg   to be put there: a copy of the images, or a link to them

A region is one line. Its pieces and holes are joined by seams, as Ultralytics joins the
pieces of COCO's objects; with ``connected`` every piece is a region of its own. All
images are for training and for validation too: how they are divided is not ours to say.
"""

import contextlib
import json
import posixpath
from collections.abc import Iterator

import numpy as np

from uhseg_jax.export.exporter import Destination, Exporter, FileOfTheRun, FileWriter
from uhseg_jax.export.region_rows import rows_of
from uhseg_jax.export.result import ExportOptions, Result
from uhseg_jax.export.shapes import EDITABLE, one_line
from uhseg_jax.outlines.seams import in_one

__all__ = ["YOLO", "data_file", "lines_of"]

_DATA, _LABELS = "yolo/data.yaml", "yolo/labels/{name}.txt"


def lines_of(result: Result, options: ExportOptions) -> tuple[str, str]:
    """The file of an image, below the output folder, and what it holds."""
    tolerance = EDITABLE if options.tolerance is None else options.tolerance
    found = result.regions(options).polygons(tolerance)
    size = np.array(result.size[::-1])
    lines = []
    for row in rows_of(result, options):
        shares = (in_one(found[row.index]) / size).ravel().tolist()
        outline = " ".join(f"{x:.7g}" for x in shares)
        lines.append(f"{row.class_id - 1} {outline}\n")
    return _LABELS.replace("{name}", _stem(result)), "".join(lines)


def _stem(result: Result) -> str:
    """The name of a result, which may be that of its image, without a suffix."""
    if posixpath.basename(result.name) == posixpath.basename(result.title):
        return posixpath.splitext(result.name)[0]
    return result.name


def data_file(options: ExportOptions) -> str:
    """What ``data.yaml`` holds."""
    names = "".join(
        f"  {number}: {json.dumps(one_line(name), ensure_ascii=False)}\n"
        for number, name in enumerate(options.class_names())
    )
    return (
        "# The images belong into the folder images beside this file, under the names\n"
        "# of the files in labels: copy them, or make it a link to their folder.\n"
        f"train: images\nval: images\nnames:\n{names}"
    )


@contextlib.contextmanager
def _open(destination: Destination, options: ExportOptions) -> Iterator[FileWriter]:
    with destination.write(_DATA) as aside:
        aside.write_text(data_file(options), "utf-8")
        yield _YoloWriter(destination)


class _YoloWriter(FileOfTheRun):
    """Writes the files of images."""

    def __init__(self, destination: Destination):
        self._destination = destination

    def add(self, content: tuple[str, str]) -> None:
        """Writes the lines of an image."""
        file, lines = content
        with self._destination.write(file) as aside:
            aside.write_text(lines, "ascii")


YOLO = Exporter(
    "yolo",
    "yolo/labels/NAME.txt and yolo/data.yaml, segments for Ultralytics",
    (_LABELS, _DATA),
    lines_of,
    _open,
    needs_pixels=False,
    in_runs=False,
    flat=True,
)
