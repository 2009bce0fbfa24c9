"""Labels of rasters as TIFF, read back by other libraries."""

import errno
import os

import numpy as np
import pytest
import tifffile
from raster_trees import UTM, random_raster

from uhseg_jax.rasters import Georeference
from uhseg_jax.rasters.geotiff import SIDE, write_labels


def strips_of(labels):
    return (labels[i : i + SIDE] for i in range(0, len(labels), SIDE))


@pytest.mark.parametrize("size", [(1, 1), (SIDE, SIDE), (700, 530), (30, 1030)])
def test_labels_of_any_size_come_back(tmp_path, size):
    labels = np.random.default_rng(0).integers(-1, 99, size).astype(np.int32)
    write_labels(tmp_path / "a.tif", strips_of(labels), size, description="9 regions")
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        page = tiff.pages[0]
        assert page.is_tiled
        assert page.compression == tifffile.COMPRESSION.ADOBE_DEFLATE
        assert page.nodata == -1
        np.testing.assert_array_equal(page.asarray(), labels)


def test_a_raster_that_could_pass_four_gigabytes_is_a_big_tiff(tmp_path):
    size = (2**16, 2**14)
    with pytest.raises(KeyboardInterrupt):
        write_labels(tmp_path / "a.tif", _interrupted(tmp_path), size)
    assert not (tmp_path / "a.tif").exists()


def _interrupted(folder):
    yield np.zeros((SIDE, 2**14), np.int32)
    (aside,) = folder.iterdir()
    assert aside.read_bytes()[:4] == b"II+\0"
    raise KeyboardInterrupt


def test_a_full_disk_is_told_and_what_was_there_stays(tmp_path):
    path = tmp_path / "a.tif"
    labels = np.zeros((4, 4), np.int32)
    write_labels(path, [labels], labels.shape)
    before = path.read_bytes()

    def full():
        yield from ()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match="No space left") as caught:
        write_labels(path, full(), labels.shape)
    assert caught.value.errno == errno.ENOSPC
    assert caught.value.filename == str(path)
    assert path.read_bytes() == before


@pytest.mark.readers
@pytest.mark.parametrize("transform", [UTM, (3.0, 0.5, 1e6, -0.5, -2.0, 2e6)])
def test_where_a_raster_lies_is_kept(tmp_path, transform):
    rasterio = pytest.importorskip("rasterio")
    wkt = rasterio.CRS.from_epsg(32633).to_wkt()
    raster, leaves = random_raster(
        tmp_path / "labels", georeference=Georeference(wkt, transform)
    )
    path = tmp_path / "a.tif"
    strips = (x for _, x in raster.strips(SIDE, num_regions=5))
    place = {"georeference": raster.georeference, "description": "5 regions"}
    write_labels(path, strips, raster.size, **place)
    with rasterio.open(path) as file:
        assert file.crs.to_epsg() == 32633
        assert tuple(file.transform)[:6] == transform
        assert file.nodata == -1
        assert file.descriptions == ("5 regions",)
        found = file.read(1, masked=True)
        np.testing.assert_array_equal(found.mask, leaves < 0)
        np.testing.assert_array_equal(found.data, raster.cut(num_regions=5))
