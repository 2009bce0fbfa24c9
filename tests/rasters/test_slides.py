"""Levels of a slide, of a small pyramid made here."""

import numpy as np
import pytest
import tifffile

from uhseg_jax.rasters import RasterError, Window, open_raster, open_slide
from uhseg_jax.rasters.slides import SlideRaster

pytestmark = pytest.mark.readers


@pytest.fixture(scope="module")
def pixels():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (12, 16, 3), np.uint8).repeat(32, 0).repeat(32, 1)


@pytest.fixture(scope="module")
def slide(pixels, tmp_path_factory):
    """A TIFF in tiles with two levels more."""
    pytest.importorskip("openslide")
    path = tmp_path_factory.mktemp("slides") / "slide.tif"
    with tifffile.TiffWriter(path) as file:
        for level, step in enumerate((1, 2, 4)):
            file.write(
                pixels[::step, ::step],
                tile=(64, 64),
                photometric="rgb",
                subfiletype=int(level > 0),
            )
    return path


@pytest.mark.parametrize(("level", "step"), [(0, 1), (1, 2), (2, 4)])
def test_windows_of_a_level_are_those_of_its_pixels(slide, pixels, level, step):
    source = open_slide(slide, level=level)
    wanted = pixels[::step, ::step]
    assert source.size == wanted.shape[:2]
    assert (source.num_bands, source.downsample) == (3, step)
    for window in (Window(0, 0, *source.size), Window(40, 30, 7, 50)):
        values, valid = source.read(window)
        np.testing.assert_array_equal(values, wanted[window.slices])
        assert valid.all()


def test_the_finest_level_is_taken_unless_it_is_large(slide, monkeypatch):
    assert open_slide(slide).level == 0
    monkeypatch.setattr("uhseg_jax.rasters.slides._MOST_PIXELS", 60_000)
    assert open_slide(slide).level == 1
    monkeypatch.setattr("uhseg_jax.rasters.slides._MOST_PIXELS", 1)
    assert open_slide(slide).level == 2


def test_a_slide_is_a_raster_as_it_is(slide):
    source = open_slide(slide, level=1)
    assert open_raster(source) is source
    assert source.title == "slide.tif"
    values, valid = source.overview(32)
    assert values.shape == (*valid.shape, 3)


def test_only_a_mirax_slide_is_stamped_with_the_folder_of_its_name(tmp_path):
    stamps = []
    for name in ("a.txt", "b.txt"):
        (tmp_path / "scan").mkdir(exist_ok=True)
        (tmp_path / "scan" / name).touch()
        names = ("scan.svs", "scan.mrxs")
        stamps.append([SlideRaster(str(tmp_path / x), 0).stamp() for x in names])
    (svs, mirax), (svs_after, mirax_after) = stamps
    assert svs == svs_after
    assert mirax != mirax_after


def test_what_is_no_slide_or_no_level_is_said_in_a_sentence(slide, tmp_path):
    with pytest.raises(RasterError, match=r"0: 512 x 384.*but got 3"):
        open_slide(slide, level=3)
    (tmp_path / "a.svs").write_bytes(b"no slide")
    with pytest.raises(RasterError, match="expected a slide"):
        open_slide(tmp_path / "a.svs")
    with pytest.raises(RasterError, match="expected a slide"):
        open_raster(tmp_path / "missing.svs")
