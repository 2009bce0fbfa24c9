"""Blocks of pixels in place of pixels, and the labels of blocks back at pixels."""

import numpy as np
import pytest

from uhseg_jax.rasters import NO_DATA, ArrayRaster, Colors, LabelRaster, Window
from uhseg_jax.rasters.reduced import Reduced
from uhseg_jax.rasters.windows import cores
from uhseg_jax.superpixels.enlarging import enlarge_labels


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (41, 53, 3)).astype(np.uint8)


def test_a_block_is_the_mean_of_its_pixels_with_data_in_every_window(image):
    mask = np.ones(image.shape[:2], bool)
    mask[4:13, 10:25] = False
    reduced = Reduced(Colors.of(ArrayRaster(image, mask=mask)), 3)
    assert reduced.size == (14, 18)
    pixels, valid, of_pixels = reduced.read(Window(0, 0, 14, 18))
    np.testing.assert_array_equal(of_pixels, mask)
    for row, column in np.ndindex(14, 18):
        block = np.s_[3 * row : 3 * row + 3, 3 * column : 3 * column + 3]
        there = image[block][mask[block]]
        assert valid[row, column] == bool(len(there))
        if len(there):
            mean = np.floor(there.mean(axis=0) + 0.5)
            np.testing.assert_allclose(pixels[row, column], mean, atol=1)
    window = Window(3, 5, 9, 13)
    part, _, _ = reduced.read(window)
    np.testing.assert_array_equal(part, pixels[window.slices])


def test_windows_read_by_rows_of_blocks_are_the_same(image, monkeypatch):
    for scale in (1, 2, 3):
        reduced = Reduced(Colors.of(ArrayRaster(image)), scale)
        window = Window(1, 2, 9, 11)
        want = reduced.read(window)
        with monkeypatch.context() as patch:
            patch.setattr("uhseg_jax.rasters.reduced._PIXELS", 80)
            found = reduced.read(window)
        for one, other in zip(found, want, strict=True):
            np.testing.assert_array_equal(one, other)


def test_sums_of_large_blocks_do_not_overflow():
    white = np.full((600, 310), 255, np.uint8)
    pixels, _, _ = Reduced(Colors.of(ArrayRaster(white)), 300).read(Window(0, 0, 2, 2))
    assert (pixels == 255).all()


@pytest.mark.parametrize("scale", [1, 2, 3])
def test_labels_of_windows_are_those_of_the_whole_enlarged(scale, tmp_path):
    rng = np.random.default_rng(0)
    blocks = rng.integers(0, 4, (17, 23)).astype(np.int32)
    size = (17 * scale - (scale > 1), 23 * scale - (scale > 2))
    raster = LabelRaster(tmp_path, size, 5 * scale, scale=scale)
    for at, window in cores(blocks.shape, 5):
        raster.put(at, blocks[window.slices])
    raster.save()
    whole = enlarge_labels(blocks, (17 * scale, 23 * scale))[: size[0], : size[1]]
    found = LabelRaster.load(tmp_path)
    np.testing.assert_array_equal(found.read(Window(0, 0, *size)), whole)
    window = Window(7, 4, 10, 15)
    np.testing.assert_array_equal(found.read(window), whole[window.slices])


def test_pixels_with_data_have_labels_and_others_none(tmp_path):
    rng = np.random.default_rng(1)
    valid = rng.random((24, 36)) < 0.5
    valid[6:12, 6:18] = False
    there = valid.reshape(12, 2, 18, 2).any(axis=(1, 3))
    blocks = np.where(there, rng.integers(0, 4, (12, 18)), NO_DATA).astype(np.int32)
    raster = LabelRaster(tmp_path, valid.shape, 10, scale=2)
    for at, window in cores(blocks.shape, 5):
        full = Window(*(2 * x for x in window))
        raster.put(at, blocks[window.slices], valid[full.slices])
    found = raster.read(Window(0, 0, 24, 36))
    np.testing.assert_array_equal(found != NO_DATA, valid)
