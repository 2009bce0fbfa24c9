"""What users give for a raster, opened."""

from __future__ import annotations

import os

import numpy as np

from uhseg_jax.files import expand_home
from uhseg_jax.images import ImageError, ImageLike, read_image
from uhseg_jax.optional import OPTIONAL, is_installed
from uhseg_jax.rasters.gdal import GdalRaster
from uhseg_jax.rasters.slides import SLIDE_SUFFIXES, open_slide
from uhseg_jax.rasters.sources import ArrayRaster, RasterError, RasterSource

__all__ = ["WINDOWED_SUFFIXES", "open_raster"]

WINDOWED_SUFFIXES = (".tif", ".tiff", ".jp2", ".j2k", ".vrt", ".img", ".ecw", ".nitf")
"""How the names of files end that are read by windows where rasterio is installed."""


def open_raster(image: ImageLike | RasterSource) -> RasterSource:
    """The raster of a file, an array or a `RasterSource`.

    TIFF and the like are read by windows where rasterio is installed (the extra
    ``rasters``), slides at one of their levels (`open_slide`). All other images, and
    TIFF without rasterio, are read whole, as `images.read_image` does.

    Raises:
      images.ImageError: it cannot be read, or is something else.
    """
    if isinstance(image, RasterSource):
        return image
    if isinstance(image, np.ndarray):
        if image.ndim not in (2, 3) or not image.size:
            raise RasterError(
                "expected an array [H, W] or [H, W, bands] with pixels, but its shape "
                f"is {image.shape}."
            )
        if image.dtype.kind not in "buif":
            raise RasterError(
                f"expected an array of integers or floats, but got {image.dtype}; "
                "convert it with .astype(np.float32)."
            )
        return _of_array(image)
    if not isinstance(image, (str, os.PathLike)):
        return ArrayRaster(read_image(image))
    path = expand_home(image)
    if path.suffix.lower() in SLIDE_SUFFIXES:
        return open_slide(path)
    is_windowed = path.suffix.lower() in WINDOWED_SUFFIXES
    if is_windowed and is_installed("rasterio") and path.is_file():
        return GdalRaster(path)
    try:
        return ArrayRaster(read_image(path), path.name)
    except ImageError as error:
        if not is_windowed or not path.is_file() or is_installed("rasterio"):
            raise
        raise RasterError(
            f"{error} To read it by windows, {OPTIONAL['rasterio'].advice}."
        ) from error


def _of_array(image: np.ndarray) -> ArrayRaster:
    """An array; where one is masked, in any band, it has no data."""
    if not isinstance(image, np.ma.MaskedArray):
        return ArrayRaster(image)
    missing = np.ma.getmaskarray(image)
    missing = missing.reshape(*image.shape[:2], -1)
    return ArrayRaster(image.data, mask=np.logical_not(missing.any(axis=2)))
