"""Annotations as labelme keeps them: a JSON file for each image.

    NAME.json   "imagePath" names the image, from the folder of the file; "shapes" are
                polygons, or masks where the tolerance is 0

labelme has no holes, and a shape is in one piece. A hole hangs on the outline of its
polygon by a seam; pieces of one region are shapes of one "group_id". Masks are exact
and whole, but are not edited point by point.
"""

import base64
import io
import json
import posixpath
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from uhseg_jax.export.exporter import ImageFile, for_each_image
from uhseg_jax.export.region_rows import RegionRow, outer_first, rows_of
from uhseg_jax.export.result import ExportOptions, Result
from uhseg_jax.export.shapes import polygons_of
from uhseg_jax.outlines.polygons import Polygon
from uhseg_jax.outlines.seams import without_holes

__all__ = ["LABELME"]

_VERSION = "5.5.0"  # of labelme, whose format this is
_MARK = b'{"uhseg_jax": '  # labelme keeps such fields, but behind its own


def _render(result: Result, options: ExportOptions) -> list[bytes]:
    height, width = result.size
    content: dict[str, Any] = {
        "uhseg_jax": result.note("labelme"),
        "version": _VERSION,
        "flags": {},
        "shapes": list(_shapes(result, options)),
        "imagePath": _image_path(result),
        "imageData": None,
        "imageHeight": height,
        "imageWidth": width,
    }
    # File names may hold bytes that are no text; they become question marks.
    text = json.dumps(content, ensure_ascii=False, allow_nan=False)
    return [text.encode("utf-8", errors="replace")]


def _image_path(result: Result) -> str:
    """Where the image is from the folder of the file; beside it if nobody knows."""
    if not result.place:
        return posixpath.basename(result.title)
    if posixpath.isabs(result.place):
        return result.place
    return posixpath.relpath(result.place, posixpath.dirname(result.name) or ".")


def _shapes(result: Result, options: ExportOptions) -> Iterator[dict[str, Any]]:
    found = polygons_of(result, options)
    rows = outer_first(rows_of(result, options))  # labelme paints them in this order
    for group, row in enumerate(rows, start=1):
        if found is None:
            yield _shape(row, None, **_mask(result, options, row))
            continue
        polygons = found[row.index]
        for polygon in polygons:
            yield _shape(row, group if len(polygons) > 1 else None, **_outline(polygon))


def _shape(row: RegionRow, group: int | None, **more: Any) -> dict[str, Any]:
    said: dict[str, Any] = {"description": "", "flags": {}, "node": row.node}
    return {"label": row.name, "group_id": group, **more, **said}


def _outline(polygon: Polygon) -> dict[str, Any]:
    points = without_holes(polygon).tolist()
    return {"shape_type": "polygon", "points": points, "mask": None}


def _mask(result: Result, options: ExportOptions, row: RegionRow) -> dict[str, Any]:
    left, top, width, height = row.box
    file = io.BytesIO()
    mask = row.mask_in_box(result.regions(options))
    Image.fromarray(mask.astype(np.uint8)).save(file, "png")
    corners = [[left, top], [left + width - 1, top + height - 1]]
    content = base64.b64encode(file.getvalue()).decode("ascii")
    return {"shape_type": "mask", "points": corners, "mask": content}


def _is_good(path: Path, result: Result, options: ExportOptions) -> bool:
    del path, result, options
    return False  # other regions may be wanted


def _has_mark(path: Path) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(len(_MARK)) == _MARK
    except OSError:
        return False


LABELME = for_each_image(
    "labelme",
    "NAME.json, polygons of the regions",
    [ImageFile(".json", _is_good, _has_mark)],
    _render,
    needs_pixels=False,
    in_runs=False,
    flat=True,
)
