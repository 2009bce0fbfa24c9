"""Images of any size, read by windows: values of any number of bands, and no-data."""

from __future__ import annotations

import abc
import dataclasses
import hashlib
import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from uhseg_jax.images import ImageError
from uhseg_jax.rasters.windows import Window, thinned
from uhseg_jax.types import Bool

__all__ = [
    "ArrayRaster",
    "Georeference",
    "RasterError",
    "RasterSource",
    "known",
    "stamp_of",
]

_LARGEST = 1e30  # numbers from here on stand for no data, as in `images.tones`
_STRIP = 2**22  # values that are read at once


class RasterError(ImageError):
    """A raster that cannot be had; the message says what was found and what to do."""


@dataclasses.dataclass(frozen=True)
class Georeference:
    """Where on Earth a raster lies.

    Attributes:
      crs: the coordinate reference system, as WKT; empty where it is not known.
      transform: (a, b, c, d, e, f): ``x = a column + b row + c`` and
        ``y = d column + e row + f`` at the corner of a pixel.
    """

    crs: str
    transform: tuple[float, float, float, float, float, float]


class RasterSource(abc.ABC):
    """An image of any size, of which windows are read.

    Attributes:
      title: what messages and results call it.
      size: pixels (height, width).
      num_bands: values of a pixel.
      georeference: where it lies; None where that is not known.
    """

    title: str
    size: tuple[int, int]
    num_bands: int
    georeference: Georeference | None = None

    @abc.abstractmethod
    def read(self, window: Window) -> tuple[np.ndarray, Bool[np.ndarray, "h w"]]:
        """The values of a window ``[h, w, bands]``, and where there are any.

        Args:
          window: within the raster.

        Returns:
          Values of any integer or floating type, the same for all windows, and False
          where there is no data: masked, the number that stands for none, or NaN.

        Raises:
          RasterError: they cannot be read.
        """

    def read_bands(
        self, window: Window, bands: Sequence[int]
    ) -> tuple[np.ndarray, Bool[np.ndarray, "h w"]]:
        """Some of the bands of a window; see `read`.

        Args:
          window: within the raster.
          bands: from 0, in any order and any number of times.
        """
        values, valid = self.read(window)
        return values[..., list(bands)], valid

    def identity(self) -> str:
        """A text that tells it from others, also from itself when it has changed.

        Here it is a digest of all values, for which they are read once.
        """
        height, width = self.size
        rows = max(1, _STRIP // (width * self.num_bands))
        digest = hashlib.sha256()
        for top in range(0, height, rows):
            window = Window(top, 0, min(rows, height - top), width)
            values, valid = self.read(window)
            digest.update(str(values.dtype).encode())
            digest.update(np.ascontiguousarray(values).tobytes())
            digest.update(np.packbits(valid).tobytes())
        return f"{self.size} {self.num_bands} {digest.hexdigest()}"

    def stamp(self) -> str:
        """What changes with files beside the one that is named; empty: there are none.

        So for a mosaic of files, or a slide with a folder.
        """
        return ""

    def overview(
        self, longest: int, bands: Sequence[int] | None = None
    ) -> tuple[np.ndarray, Bool[np.ndarray, "h w"]]:
        """A smaller copy: of every block of pixels the one in the middle.

        Memory is that of the copy and of a strip.

        Args:
          longest: pixels of its longer side at the most.
          bands: from 0; None for all.

        Returns:
          As of `read`.
        """
        rows, columns = thinned(self.size, longest)
        width = self.size[1]
        bands = range(self.num_bands) if bands is None else bands
        step = int(rows[1] - rows[0]) if len(rows) > 1 else 1
        at_once = max(1, _STRIP // (width * len(bands) * step))
        values, valid = [], []
        for chosen in np.split(rows, range(at_once, len(rows), at_once)):
            top = int(chosen[0])
            window = Window(top, 0, int(chosen[-1]) - top + 1, width)
            read, is_there = self.read_bands(window, bands)
            values.append(read[chosen - top][:, columns])
            valid.append(is_there[chosen - top][:, columns])
        return np.concatenate(values), np.concatenate(valid)


@dataclasses.dataclass(frozen=True)
class ArrayRaster(RasterSource):
    """A raster that is in memory, or mapped into it.

    Attributes:
      values: ``[H, W]`` or ``[H, W, bands]``; `numpy.memmap` stays on disk.
      title: what messages and results call it.
      no_data: the number that stands for no data in every band; None: there is none.
      georeference: where it lies.
      mask: where there is data; None: everywhere, but for ``no_data`` and NaN.
    """

    values: np.ndarray
    title: str = "raster"
    no_data: float | None = None
    georeference: Georeference | None = None
    mask: Bool[np.ndarray, "H W"] | None = None

    @property
    def size(self) -> tuple[int, int]:  # type: ignore[override]
        """Pixels (height, width)."""
        return self.values.shape[0], self.values.shape[1]

    @property
    def num_bands(self) -> int:  # type: ignore[override]
        """Values of a pixel."""
        return 1 if self.values.ndim == 2 else self.values.shape[2]

    def read(self, window: Window) -> tuple[np.ndarray, Bool[np.ndarray, "h w"]]:
        """See `RasterSource.read`."""
        values = np.asarray(self.values[window.slices])
        values = values.reshape(*window.shape, self.num_bands)
        valid = known(values, [self.no_data] * self.num_bands)
        if self.mask is not None:
            valid &= self.mask[window.slices]
        return values, valid


def stamp_of(paths: Iterable[str | os.PathLike[str]]) -> str:
    """Sizes and times of files, which change when these are replaced."""
    found = []
    for path in sorted(os.fspath(x) for x in paths):
        try:
            about = os.stat(path)
        except OSError:
            found.append(f"{path} is missing")
        else:
            found.append(f"{path} {about.st_size} {about.st_mtime_ns}")
    return "\n".join(found)


def known(
    values: np.ndarray, no_data: Sequence[float | None]
) -> Bool[np.ndarray, "h w"]:
    """Where pixels have data: a number in every band, which does not stand for none.

    A pixel is without data where all of its bands hold the number that stands for that,
    for 0 is also the black of one band; or where any of them is NaN, or as large as the
    lowest and highest numbers of single precision, which stand for none in many files.

    Args:
      values: ``[h, w, bands]``.
      no_data: of every band; None where there is no such number.
    """
    valid = np.ones(values.shape[:2], bool)
    if None not in no_data:
        numbers: Any = np.asarray(no_data, float)
        valid &= (values != numbers).any(axis=-1)
    if np.issubdtype(values.dtype, np.floating):
        valid &= (np.abs(values) < _LARGEST).all(axis=-1)
    return valid
