"""Labels of a raster as a GeoTIFF: in tiles, compressed, where the raster lies."""

import functools
import io
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from uhseg_jax.files import atomic_write
from uhseg_jax.optional import imported
from uhseg_jax.rasters.label_raster import NO_DATA
from uhseg_jax.rasters.sources import Georeference
from uhseg_jax.types import Int

__all__ = ["SIDE", "write_labels"]

SIDE = 512
"""Pixels along a side of a tile."""

_BIG = 2**32 - 2**25  # bytes beyond which a file has to be a BigTIFF
_NO_DATA_TAG, _METADATA_TAG, _TEXT = 42113, 42112, 2
# ModelPixelScale, ModelTiepoint, ModelTransformation and the keys of the system.
_PLACE_TAGS = (33550, 33922, 34264, 34735, 34736, 34737)


def write_labels(
    path: str | os.PathLike[str],
    strips: Iterable[Int[np.ndarray, "h W"]],
    size: tuple[int, int],
    *,
    georeference: Georeference | None = None,
    description: str = "",
) -> None:
    """Writes labels that come in strips; memory is that of a few strips.

    Values are int32, -1 where there is no data, which readers are told. The file is
    written aside and renamed. It is a BigTIFF where it could pass 4 GB.

    Args:
      path: the file.
      strips: rows of labels from top to bottom, each of `SIDE` rows but for the last.
      size: pixels (height, width) of the raster.
      georeference: where it lies.
      description: of the band.

    Raises:
      MissingPackageError: tifffile is not installed; or rasterio, with a georeference.
      OSError: it cannot be written; the message names it.
    """
    tifffile = imported("tifffile", "writing labels as TIFF")
    tags: list[tuple[int, Any, int, Any, bool]] = []
    if georeference is not None:
        tags += [(*tag, True) for tag in _place_tags(georeference)]
    if description:
        item = f'<Item name="DESCRIPTION" sample="0" role="description">{description}'
        text = f"<GDALMetadata>{item}</Item></GDALMetadata>"
        tags.append((_METADATA_TAG, _TEXT, 0, text, True))
    tags.append((_NO_DATA_TAG, _TEXT, 0, str(NO_DATA), True))
    height, width = size
    with (
        atomic_write(Path(path)) as aside,
        open(aside, "wb") as file,
        tifffile.TiffWriter(file, bigtiff=4 * height * width > _BIG) as writer,
    ):
        writer.write(
            _tiles(strips),
            shape=size,
            dtype=np.int32,
            tile=(SIDE, SIDE),
            compression="zlib",
            predictor=True,
            photometric="minisblack",
            metadata=None,
            software="uhseg_jax",
            extratags=tags,
        )


def _tiles(
    strips: Iterable[Int[np.ndarray, "h W"]],
) -> Iterator[Int[np.ndarray, "side side"]]:
    """Tiles row by row; those at the ends are filled up."""
    for strip in strips:
        height, width = strip.shape
        whole = np.pad(
            strip.astype(np.int32, copy=False),
            ((0, SIDE - height), (0, -width % SIDE)),
            constant_values=NO_DATA,
        )
        for left in range(0, width, SIDE):
            yield np.ascontiguousarray(whole[:, left : left + SIDE])


@functools.lru_cache(1)
def _place_tags(georeference: Georeference) -> tuple[tuple[int, int, int, Any], ...]:
    """The tags that say where a raster lies, as GDAL writes them."""
    rasterio = imported("rasterio", "writing a georeference", "io")
    tifffile = imported("tifffile", "writing a georeference")
    place: dict[str, Any] = {"transform": rasterio.Affine(*georeference.transform)}
    if georeference.crs:
        place["crs"] = rasterio.crs.CRS.from_wkt(georeference.crs)
    with rasterio.io.MemoryFile() as memory:
        shape = {"width": 1, "height": 1, "count": 1, "dtype": "uint8"}
        with memory.open(driver="GTiff", **shape, **place):
            pass
        content = memory.read()
    with tifffile.TiffFile(io.BytesIO(content)) as tiff:
        tags = [tiff.pages[0].tags.get(code) for code in _PLACE_TAGS]
        return tuple((x.code, int(x.dtype), x.count, x.value) for x in tags if x)
