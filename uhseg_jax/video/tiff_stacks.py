"""Stacks of slices as the pages of a TIFF."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from uhseg_jax.optional import imported
from uhseg_jax.video.frames import VideoError

__all__ = ["STACK_SUFFIXES", "is_stack", "read_stack"]

STACK_SUFFIXES = (".tif", ".tiff")
"""How the names of files end that may hold one."""

_SUBFILE_TYPE = 254  # a tag of TIFF; odd for smaller copies of a page


def is_stack(path: Path) -> bool:
    """Whether a file is a TIFF of several pages; smaller copies of one are none."""
    if not path.name.lower().endswith(STACK_SUFFIXES):
        return False
    pages = 0
    try:
        with open(path, "rb") as file:
            head = file.read(8)
            tags = ImageFileDirectory_v2(
                head + (file.read(8) if head[2] == 43 else b"")
            )
            for _ in range(8):  # of those at the beginning
                file.seek(tags.next)
                tags.load(file)
                pages += not tags.get(_SUBFILE_TYPE, 0) & 1
                if not tags.next:
                    break
    except Exception:  # what is damaged is told when it is read
        return False
    return pages > 1


def read_stack(path: Path) -> np.ndarray:
    """The pages of a TIFF, ``[z, H, W]`` or with colours; mapped where that can be.

    Raises:
      VideoError: its pages differ, or channels come before rows.
      MissingPackageError: tifffile is not installed.
    """
    tifffile = imported("tifffile", "Reading a stack of TIFF")
    with tifffile.TiffFile(path) as file:
        series = [x for x in file.series if not x.keyframe.is_reduced]
        _check_pages(path, series)
        first = series[0]
        if len(series) > 1:
            values = np.stack([x.asarray() for x in series])
        elif first.dataoffset is not None and not first.keyframe.is_tiled:
            place = file.series.index(first)
            values = tifffile.memmap(path, series=place, mode="r")
        else:
            values = first.asarray()
        is_page = len(series) == 1 and "".join(first.axes) in ("YX", "YXS")
    return values[None] if is_page else values


def _check_pages(path: Path, series: Sequence[Any]) -> None:
    """Refuses a TIFF of which a part would be left out or be taken for slices.

    Raises:
      VideoError: its pages differ, or channels come before rows.
    """
    kinds = {(x.shape, str(x.dtype)) for x in series}
    if len(kinds) > 1:
        found = " and ".join(f"{shape} of {kind}" for shape, kind in sorted(kinds))
        raise VideoError(
            f"{path}: expected pages of one size and kind, but found {found}; write a "
            "stack of those that belong together."
        )
    axes = "".join(series[0].axes)
    if set("CS").intersection(axes[:-1]):
        raise VideoError(
            f"{path}: expected slices of one channel, or of red, green and blue behind "
            f"the columns, but its axes are {axes}; write a stack of one channel."
        )
