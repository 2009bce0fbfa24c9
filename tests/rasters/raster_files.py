"""Small rasters in files, with and without a place on Earth."""

import numpy as np


def write_geotiff(path, values, *, no_data=None, crs="EPSG:32632", **more):
    """Bands [H, W, k] in tiles of 64, half a metre a pixel."""
    import warnings

    import rasterio
    from affine import Affine

    height, width, count = values.shape
    profile = {
        "driver": "GTiff",
        "dtype": values.dtype.name,
        "nodata": no_data,
        "tiled": True,
        "blockxsize": 64,
        "blockysize": 64,
        "compress": "deflate",
    } | more
    if crs:
        profile |= {"crs": crs, "transform": Affine(0.5, 0, 5e5, 0, -0.5, 5e6)}
    profile |= {"height": height, "width": width, "count": count}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # without a place
        with rasterio.open(path, "w", **profile) as file:
            file.write(np.moveaxis(values, -1, 0))
    return path
