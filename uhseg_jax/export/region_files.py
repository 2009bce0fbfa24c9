"""Formats with a file for each region: masks, and regions cut out of the image.

They lie in a folder for each image, ``NAME.masks/12.png``, and are called after their
nodes, which are the same in every cut. Of several with one node, which are components
of it from the largest on, the second is ``12.2.png``; unions of nodes are called
``union``, and regions that somebody named have that in their names too:
``12-dog.png``.
"""

import collections
import contextlib
import dataclasses
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from PIL import Image

from uhseg_jax.export.exporter import Destination, Exporter, Opened
from uhseg_jax.export.png_files import encoded, is_own, is_whole
from uhseg_jax.export.region_rows import RegionRow, rows_of
from uhseg_jax.export.result import ExportOptions, Result
from uhseg_jax.types import Bool, UInt8

__all__ = ["CUTOUTS", "MASKS", "for_each_region"]

_LONGEST_NAME = 40  # letters of a name that a file carries

Draw = Callable[[Result, RegionRow, Bool[np.ndarray, "h w"]], Image.Image]


def for_each_region(
    name: str, summary: str, draw: Draw, *, how: str, level: int, **more: Any
) -> Exporter:
    """A format of a PNG for each region, in a folder for each image.

    Args:
      name: what the format is called on command lines; the folders end in it.
      summary: what its files hold, for help texts: a noun phrase.
      draw: makes the image of a region, given its pixels within its box.
      how: says in few words how that is done.
      level: of the compression, see `encoded`.
      more: further fields of the `Exporter`.
    """

    def render(result: Result, options: ExportOptions) -> list[tuple[str, bytes]]:
        note = result.note(options.region_note(how))
        regions, rows = result.regions(options), rows_of(result, options)
        contents = []
        for file, row in zip(_files(result, rows), rows, strict=True):
            image = draw(result, row, row.mask_in_box(regions))
            contents.append((file, encoded(image, note, level=level)))
        return contents

    def _files(result: Result, rows: Sequence[RegionRow]) -> Iterator[str]:
        return (f"{result.name}.{name}/{stem}.png" for stem in _stems(result, rows))

    def is_there(
        result: Result, destination: Destination, options: ExportOptions
    ) -> bool:
        note = result.note(options.region_note(how))
        files = _files(result, rows_of(result, options))
        return all(is_whole(destination.output / file, note) for file in files)

    def open_files(destination: Destination, options: ExportOptions) -> Opened:
        return contextlib.nullcontext(_Writer(destination, options, is_there))

    pattern = f"{{name}}.{name}/*.png"
    return Exporter(
        name, summary, (pattern,), render, open_files, is_own, flat=True, **more
    )


@dataclasses.dataclass(frozen=True)
class _Writer:
    """The writer of a format of files for each region."""

    destination: Destination
    options: ExportOptions
    has_files: Callable[[Result, Destination, ExportOptions], bool]

    def is_there(self, result: Result) -> bool:
        return self.has_files(result, self.destination, self.options)

    def put(self, name: str, content: Sequence[tuple[str, bytes]]) -> None:
        del name  # it is in those of the files
        with contextlib.ExitStack() as stack:
            for file, written in content:
                aside = stack.enter_context(self.destination.write(file, is_own))
                aside.write_bytes(written)


def _stems(result: Result, rows: Sequence[RegionRow]) -> Iterator[str]:
    """What the files of regions are called, without suffix; no two alike."""
    seen: collections.Counter[str] = collections.Counter()
    for row in rows:
        stem = "union" if row.node is None else str(row.node)
        seen[stem] += 1
        if seen[stem] > 1:
            stem = f"{stem}.{seen[stem]}"
        name = result.selected[row.index].name if result.selected else ""
        letters = re.sub(r"\W+", "_", name).strip("_")[:_LONGEST_NAME]
        yield f"{stem}-{letters}" if letters else stem


def _mask(
    result: Result, row: RegionRow, inside: Bool[np.ndarray, "h w"]
) -> Image.Image:
    """White inside, black outside, of the size of the image."""
    pixels = np.zeros(result.size, np.uint8)
    pixels[row.window] = np.where(inside, 255, 0)
    return Image.fromarray(pixels)


def _cutout(
    result: Result, row: RegionRow, inside: Bool[np.ndarray, "h w"]
) -> Image.Image:
    """The pixels of the region, and nothing around them, not even under alpha."""
    alpha = np.where(inside, 255, 0)[..., None].astype(np.uint8)
    colors: UInt8[np.ndarray, "h w 3"] = result.pixels[row.window] * inside[..., None]
    return Image.fromarray(np.concatenate([colors, alpha], axis=2))


MASKS = for_each_region(
    "masks",
    "NAME.masks/NODE.png, white inside and black outside",
    _mask,
    how="mask of a region",
    level=6,
    needs_pixels=False,
    in_runs=False,
)
CUTOUTS = for_each_region(
    "cutouts",
    "NAME.cutouts/NODE.png, the region on transparent ground, cropped to its box",
    _cutout,
    how="a region cut out",
    level=3,  # a third of the time of 6, and a thirtieth larger
    in_runs=False,
)
