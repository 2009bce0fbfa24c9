"""What a run over images of any size is: its rasters, options, settings and folder."""

import contextlib
import dataclasses
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from uhseg_jax import export
from uhseg_jax.files import parse_json
from uhseg_jax.images import ImageError
from uhseg_jax.pipeline import Segmenter
from uhseg_jax.rasters.formats import RASTER_FORMATS, RasterFile
from uhseg_jax.runs.claims import Claim, claim
from uhseg_jax.runs.images import FoundImages, RunImage, find_run_images
from uhseg_jax.runs.record import RECORD, read_record
from uhseg_jax.runs.settings import Settings, describe

__all__ = [
    "DRAWN",
    "FOLDER_SUFFIX",
    "MADE_OF",
    "RasterOptions",
    "claim_rasters",
    "find_rasters",
    "made_of_in",
    "raster_settings",
]

FOLDER_SUFFIX = ".raster"
"""What the folder of a tree ends in, after the name of its raster."""

DRAWN = ("png", "html")
"""Formats of images, in which a smaller copy of a raster is shown."""

MADE_OF = "made_of.json"
"""What the tree in a folder was made of."""


@dataclasses.dataclass(frozen=True)
class RasterOptions:
    """How rasters are divided, and what is written of them.

    Attributes:
      tile: pixels along a side of a tile.
      overlap: pixels that neighbouring tiles share at the least; None for a quarter.
      bands: numbers of those that are the colours, from 1; None for the usual ones.
      formats: of `rasters.formats.RASTER_FORMATS` and `DRAWN`.
      tolerance: how far, in pixels, polygons may be from the sides of pixels.
      shown: what the formats have in common with those of images.
    """

    tile: int
    overlap: int | None = None
    bands: tuple[int, ...] | None = None
    formats: tuple[str, ...] = ("tif", *DRAWN)
    tolerance: float = 1.0
    shown: export.ExportOptions = dataclasses.field(
        default_factory=export.ExportOptions
    )

    def files(self) -> Iterator[RasterFile]:
        """Those of a raster in full size."""
        for name in RASTER_FORMATS:
            if name in self.formats:
                files = RASTER_FORMATS[name].files
                yield from files(self.shown.levels, self.tolerance)


def raster_settings(segmenter: Segmenter, options: RasterOptions) -> Settings:
    """What the results of a run over rasters depend on."""
    names = ("tile", "overlap", "bands")
    raster = {name: getattr(options, name) for name in names}
    return describe("segment", segmenter, (), raster=raster)


def find_rasters(specs: Sequence[str], output: Path) -> FoundImages:
    """The rasters of a run, under distinct names.

    Args:
      specs: files, folders and patterns, as for images.
      output: the folder for the results, of which none is taken for a raster.

    Raises:
      ImageError: one of them stands for no image, or only for results.
    """
    record = read_record(output, strict=False)
    own = {(output / x).resolve() for x in (record.files if record else ())}
    found = find_run_images(specs, output=output)
    images = [x for x in found.images if Path(str(x.source)).resolve() not in own]
    if not images:
        raise ImageError(
            f"{', '.join(map(str, specs))}: expected images, but found only results of "
            f"{output}; give another path."
        )
    return dataclasses.replace(found, images=tuple(images))


def claim_rasters(
    output: Path,
    settings: Settings,
    rasters: Sequence[RunImage],
    *,
    formats: Sequence[str],
    overwrite: bool = False,
) -> Claim:
    """Makes a folder the output of runs with these settings; see `claims.claim`.

    Trees of other settings go, and with ``overwrite`` those of the rasters of the run.
    """
    whole = [export.EXPORTERS[x] for x in formats if x in DRAWN]
    claimed = claim(
        output,
        settings,
        results=_made_in(output),
        files=[
            output / file
            for exporter in whole
            if not exporter.per_image
            for file in exporter.files(())
        ],
        overwrite=overwrite,
    )
    again = {output / f"{x.name}{FOLDER_SUFFIX}" for x in rasters if overwrite}
    for made_of in _made_in(output):
        is_again = made_of.parent in again
        if is_again or made_of_in(made_of).get("settings") != claimed.settings_sha256:
            shutil.rmtree(made_of.parent, ignore_errors=True)
    return claimed


def _made_in(output: Path) -> list[Path]:
    """Those of the trees below a folder, but for what lies in that of another run."""
    return sorted(
        path
        for path in output.rglob(f"*{FOLDER_SUFFIX}/{MADE_OF}")
        if not any((x / RECORD).exists() for x in path.parents if output in x.parents)
    )


def made_of_in(path: Path) -> dict[str, Any]:
    """What the tree in a folder was made of; nothing where that is not known."""
    with contextlib.suppress(OSError, ValueError):
        found = parse_json(path.read_bytes())
        if isinstance(found, dict):
            return found
    return {}
