"""Files that GDAL reads by windows: GeoTIFF, BigTIFF, JPEG 2000, VRT and others."""

from __future__ import annotations

import contextlib
import os
import threading
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from uhseg_jax.optional import imported
from uhseg_jax.rasters.sources import (
    Georeference,
    RasterError,
    RasterSource,
    known,
    stamp_of,
)
from uhseg_jax.rasters.windows import Window
from uhseg_jax.types import Bool

__all__ = ["GdalRaster"]


class GdalRaster(RasterSource):
    """A file of which windows are read through rasterio.

    The file's masks, its transparency and its number for no data say where there is
    none. One window is read at a time, whichever threads ask.

    Args:
      path: the file.

    Raises:
      MissingPackageError: rasterio is not installed.
      RasterError: the file cannot be opened, or holds no image.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._rasterio = imported(
            "rasterio", f"{path}: reading an image by windows", "windows"
        )
        self._one_at_a_time = threading.Lock()
        self.title = self._path.name
        with self._blaming("it cannot be opened"), warnings.catch_warnings():
            # An image may lie nowhere.
            warnings.simplefilter("ignore")
            self._file = self._rasterio.open(self._path)
            file = self._file
        colors = zip(file.indexes, file.colorinterp, strict=True)
        self._bands = [band for band, color in colors if color.name != "alpha"]
        self.num_bands, self.size = len(self._bands), (file.height, file.width)
        if not self._bands:
            raise RasterError(
                f"{path}: expected one image with bands, but the file has none of its "
                f"own and {len(file.subdatasets)} inside; give a file of one image."
            )
        if any(x.startswith("complex") for x in file.dtypes):
            raise RasterError(
                f"{path}: expected integers or floats, but its numbers are complex; "
                "write their magnitudes into a file and give that."
            )
        if file.crs or not file.transform.is_identity:
            crs = file.crs.to_wkt() if file.crs else ""
            a, b, c, d, e, f = tuple(file.transform)[:6]
            self.georeference = Georeference(crs, (a, b, c, d, e, f))

    def identity(self) -> str:
        """Sizes and times of the files; see `RasterSource.identity`."""
        return f"{stamp_of([self._path])} {self.stamp()} {self.size} {self.num_bands}"

    def stamp(self) -> str:
        """That of the files of a mosaic; see `RasterSource.stamp`."""
        return stamp_of(self._file.files) if self._file.driver == "VRT" else ""

    def read(self, window: Window) -> tuple[np.ndarray, Bool[np.ndarray, "h w"]]:
        """See `RasterSource.read`."""
        return self.read_bands(window, range(self.num_bands))

    def read_bands(
        self, window: Window, bands: Sequence[int]
    ) -> tuple[np.ndarray, Bool[np.ndarray, "h w"]]:
        """See `RasterSource.read_bands`.

        Of the other bands only masks are read, where the first has pixels without data.
        """
        top, left, height, width = window
        place = self._rasterio.windows.Window(left, top, width, height)
        where = (
            f"the pixels from row {top} and column {left} to row {window.bottom - 1} "
            f"and column {window.right - 1} cannot be read"
        )
        with self._one_at_a_time, self._blaming(where):
            values = self._file.read([self._bands[x] for x in bands], window=place)
            valid = self._valid(place)
        values = np.moveaxis(values, 0, -1)
        return values, valid & known(values, [None])

    def _valid(self, place: Any) -> Bool[np.ndarray, "h w"]:
        """Where a window has data, as the file says: in any of its bands."""
        file, bands = self._file, self._bands
        if "per_dataset" in (x.name for x in file.mask_flag_enums[bands[0] - 1]):
            bands = bands[:1]  # one mask for all
        elif alpha := [x for x in file.indexes if x not in bands]:
            # A number for no data hides it from GDAL's masks.
            return file.read(alpha[0], window=place) > 0
        valid = np.zeros((place.height, place.width), bool)
        for band in bands:  # mostly the first says all
            valid |= file.read_masks(band, window=place) > 0
            if valid.all():
                break
        return valid

    @contextlib.contextmanager
    def _blaming(self, what: str) -> Iterator[None]:
        """Says of an error of GDAL which file it is about, and what to do."""
        try:
            yield
        except self._rasterio.errors.RasterioError as error:
            raise RasterError(
                f"{self._path}: expected an image, but {what} "
                f"({error.__cause__ or error}); the file is damaged, incomplete or of "
                "a kind that GDAL does not read here: fetch it again, or convert it to "
                "GeoTIFF. What is finished stays."
            ) from error
