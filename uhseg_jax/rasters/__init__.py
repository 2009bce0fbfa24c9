"""Images of any size: windows in, one tree of regions out, without seams.

An image that fits in no memory is read by windows (`sources`). Its tiles overlap and go
through the backbone one by one, superpixels are found in windows that agree where they
meet, and one graph of all of them becomes one tree (`segment_raster`).
"""

from uhseg_jax.rasters.files import open_raster
from uhseg_jax.rasters.geojson import geojson_place, write_geojson
from uhseg_jax.rasters.geopackage import write_geopackage
from uhseg_jax.rasters.geotiff import write_labels
from uhseg_jax.rasters.label_raster import NO_DATA, LabelRaster
from uhseg_jax.rasters.raster_tree import RasterTree
from uhseg_jax.rasters.slides import SlideRaster, open_slide
from uhseg_jax.rasters.sources import (
    ArrayRaster,
    Georeference,
    RasterError,
    RasterSource,
)
from uhseg_jax.rasters.tones import Colors
from uhseg_jax.rasters.vectors import RegionShape, on_the_map, region_shapes
from uhseg_jax.rasters.whole import DEFAULT_TILE, segment_raster, segment_source
from uhseg_jax.rasters.windows import Window

__all__ = [
    "DEFAULT_TILE",
    "NO_DATA",
    "ArrayRaster",
    "Colors",
    "Georeference",
    "LabelRaster",
    "RasterError",
    "RasterSource",
    "RasterTree",
    "RegionShape",
    "SlideRaster",
    "Window",
    "geojson_place",
    "on_the_map",
    "open_raster",
    "open_slide",
    "region_shapes",
    "segment_raster",
    "segment_source",
    "write_geojson",
    "write_geopackage",
    "write_labels",
]
