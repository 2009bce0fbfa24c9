"""Files read by windows through rasterio."""

import numpy as np
import pytest
from raster_files import write_geotiff

from uhseg_jax.rasters import RasterError, Window, open_raster

pytest.importorskip("rasterio", reason="no rasterio: pip install '.[readers]'")
pytestmark = pytest.mark.readers


@pytest.fixture
def values():
    return np.random.default_rng(0).integers(1, 4000, (150, 210, 4)).astype(np.uint16)


def test_windows_and_the_smaller_copy_are_those_of_the_values(values, tmp_path):
    values[20:50, 30:90] = 0
    raster = open_raster(write_geotiff(tmp_path / "a.tif", values, no_data=0))
    assert (raster.size, raster.num_bands) == ((150, 210), 4)
    window = Window(11, 7, 100, 150)
    found, valid = raster.read(window)
    np.testing.assert_array_equal(found, values[window.slices])
    np.testing.assert_array_equal(valid, (values[window.slices] > 0).any(axis=-1))
    copy, _ = raster.overview(50)
    np.testing.assert_array_equal(copy, values[2::5, 2::5])


def test_the_place_is_kept_and_may_be_missing(values, tmp_path):
    place = open_raster(write_geotiff(tmp_path / "a.tif", values)).georeference
    assert place.transform == (0.5, 0, 500_000, 0, -0.5, 5_000_000)
    assert "UTM zone 32N" in place.crs
    path = write_geotiff(tmp_path / "b.tif", values, crs=None)
    assert open_raster(path).georeference is None


def test_transparency_is_no_band_but_says_where_there_is_no_data(tmp_path):
    values = np.full((64, 80, 4), 200, np.uint8)
    values[:10, :, 3] = 0
    path = write_geotiff(tmp_path / "a.tif", values, photometric="RGB", alpha="YES")
    raster = open_raster(path)
    found, valid = raster.read(Window(0, 0, 64, 80))
    assert found.shape == (64, 80, 3)
    assert valid[10:].all()
    assert not valid[:10].any()


def test_a_number_for_no_data_hides_no_transparency(tmp_path):
    values = np.full((64, 80, 4), 200, np.uint8)
    values[:10, :, 3] = 0
    more = {"photometric": "RGB", "alpha": "YES", "no_data": 0}
    path = write_geotiff(tmp_path / "a.tif", values, **more)
    _, valid = open_raster(path).read(Window(0, 0, 64, 80))
    np.testing.assert_array_equal(valid, values[..., 3] > 0)


def test_a_pixel_has_data_where_any_band_has(tmp_path):
    values = np.full((64, 80, 4), 9, np.uint8)
    values[3, 5, 3] = values[4, 5, :3] = values[5, 5] = 0
    more = {"photometric": "RGB", "alpha": "NO", "no_data": 0}
    raster = open_raster(write_geotiff(tmp_path / "a.tif", values, **more))
    assert raster.num_bands == 4
    _, valid = raster.read(Window(0, 0, 64, 80))
    np.testing.assert_array_equal(np.argwhere(~valid), [[5, 5]])


def test_only_what_may_say_more_is_read_for_the_mask(values, tmp_path, monkeypatch):
    values[20, 30] = 0
    raster = open_raster(write_geotiff(tmp_path / "a.tif", values, no_data=0))
    seen = []

    class Seen:
        def __getattr__(self, name):
            return getattr(file, name)

        def read_masks(self, band, **more):
            seen.append(band)
            return file.read_masks(band, **more)

    file = raster._file
    monkeypatch.setattr(raster, "_file", Seen())
    raster.read_bands(Window(64, 64, 20, 20), (2,))
    assert seen == [1]
    raster.read_bands(Window(0, 0, 64, 64), (2,))
    assert seen == [1, 1, 2, 3, 4]


@pytest.mark.parametrize("kind", ["complex64", "complex_int16"])
def test_complex_numbers_are_refused(kind, tmp_path):
    values = np.ones((64, 80, 1), np.complex64)
    path = write_geotiff(tmp_path / "a.tif", values, dtype=kind)
    with pytest.raises(RasterError, match="its numbers are complex; write their magn"):
        open_raster(path)


def test_a_missing_tile_is_said_in_a_sentence(values, tmp_path):
    path = write_geotiff(tmp_path / "a.tif", values)
    path.write_bytes(path.read_bytes()[:150_000])
    raster = open_raster(path)
    with pytest.raises(RasterError, match="from row 64 and column 64 to row 149"):
        raster.read(Window(64, 64, 86, 146))
    path.write_bytes(b"II*\0" + bytes(20))
    with pytest.raises(RasterError, match="cannot be opened"):
        open_raster(path)


def test_a_mosaic_has_changed_when_one_of_its_files_has(values, tmp_path):
    path = write_geotiff(tmp_path / "a.tif", values)
    mosaic = tmp_path / "all.vrt"
    band = (
        '<VRTRasterBand dataType="UInt16" band="1"><SimpleSource>'
        '<SourceFilename relativeToVRT="1">a.tif</SourceFilename>'
        "<SourceBand>1</SourceBand></SimpleSource></VRTRasterBand>"
    )
    mosaic.write_text(
        f'<VRTDataset rasterXSize="210" rasterYSize="150">{band}</VRTDataset>'
    )
    assert not open_raster(path).stamp()
    before = open_raster(mosaic)
    np.testing.assert_array_equal(
        before.read(Window(0, 0, 150, 210))[0][..., 0], values[..., 0]
    )
    stamp, identity = before.stamp(), before.identity()
    write_geotiff(path, values[:, :, :2])
    after = open_raster(mosaic)
    assert after.stamp() != stamp
    assert after.identity() != identity


def test_bands_are_read_alone_in_any_order(values, tmp_path):
    raster = open_raster(write_geotiff(tmp_path / "a.tif", values))
    found, _ = raster.read_bands(Window(3, 4, 50, 60), (2, 0, 0))
    np.testing.assert_array_equal(found, values[3:53, 4:64][..., [2, 0, 0]])
    copy, _ = raster.overview(50, (3,))
    np.testing.assert_array_equal(copy, values[2::5, 2::5, 3:])
