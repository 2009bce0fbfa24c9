"""Regions of a raster as GeoJSON (RFC 7946).

Coordinates are longitude and latitude on WGS 84, as the format has it, where the
coordinate reference system of the raster is known. Where it is not they are x and y of
its transform, or else pixels from the top left, y downwards; the member
``coordinates`` of the file says which.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from uhseg_jax.files import atomic_write
from uhseg_jax.rasters.sources import Georeference
from uhseg_jax.rasters.vectors import (
    Place,
    RegionShape,
    Rings,
    longitude_latitude,
    on_the_map,
)

__all__ = ["geojson_place", "write_geojson"]

_DIGITS = 9  # behind the point: a tenth of a millimetre in degrees


def geojson_place(georeference: Georeference | None) -> tuple[str, Place | None]:
    """What the coordinates of a file are, and how corners of pixels get there.

    Raises:
      MissingPackageError: rasterio is needed and not installed.
      RasterError: the coordinate reference system has no longitude and latitude.
    """
    if georeference is None:
        return "pixels, y downwards", None
    if not georeference.crs:
        return "of the raster's transform", on_the_map(georeference)
    return "longitude and latitude, WGS 84", longitude_latitude(georeference)


def write_geojson(
    path: str | os.PathLike[str],
    shapes: Iterable[RegionShape],
    *,
    name: str,
    coordinates: str,
) -> None:
    """Writes regions one by one; the file is written aside and renamed.

    Args:
      path: the file.
      shapes: the regions.
      name: of the collection.
      coordinates: what they are, of `geojson_place`.

    Raises:
      OSError: it cannot be written; the message names it.
    """
    about = {"type": "FeatureCollection", "name": name, "coordinates": coordinates}
    head = json.dumps(about)[:-1] + ', "features": ['
    with (
        atomic_write(Path(path)) as aside,
        open(aside, "w", encoding="utf-8") as file,
    ):
        file.write(head)
        separator = "\n"
        for shape in shapes:
            file.write(separator + json.dumps(_feature(shape), allow_nan=False))
            separator = ",\n"
        file.write("\n]}\n")


def _feature(shape: RegionShape) -> dict[str, Any]:
    pieces = [_rings(x) for x in shape.pieces]
    single = len(pieces) == 1
    return {
        "type": "Feature",
        "id": shape.node,
        "geometry": {
            "type": "Polygon" if single else "MultiPolygon",
            "coordinates": pieces[0] if single else pieces,
        },
        "properties": {
            "node": shape.node,
            "parent": shape.parent,
            "depth": shape.depth,
            "cost": shape.cost,
            "area": shape.area,
        },
    }


def _rings(rings: Rings) -> list[list[list[float]]]:
    closed = (np.concatenate([ring, ring[:1]]) for ring in rings)
    return [np.round(ring, _DIGITS).tolist() for ring in closed]
