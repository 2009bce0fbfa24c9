"""Regions of a raster as a GeoPackage, in its own coordinate reference system."""

import errno
import itertools
import shutil
import struct
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from uhseg_jax.files import atomic_write
from uhseg_jax.optional import imported
from uhseg_jax.rasters.vectors import RegionShape, Rings
from uhseg_jax.scratch import scratch_folder

__all__ = ["write_geopackage"]

_BATCH = 256  # regions that are handed over at a time
_LITTLE = 2**20  # bytes: a disk with less is full
_FIELDS = {
    "node": np.int32,
    "parent": np.int32,
    "depth": np.int32,
    "cost": np.float32,
    "area": np.int64,
}
_LITTLE_ENDIAN, _POLYGON, _MULTIPOLYGON = 1, 3, 6  # of well-known binary


def write_geopackage(
    path: Path, layers: Mapping[str, Iterable[RegionShape]], *, crs: str = ""
) -> None:
    """Writes layers of regions; the file is made aside, and then gets its name.

    Args:
      path: the file.
      layers: regions of every layer, by its name.
      crs: the coordinate reference system, as WKT; empty where it is not known.

    Raises:
      MissingPackageError: pyogrio is not installed.
      OSError: it cannot be written; the message names it.
    """
    pyogrio = imported("pyogrio", "writing a GeoPackage", "raw", "errors")
    path.parent.mkdir(parents=True, exist_ok=True)
    with scratch_folder(path.parent) as folder, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="'crs' was not provided")
        built = folder / "regions.gpkg"
        for layer, shapes in layers.items():
            for number, batch in enumerate(_batches(shapes)):
                try:
                    pyogrio.raw.write(
                        built,
                        *_columns(batch),
                        layer=layer,
                        driver="GPKG",
                        geometry_type="MultiPolygon",
                        crs=crs or None,
                        append=number > 0,
                    )
                except (
                    pyogrio.errors.DataSourceError,
                    pyogrio.errors.DataLayerError,
                ) as error:
                    raise _unwritable(path, error) from error
        with atomic_write(path) as aside:
            shutil.copyfile(built, aside)


def _unwritable(path: Path, error: Exception) -> OSError:
    """What the system would say, of which the library knows no number."""
    free = shutil.disk_usage(path.parent).free
    is_full = free < _LITTLE or "disk is full" in str(error)
    number = errno.ENOSPC if is_full else errno.EIO
    return OSError(number, str(error), str(path))


def _batches(shapes: Iterable[RegionShape]) -> Iterator[list[RegionShape]]:
    waiting = iter(shapes)
    while batch := [*itertools.islice(waiting, _BATCH)]:
        yield batch


def _columns(
    batch: Sequence[RegionShape],
) -> tuple[np.ndarray, list[np.ndarray], list[str]]:
    """Geometries, values and names of the fields of some regions."""
    geometries = np.empty(len(batch), object)
    geometries[:] = [_binary(x.pieces) for x in batch]
    values = [
        np.array([getattr(x, name) for x in batch], dtype)
        for name, dtype in _FIELDS.items()
    ]
    return geometries, values, [*_FIELDS]


def _binary(pieces: Sequence[Rings]) -> bytes:
    """A multipolygon as well-known binary."""
    parts = [struct.pack("<BII", _LITTLE_ENDIAN, _MULTIPOLYGON, len(pieces))]
    for rings in pieces:
        parts.append(struct.pack("<BII", _LITTLE_ENDIAN, _POLYGON, len(rings)))
        for ring in rings:
            closed = np.concatenate([ring, ring[:1]]).astype("<f8")
            parts += [struct.pack("<I", len(closed)), closed.tobytes()]
    return b"".join(parts)
