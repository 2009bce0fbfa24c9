"""What users give for a raster, opened."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from uhseg_jax.images import read_image
from uhseg_jax.rasters.sources import ArrayRaster, RasterError, RasterSource

__all__ = ["open_raster"]


def open_raster(image: Any) -> RasterSource:
    """The raster of a file, an array or a `RasterSource`.

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
        return ArrayRaster(image)
    is_path = isinstance(image, (str, os.PathLike))
    title = os.path.basename(os.fspath(image)) if is_path else "raster"
    return ArrayRaster(read_image(image), str(title))
