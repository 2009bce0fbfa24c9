"""What annotation tools get of regions: polygons to edit or exact masks, and labels."""

import re
import unicodedata

from uhseg_jax.export.result import ExportOptions, Result
from uhseg_jax.outlines.polygons import Polygon

__all__ = ["EDITABLE", "as_text", "one_line", "polygons_of"]

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


def as_text(name: str, *, instead: str) -> str:
    """A name with something in place of what is no text in XML and YAML."""
    return "".join(instead if unicodedata.category(x) in _NO_TEXT else x for x in name)


def one_line(name: str) -> str:
    """A name without what is no text in XML and YAML, or would end a line."""
    return re.sub(r"\s+", " ", as_text(name, instead=" ")).strip() or "region"
