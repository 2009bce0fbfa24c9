"""What annotation tools get of regions: polygons to edit or exact masks, and labels."""

import re
import unicodedata

import numpy as np

from uhseg_jax.export.region_rows import RegionRow
from uhseg_jax.export.result import ExportOptions, Result
from uhseg_jax.hierarchy.regions import Regions
from uhseg_jax.outlines.polygons import Polygon
from uhseg_jax.types import Bool

__all__ = ["EDITABLE", "mask_in_box", "one_line", "polygons_of"]

EDITABLE = 1.0  # pixels: stairs of pixels become lines, and hands can move what is left
_NO_TEXT = {"Cc", "Cs", "Cn", "Zl", "Zp"}  # controls, halves of pairs, ends of lines


def polygons_of(result: Result, options: ExportOptions) -> list[list[Polygon]] | None:
    """The polygons of all regions; None where the tolerance is 0, and masks are meant.

    Args:
      result: of one image.
      options: of the run; where its tolerance is None, it is `EDITABLE`.
    """
    if options.tolerance == 0:
        return None
    tolerance = EDITABLE if options.tolerance is None else options.tolerance
    return result.regions(options).polygons(tolerance)


def mask_in_box(regions: Regions, row: RegionRow) -> Bool[np.ndarray, "h w"]:
    """The pixels of a region within its box."""
    left, top, width, height = row.box
    held = np.append(regions.contains[row.index], False)  # the void is last
    return held[regions.pieces[top : top + height, left : left + width]]


def one_line(name: str) -> str:
    """A name without what is no text in XML and YAML, or would end a line."""
    letters = (" " if unicodedata.category(x) in _NO_TEXT else x for x in name)
    return re.sub(r"\s+", " ", "".join(letters)).strip() or "region"
