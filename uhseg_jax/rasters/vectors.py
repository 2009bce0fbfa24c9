"""Regions of a raster as polygons, and where on Earth their corners lie."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np

from uhseg_jax.export.shapes import EDITABLE
from uhseg_jax.optional import imported
from uhseg_jax.outlines.polygons import outlines_of_strips
from uhseg_jax.rasters.raster_tree import RasterTree
from uhseg_jax.rasters.sources import Georeference, RasterError
from uhseg_jax.types import Float, Int

__all__ = [
    "Place",
    "RegionShape",
    "Rings",
    "longitude_latitude",
    "on_the_map",
    "region_shapes",
]

Rings = tuple[Float[np.ndarray, "_ 2"], ...]
"""The outline of a piece of a region, and those of its holes."""

Place = Callable[[Float[np.ndarray, "n 2"]], Float[np.ndarray, "n 2"]]
"""Where corners of pixels, x and y, lie in other coordinates."""


@dataclasses.dataclass(frozen=True)
class RegionShape:
    """A region of a cut.

    Attributes:
      node: its number in the tree.
      parent: that of the node around it; -1 for the root.
      depth: edges between the node and the root.
      cost: of the node.
      area: in pixels with data.
      pieces: its pieces, the largest first. The last point of a ring is not the first;
        outlines go anticlockwise where y grows upwards, holes the other way round.
    """

    node: int
    parent: int
    depth: int
    cost: float
    area: int
    pieces: tuple[Rings, ...]


def region_shapes(
    raster: RasterTree,
    num_regions: int,
    *,
    tolerance: float = EDITABLE,
    place: Place | None = None,
) -> Iterator[RegionShape]:
    """The regions of a cut as polygons, in the order of their nodes.

    Borders are simplified once for the regions on both sides, so neighbours meet
    without gaps. Memory is that of a strip and of all borders.

    Args:
      raster: the tree.
      num_regions: of the cut.
      tolerance: how far, in pixels, borders may be from the sides of pixels.
      place: where corners of pixels lie; None: x and y in pixels, y downwards.

    Raises:
      ValueError: the tolerance is negative, or the number below 1.
      TreeFileError: labels on disk are missing or damaged.
      RasterError: a corner has no such place.
    """
    tree = raster.tree
    count = int(tree.num_nodes)
    areas = np.zeros(count, np.int64)
    # Borders first, for their number is not known, then areas of what was read.
    outlines = outlines_of_strips(
        _counted(raster, num_regions, areas), raster.size[1], tolerance
    )
    for node in np.flatnonzero(areas).tolist():
        found = outlines.polygons(np.arange(count) == node, junctions=True)
        pieces = tuple(tuple(_placed(ring, place) for ring in x.rings) for x in found)
        yield RegionShape(
            node=node,
            parent=int(tree.parents[node]),
            depth=int(tree.depths[node]),
            cost=float(str(np.float32(tree.costs[node]))),  # the shortest decimal
            area=int(areas[node]),
            pieces=pieces,
        )


def on_the_map(georeference: Georeference) -> Place:
    """Places in the raster's own coordinate reference system."""
    a, b, c, d, e, f = georeference.transform
    matrix, origin = np.array([[a, d], [b, e]]), np.array([c, f])

    def place(points: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
        moved: np.ndarray = points @ matrix + origin
        return moved

    return place


def longitude_latitude(georeference: Georeference) -> Place:
    """Places as longitude and latitude on WGS 84, in degrees.

    Raises:
      MissingPackageError: rasterio is not installed.
      RasterError: the coordinate reference system is not one of the Earth.
    """
    rasterio = imported("rasterio", "longitude and latitude", "crs", "warp")
    on_map = on_the_map(georeference)
    target = rasterio.crs.CRS.from_epsg(4326)
    source = rasterio.crs.CRS.from_wkt(georeference.crs)
    if not (source.is_geographic or source.is_projected):
        raise RasterError(
            "expected a coordinate reference system of which longitude and latitude "
            f"are known, but got {source.to_wkt()[:60]}...; leave out geojson, and "
            "take gpkg, which keeps the system."
        )

    def place(points: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
        moved = np.stack(
            rasterio.warp.transform(source, target, *on_map(points).T), axis=1
        )
        if not np.isfinite(moved).all():
            raise RasterError(
                "expected that every corner of the raster has a longitude and a "
                "latitude, but some lie outside of its coordinate reference system; "
                "leave out geojson, and take gpkg, which keeps the system."
            )
        return moved

    return place


def _counted(
    raster: RasterTree, num_regions: int, areas: Int[np.ndarray, " n"]
) -> Iterator[Int[np.ndarray, "h W"]]:
    """The strips of a cut, whose pixels are added to the areas of their nodes."""
    for _, labels in raster.strips(num_regions=num_regions):
        areas += np.bincount(labels.ravel() + 1, minlength=len(areas) + 1)[1:]
        yield labels


def _placed(
    ring: Int[np.ndarray, "n 2"], place: Place | None
) -> Float[np.ndarray, "n 2"]:
    """A ring in other coordinates, turned so that outlines go anticlockwise."""
    points = ring.astype(np.float64)
    if place is None:
        return points
    moved = place(points)
    return moved[::-1] if _is_mirrored(points, moved) else moved


def _is_mirrored(
    before: Float[np.ndarray, "n 2"], after: Float[np.ndarray, "n 2"]
) -> bool:
    return bool(_turns_left(before) != _turns_left(after))


def _turns_left(ring: Float[np.ndarray, "n 2"]) -> bool:
    (x, y), (later_x, later_y) = (ring - ring[0]).T, np.roll(ring - ring[0], -1, 0).T
    return bool((x * later_y - later_x * y).sum() > 0)
