"""What is written of the tree of a raster, beside drawings of a smaller copy."""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

from uhseg_jax.rasters.geojson import geojson_place, write_geojson
from uhseg_jax.rasters.geopackage import write_geopackage
from uhseg_jax.rasters.geotiff import SIDE, write_labels
from uhseg_jax.rasters.raster_tree import RasterTree
from uhseg_jax.rasters.vectors import on_the_map, region_shapes
from uhseg_jax.registry import Registry

__all__ = ["RASTER_FORMATS", "RasterFile", "RasterFormat"]


@dataclasses.dataclass(frozen=True)
class RasterFile:
    """A file of a format.

    Attributes:
      suffix: what its name ends in, after that of the raster.
      note: how it is made, in few words.
      write: writes it.
    """

    suffix: str
    note: str
    write: Callable[[Path, RasterTree], None]


@dataclasses.dataclass(frozen=True)
class RasterFormat:
    """A format of rasters of any size.

    Attributes:
      name: what it is called on command lines.
      summary: what its files hold, for help texts: a noun phrase.
      files: those of a raster, for numbers of regions and a tolerance in pixels.
      packages: what it needs beside the requirements, of `optional.OPTIONAL`.
    """

    name: str
    summary: str
    files: Callable[[tuple[int, ...], float], Iterator[RasterFile]]
    packages: tuple[str, ...] = ()


def _tif(levels: tuple[int, ...], tolerance: float) -> Iterator[RasterFile]:
    del tolerance
    return (_tif_file(level) for level in levels)


def _tif_file(level: int) -> RasterFile:
    def write(path: Path, raster: RasterTree) -> None:
        write_labels(
            path,
            (labels for _, labels in raster.strips(SIDE, num_regions=level)),
            raster.size,
            georeference=raster.georeference,
            description=f"{level} regions",
        )

    return RasterFile(f".{level}.tif", f"{level} regions", write)


def _geojson(levels: tuple[int, ...], tolerance: float) -> Iterator[RasterFile]:
    return (_geojson_file(level, tolerance) for level in levels)


def _geojson_file(level: int, tolerance: float) -> RasterFile:
    def write(path: Path, raster: RasterTree) -> None:
        coordinates, place = geojson_place(raster.georeference)
        shapes = region_shapes(raster, level, tolerance=tolerance, place=place)
        name = f"{raster.title}, {level} regions"
        write_geojson(path, shapes, name=name, coordinates=coordinates)

    note = f"{level} regions, tolerance {tolerance:g}"
    return RasterFile(f".{level}.geojson", note, write)


def _gpkg(levels: tuple[int, ...], tolerance: float) -> Iterator[RasterFile]:
    def write(path: Path, raster: RasterTree) -> None:
        where = raster.georeference
        place = None if where is None else on_the_map(where)
        layers = {
            f"regions_{level}": region_shapes(
                raster, level, tolerance=tolerance, place=place
            )
            for level in levels
        }
        write_geopackage(path, layers, crs="" if where is None else where.crs)

    levels_named = ",".join(map(str, levels))
    note = f"levels {levels_named}, tolerance {tolerance:g}"
    yield RasterFile(".gpkg", note, write)


RASTER_FORMATS = Registry(
    "format",
    [
        RasterFormat(
            "tif", "labels as GeoTIFF, a file for each of --levels", _tif, ("tifffile",)
        ),
        RasterFormat(
            "gpkg",
            "polygons as GeoPackage, a layer for each of --levels",
            _gpkg,
            ("pyogrio",),
        ),
        RasterFormat(
            "geojson", "polygons as GeoJSON, a file for each of --levels", _geojson
        ),
    ],
)
"""The formats of rasters in full size."""
