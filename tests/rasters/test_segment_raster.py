"""Rasters to trees: seams, no-data, going on, bad input."""

import numpy as np
import pytest

import uhseg_jax
from uhseg_jax.backbones import PatchRequest
from uhseg_jax.methods.region_merging import Config
from uhseg_jax.rasters import (
    NO_DATA,
    ArrayRaster,
    Colors,
    RasterError,
    RasterTree,
    making,
    whole,
)
from uhseg_jax.rasters.reduced import Reduced
from uhseg_jax.rasters.superpixels import Lattice, core_regions
from uhseg_jax.rasters.windows import Window, cores
from uhseg_jax.superpixels import SuperpixelConfig
from uhseg_jax.superpixels.adjacency import find_borders

MODEL = "dinov2_test"


@pytest.fixture(scope="module")
def image():
    """Smooth blobs of a few colours, 90 by 120."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(0)
    noise = gaussian_filter(rng.normal(size=(90, 120, 3)), (5, 5, 0))
    return (127 + 600 * noise).clip(0, 255).astype(np.uint8)


def divided(image, valid, side, lattice):
    """Labels of the whole from cores of a side, and what is known of each core."""
    labels = np.empty(image.shape[:2], np.int32)
    found = {}
    for at, core in cores(image.shape[:2], side):
        window = core.grown(lattice.margin, image.shape[:2])
        labels[core.slices], found[at] = core_regions(
            image[window.slices], valid[window.slices], window, core, lattice
        )
    return labels, found


@pytest.mark.parametrize("kind", ["watershed", "grid"])
@pytest.mark.parametrize("has_holes", [False, True])
def test_superpixels_and_measures_do_not_depend_on_the_cores(image, kind, has_holes):
    valid = np.ones(image.shape[:2], bool)
    if has_holes:
        valid[30:50, 20:41] = False
    config = SuperpixelConfig(kind=kind, count=300)
    lattice = Lattice.over(image.shape[:2], image.shape[:2], config)
    want, whole_found = divided(image, valid, 500, lattice)
    labels, found = divided(image, valid, 32, lattice)
    assert ((labels == NO_DATA) == ~valid).all()
    assert (labels == want).mean() > 0.999
    areas = sum(x.areas.sum() for x in found.values())
    assert areas == valid.sum()
    shapes = {at: core.shape for at, core in cores(image.shape[:2], 32)}
    pairs, lengths, evidence = whole_borders(found, shapes)
    direct = find_borders(labels + 1)
    apart = (direct.edges > 0).all(axis=1)
    np.testing.assert_array_equal(pairs, direct.edges[apart] - 1)
    np.testing.assert_array_equal(lengths, direct.lengths[apart])
    contrasts = {
        (*map(int, pair), length): contrast
        for pair, length, contrast in zip(
            *whole_borders(whole_found, {(0, 0): image.shape[:2]}), strict=True
        )
    }
    keys = [(*map(int, pair), x) for pair, x in zip(pairs, lengths, strict=True)]
    same = [i for i, key in enumerate(keys) if key in contrasts]
    assert len(same) > 0.98 * len(keys)
    # Where cores meet, evidence is of pairs of pixels too.
    np.testing.assert_allclose(
        evidence[same], [contrasts[keys[i]] for i in same], rtol=1e-3, atol=1e-5
    )


def whole_borders(found, shapes):
    from uhseg_jax.rasters.superpixels import borders_between
    from uhseg_jax.superpixels.region_graph import joined

    edges, lengths, evidence = ([x] for x in borders_between(found, shapes))
    for core in found.values():
        edges.append(core.edges)
        lengths.append(core.lengths)
        evidence.append(core.evidence)
    return joined(*map(np.concatenate, (edges, lengths, evidence)))


@pytest.fixture(scope="module")
def small():
    return Config(
        request=PatchRequest(grid=3, blocks=(-1,)),
        superpixels=SuperpixelConfig(count=40),
        num_condensed=20,
        max_regions=16,
    )


@pytest.fixture(scope="module")
def large(image):
    """Twice as large, so that with tiles of 100 superpixels are found in halves."""
    return image.repeat(2, 0).repeat(2, 1)[:-1, :-1]


@pytest.mark.slow
def test_a_stopped_computation_goes_on_to_an_equal_tree(
    large, small, tmp_path, monkeypatch
):
    monkeypatch.setattr(making, "SIDE", 40)
    monkeypatch.setattr(whole, "SIDE", 40)
    options = {"model": MODEL, "config": small, "tile": 100}
    want = uhseg_jax.segment_raster(large, **options).cut(num_regions=6)
    assert len(np.unique(want)) == 6

    class StoppedError(Exception):
        pass

    finish, left = making.Making._finish, [3]

    def stops(self, *args):
        if not left[0]:
            raise StoppedError
        left[0] -= 1
        finish(self, *args)

    monkeypatch.setattr(making.Making, "_finish", stops)
    with pytest.raises(StoppedError):
        uhseg_jax.segment_raster(large, output=tmp_path, **options)
    (tmp_path / ".parts-of-others").mkdir()
    monkeypatch.setattr(making.Making, "_finish", finish)
    found = uhseg_jax.segment_raster(large, output=tmp_path, **options)
    np.testing.assert_array_equal(found.cut(num_regions=6), want)
    again = RasterTree.load(tmp_path).cut(num_regions=6)
    np.testing.assert_array_equal(again, want)
    assert not [*tmp_path.glob(".parts-*")]


@pytest.mark.slow
def test_no_data_has_no_region_and_a_raster_of_none_is_refused(large, small):
    mask = np.ones(large.shape[:2], bool)
    mask[:141, 61:] = False
    raster = ArrayRaster(large, mask=mask)
    options = {"model": MODEL, "config": small, "tile": 100}
    found = uhseg_jax.segment_raster(raster, **options).cut(num_regions=4)
    np.testing.assert_array_equal(found == NO_DATA, ~mask)
    nothing = ArrayRaster(large, mask=np.zeros_like(mask))
    with pytest.raises(RasterError, match="no pixel of a smaller copy"):
        uhseg_jax.segment_raster(nothing, **options)


def test_what_cannot_be_is_said_before_anything_is_computed(image, small):
    options = {"model": MODEL, "config": small}
    with pytest.raises(ValueError, match="overlap from 0 to below"):
        uhseg_jax.segment_raster(image, tile=60, overlap=60, **options)
    with pytest.raises(RasterError, match="one band or three of its 3"):
        uhseg_jax.segment_raster(image, bands=(4, 3, 2), **options)
    with pytest.raises(ValueError, match="needs the patches of one image"):
        uhseg_jax.segment_raster(image, model=MODEL, method="diffusion_walk")
    with pytest.raises(RasterError, match=r"\[H, W\] or \[H, W, bands\]"):
        uhseg_jax.segment_raster(image[None])


@pytest.mark.parametrize("tile", [31, 60])
def test_tiles_of_blocks_overlap_by_less_than_their_side(image, tile):
    for scale in (1, 2, 3):
        reduced = Reduced(Colors.of(ArrayRaster(image)), scale)
        for overlap in (0, tile // 2, tile - 2, tile - 1):
            *_, last = whole._tiling(reduced, tile, overlap).tiles()
            assert (last.window.bottom, last.window.right) == reduced.size


def test_tones_are_the_same_in_all_windows():
    values = np.linspace(100, 900, 40 * 50).reshape(40, 50).astype(np.uint16)
    from uhseg_jax.images import read_image
    from uhseg_jax.rasters import Colors

    colors = Colors.of(ArrayRaster(values))
    want = read_image(values)
    window = Window(7, 9, 20, 30)
    np.testing.assert_array_equal(colors.read(window)[0], want[window.slices])
