"""Pyramids of slide scanners (SVS, NDPI, MRXS and others), one level of them."""

from __future__ import annotations

import dataclasses
import functools
import os
from pathlib import Path
from typing import Any

import numpy as np

from uhseg_jax.optional import imported
from uhseg_jax.rasters.sources import RasterError, RasterSource, stamp_of
from uhseg_jax.rasters.windows import Window
from uhseg_jax.types import Bool

__all__ = ["SLIDE_SUFFIXES", "SlideRaster", "open_slide"]

SLIDE_SUFFIXES = (
    *(".bif", ".mrxs", ".ndpi", ".scn", ".svs", ".svslide", ".vms", ".vmu"),
)
"""How the names of files end that are opened as slides when nothing is said."""

_MOST_PIXELS = 2 * 10**8  # of the level that is taken when nothing is said


@dataclasses.dataclass(frozen=True)
class SlideRaster(RasterSource):
    """One level of a pyramid; pixels that the scanner left out have no data.

    Attributes:
      path: of the file.
      level: 0 is the finest.
    """

    path: str
    level: int

    @property
    def title(self) -> str:  # type: ignore[override]
        """The name of the file."""
        return os.path.basename(self.path)

    @property
    def size(self) -> tuple[int, int]:  # type: ignore[override]
        """Pixels (height, width) of the level."""
        width, height = self._slide.level_dimensions[self.level]
        return height, width

    @property
    def num_bands(self) -> int:  # type: ignore[override]
        """Red, green and blue."""
        return 3

    @property
    def downsample(self) -> float:
        """Pixels of the finest level along one of this."""
        return float(self._slide.level_downsamples[self.level])

    @property
    def microns(self) -> float | None:
        """Width of a pixel of this level; None where the file does not say."""
        finest = self._slide.properties.get("openslide.mpp-x")
        return None if finest is None else float(finest) * self.downsample

    def identity(self) -> str:
        """Sizes and times of the files; see `RasterSource.identity`."""
        return f"{stamp_of([self.path])} {self.stamp()} {self.level} {self.size}"

    def stamp(self) -> str:
        """That of the files that a MIRAX slide has; see `RasterSource.stamp`."""
        if not self.path.lower().endswith(".mrxs"):
            return ""  # others are one file, or name theirs
        return stamp_of(x for x in Path(self.path).with_suffix("").rglob("*"))

    def read(self, window: Window) -> tuple[np.ndarray, Bool[np.ndarray, "h w"]]:
        """See `RasterSource.read`."""
        # The corner is told in pixels of the finest level.
        left = round(window.left * self.downsample)
        top = round(window.top * self.downsample)
        try:
            region = self._slide.read_region(
                (left, top), self.level, (window.width, window.height)
            )
        except Exception as error:  # of OpenSlide, on damaged data
            raise RasterError(
                f"{self.path}: the slide is cut short or damaged ({error}); replace it "
                "with an intact copy."
            ) from error
        values = np.asarray(region)
        return np.ascontiguousarray(values[..., :3]), values[..., 3] > 0

    @functools.cached_property
    def _slide(self) -> Any:
        openslide = imported("openslide", "Reading a slide")
        try:
            return openslide.OpenSlide(self.path)
        except (openslide.OpenSlideError, OSError) as error:
            raise RasterError(
                f"{self.path}: expected a slide that OpenSlide reads, but {error}; "
                "check the path, or give the image as TIFF."
            ) from error


def open_slide(
    path: str | os.PathLike[str], *, level: int | None = None
) -> SlideRaster:
    """A level of a slide as a raster, for `segment_raster`.

    Args:
      path: of a file that OpenSlide reads.
      level: 0 is the finest; None: the finest with at most 200 megapixels, or else the
        coarsest.

    Raises:
      RasterError: it is no slide, or has no such level.
      MissingPackageError: openslide is not installed.
    """
    finest = SlideRaster(os.path.expanduser(os.fspath(path)), 0)
    sizes = finest._slide.level_dimensions
    if level is None:
        few = [i for i, (w, h) in enumerate(sizes) if w * h <= _MOST_PIXELS]
        level = few[0] if few else len(sizes) - 1
    if not 0 <= level < len(sizes):
        listed = ", ".join(f"{i}: {w} x {h}" for i, (w, h) in enumerate(sizes))
        raise RasterError(
            f"{path}: expected one of its levels ({listed}), but got {level}."
        )
    return dataclasses.replace(finest, level=level)
