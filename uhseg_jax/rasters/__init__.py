"""Images of any size: windows in, one tree of regions out, without seams.

An image that fits in no memory is read by windows (`sources`). Its tiles overlap and go
through the backbone one by one, superpixels are found in windows that agree where they
meet, and one graph of all of them becomes one tree (`segment_raster`).
"""

from uhseg_jax.rasters.files import open_raster
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
    "SlideRaster",
    "Window",
    "open_raster",
    "open_slide",
    "segment_raster",
    "segment_source",
]
