"""The flags of `uhseg-segment` for images of any size, checked."""

import math

from uhseg_jax.cli import flags
from uhseg_jax.cli.overrides import UsageError
from uhseg_jax.export.shapes import EDITABLE
from uhseg_jax.optional import OPTIONAL, is_installed
from uhseg_jax.rasters.formats import RASTER_FORMATS
from uhseg_jax.registry import suggest
from uhseg_jax.runs.raster_claims import DRAWN

__all__ = ["RASTER_FLAGS", "check_raster", "is_of_rasters", "raster_formats_of"]

_DEFAULT = ("tif", *DRAWN)
_LEAST = 64  # pixels of a tile

RASTER_FLAGS: list[flags.Flag] = [
    ("integer", "tile", None,
     "The paths are images of any size, which are read by windows: pixels of the image "
     "along a side of a tile, such as 1036. --format is then some of "
     + ", ".join(f"{x.name} ({x.summary})" for x in RASTER_FORMATS.values())
     + ", and png and html of a smaller copy.", {"lower_bound": _LEAST}),
    ("integer", "overlap", None,
     "With --tile: pixels that neighbouring tiles share at the least; by default a "
     "quarter of a tile.", {"lower_bound": 0}),
    ("float", "tolerance", EDITABLE,
     "With --tile: how far, in pixels, polygons may be from the sides of pixels, to "
     "have fewer points; 0: not at all.", {"lower_bound": 0.0}),
]  # fmt: skip

_ALLOWED = {
    *("help", "model", "method", "preset", "checkpoint_dir", "dtype", "device"),
    *("images", "output", "format", "levels", "max_regions", "grid", "config"),
    *("overwrite", "bands", "tile", "overlap", "tolerance"),
}


def is_of_rasters(values: flags.Flags) -> bool:
    """Whether the run is over images of any size."""
    return values.tile is not None


def check_raster(values: flags.Flags) -> None:
    """Refuses what makes no sense.

    Raises:
      UsageError: flags do not go together, or no image is named.
    """
    given = [name for name in values if values[name].present]
    if not is_of_rasters(values):
        for name in ("overlap", "tolerance"):
            if name in given:
                raise UsageError(f"--{name} goes with --tile.")
        return
    for name in given:
        if name not in _ALLOWED:
            raise UsageError(f"--{name} does not go with --tile.")
    if not values.images:
        raise UsageError("--tile expects paths, such as scan.tif, but got none.")
    if values.overlap is not None and values.overlap >= values.tile:
        raise UsageError(
            f"--overlap expects less than the side of a tile, {values.tile}, but got "
            f"{values.overlap}."
        )
    if not math.isfinite(values.tolerance):
        raise UsageError(f"--tolerance expects a number, but got {values.tolerance}.")
    raster_formats_of(values)


def raster_formats_of(values: flags.Flags) -> tuple[tuple[str, ...], list[str]]:
    """The formats of rasters to write, and sentences on what is left out.

    Raises:
      UsageError: one is unknown.
    """
    if not values["format"].present:
        missing = [x for x in RASTER_FORMATS["tif"].packages if not is_installed(x)]
        notes = [
            f"The format tif is left out, for it needs the package {x}: "
            f"{OPTIONAL.find(x).advice}"
            for x in missing
        ]
        return tuple(x for x in _DEFAULT if x != "tif" or not missing), notes
    known = [*RASTER_FORMATS, *DRAWN]
    unknown = [x for x in values.format if x not in known]
    if unknown or not values.format:
        advice = "".join(suggest(x, known) for x in unknown[:1])
        raise UsageError(
            f"--format expects some of {','.join(known)} with --tile, but got "
            f"{','.join(unknown)!r}.{advice}"
        )
    return tuple(dict.fromkeys(values.format)), []
