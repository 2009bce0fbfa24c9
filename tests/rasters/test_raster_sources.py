"""What arrays and files are as rasters, and what tells them apart."""

import numpy as np
import pytest
from PIL import Image

from uhseg_jax.rasters import ArrayRaster, RasterError, Window, open_raster
from uhseg_jax.rasters.raster_graph import within_float16

ALL = Window(0, 0, 30, 40)


@pytest.fixture
def values():
    return np.random.default_rng(0).integers(1, 255, (30, 40, 3)).astype(np.uint8)


def test_every_value_tells_rasters_apart(values):
    known = ArrayRaster(values).identity()
    assert ArrayRaster(values.copy()).identity() == known
    others = [ArrayRaster(values.astype(np.int16))]
    for at in ((0, 0, 0), (29, 39, 2), (7, 13, 1)):
        changed = values.copy()
        changed[at] += 1
        others.append(ArrayRaster(changed))
    mask = np.ones((30, 40), bool)
    mask[3, 5] = False
    others.append(ArrayRaster(values, mask=mask))
    assert known not in [x.identity() for x in others]


def test_where_an_array_is_masked_it_has_no_data(values):
    masked = np.ma.array(values, mask=np.zeros(values.shape, bool))
    masked[4:9, 6, 1] = np.ma.masked
    found, valid = open_raster(masked).read(ALL)
    np.testing.assert_array_equal(found, values)
    np.testing.assert_array_equal(np.argwhere(~valid), [[r, 6] for r in range(4, 9)])


def test_numbers_that_stand_for_no_data_in_many_files_are_none(values):
    real = values.astype(np.float32)
    real[0, 0], real[1, 1, 0], real[2, 2, 1] = -np.finfo(np.float32).max, np.nan, 1e31
    _, valid = open_raster(real).read(ALL)
    np.testing.assert_array_equal(np.argwhere(~valid), [[0, 0], [1, 1], [2, 2]])


@pytest.mark.parametrize("kind", [object, complex, str])
def test_arrays_of_other_values_are_refused(values, kind):
    with pytest.raises(RasterError, match="integers or floats"):
        open_raster(values[..., 0].astype(kind))


def test_a_path_may_begin_with_the_home_folder(values, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    Image.fromarray(values).save(tmp_path / "scan.png")
    found, _ = open_raster("~/scan.png").read(ALL)
    np.testing.assert_array_equal(found, values)


def test_sums_that_float16_does_not_hold_stay_finite():
    found = within_float16(np.array([[1e9, -1e9, 2.5]], np.float32))
    assert found.tolist() == [[65504.0, -65504.0, 2.5]]
