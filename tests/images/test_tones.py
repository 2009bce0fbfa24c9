"""Numbers of any depth become the tones that the same image has in 8 bits."""

import io
import struct
import zlib

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from png_chunks import chunk

from uhseg_jax.images import ImageError, demo_image, read_image
from uhseg_jax.images.tones import to_tones

PHOTO = demo_image()[1][::8, ::8]
GREY = PHOTO.mean(axis=2).round().astype(np.uint8)


def _tiff(values, **options):
    file = io.BytesIO()
    options = {"photometric": "rgb" if values.ndim == 3 else "minisblack"} | options
    tifffile.imwrite(file, values, **options)
    return file.getvalue()


def _png(values, colour_type):
    """A PNG of 16 bits, which Pillow does not write in colour."""
    height, width = values.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    lines = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    chunks = {b"IHDR": header, b"IDAT": zlib.compress(lines), b"IEND": b""}
    return b"\x89PNG\r\n\x1a\n" + b"".join(map(chunk, chunks, chunks.values()))


def _assert_alike(found, tones, tolerance=6):
    """Grey levels agree, but for the few that are cut off at the ends."""
    difference = abs(found[..., 0].astype(int) - tones)
    assert np.quantile(difference, 0.99) <= tolerance
    assert len(np.unique(found[..., 0])) > 100


@pytest.mark.parametrize(
    ("deepen", "dtype"),
    [
        (lambda x: x * 257, np.uint16),
        (lambda x: x * 4, np.uint16),  # 10 bits
        (lambda x: x * 16, np.uint16),  # 12 bits
        (lambda x: 30_000 + x * 4, np.uint16),
        (lambda x: x * 16, np.int32),
        (lambda x: x * 10_000_000 - 10**9, np.int32),
        (lambda x: x * 2**24, np.uint32),
        (lambda x: x * 16 - 2000, np.int16),
        (lambda x: x / 255, np.float32),
        (lambda x: x / 2550 + 7, np.float32),
        (lambda x: x * 1e6 - 1e8, np.float32),
    ],
)
def test_deep_grey_has_the_tones_of_8_bits(deepen, dtype):
    values = deepen(GREY.astype(float)).astype(dtype)
    _assert_alike(read_image(_tiff(values)), GREY)
    _assert_alike(read_image(_tiff(values, compression="zlib")), GREY)
    _assert_alike(read_image(values), GREY)


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_where_the_least_is_white_tones_are_inverted(bits):
    values = (255 - GREY.astype(np.uint16)) << (bits - 8)
    values = values.astype(np.uint8 if bits == 8 else np.uint16)
    # Stretched or from the full range, white is the least.
    if bits == 16:
        values |= 255
    _assert_alike(read_image(_tiff(values, photometric="miniswhite")), GREY)
    floats = -GREY.astype(np.float32)
    _assert_alike(read_image(_tiff(floats, photometric="miniswhite")), GREY)


@pytest.mark.parametrize("factor", [4, 16, 257])
@pytest.mark.parametrize("byteorder", "<>")
@pytest.mark.parametrize(
    "options", [{}, {"compression": "zlib"}, {"planarconfig": "separate"}]
)
def test_deep_colours_of_a_tiff_have_the_tones_of_8_bits(factor, byteorder, options):
    values = PHOTO.astype(np.uint16) * np.uint16(factor)
    if options.get("planarconfig"):
        values = np.moveaxis(values, -1, 0)
    found = read_image(_tiff(values, photometric="rgb", byteorder=byteorder, **options))
    for channel in range(3):
        _assert_alike(found[..., channel:], PHOTO[..., channel])


@pytest.mark.parametrize("factor", [4, 257])
@pytest.mark.parametrize("colour_type", [0, 2, 4, 6])
def test_deep_pngs_have_the_tones_of_8_bits(factor, colour_type):
    tones = PHOTO if colour_type in (2, 6) else GREY[..., None]
    values = tones.astype(np.uint16) * np.uint16(factor)
    if colour_type in (4, 6):
        alpha = np.full_like(values[..., :1], 65535)
        alpha[:4] = 0
        values = np.concatenate([values, alpha], axis=2)
    found = read_image(_png(values, colour_type))
    _assert_alike(found[4:], tones[4:, :, 0])
    if colour_type in (4, 6):
        assert (found[:4] == 255).all()


@pytest.mark.parametrize(
    ("hole", "options"),
    [
        (-3.4028235e38, {}),
        (np.nan, {}),
        (1e31, {}),
        (-9999.0, {"extratags": [(42113, "s", 6, "-9999", True)]}),
        (0.5, {"extratags": [(42113, "s", 4, "0.5", True)]}),
    ],
)
def test_what_is_no_data_is_black_and_counts_for_nothing(hole, options):
    values = GREY.astype(np.float32) * 3
    values[10:30, 10:30] = hole
    found = read_image(_tiff(values, **options))
    assert (found[10:30, 10:30] == 0).all()
    expected = GREY.copy()
    expected[10:30, 10:30] = 0
    _assert_alike(found, expected)


def test_gdal_names_whole_numbers_too():
    values = GREY.astype(np.uint16) * np.uint16(4) + np.uint16(1000)
    values[:20] = 65535
    options = {"extratags": [(42113, "s", 6, "65535", True)]}
    found = read_image(_tiff(values, **options))
    assert (found[:20] == 0).all()
    _assert_alike(found[20:], GREY[20:])
    # A number that no value can be, and no number, say nothing.
    for text in ("-3.4e38", "none"):
        options = {"extratags": [(42113, "s", len(text) + 1, text, True)]}
        assert read_image(_tiff(values, **options)).max() == 255


@pytest.mark.parametrize("outlier", [1e9, -1e9, 65535])
@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_a_single_outlier_costs_no_tones(outlier, dtype):
    values = GREY.astype(dtype) * dtype(4)
    values[5, 5] = outlier
    _assert_alike(read_image(_tiff(values)), GREY)


def test_a_fourth_band_is_transparency_only_where_it_looks_like_it():
    band = np.random.default_rng(0).integers(20, 200, (*GREY.shape, 1), np.uint8)
    for kind in ("unassalpha", "unspecified"):
        infrared = np.concatenate([PHOTO, band], axis=2)
        found = read_image(_tiff(infrared, extrasamples=[kind]))
        np.testing.assert_array_equal(found, PHOTO)
    alpha = np.where(band < 60, 0, 255).astype(np.uint8)
    found = read_image(
        _tiff(np.concatenate([PHOTO, alpha], axis=2), extrasamples=["unassalpha"])
    )
    np.testing.assert_array_equal(found, np.where(alpha == 0, 255, PHOTO))


@given(
    hnp.arrays(
        st.sampled_from(["?", "u1", "i1", ">u2", "i4", "u8", "f2", "f4", "f8"]),
        hnp.array_shapes(min_dims=2, max_dims=3, max_side=6),
    )
)
def test_any_numbers_give_tones_that_keep_their_order(values):
    with np.errstate(invalid="ignore"):
        tones = to_tones(values)
    assert tones.dtype == np.uint8
    assert tones.shape == values.shape
    numbers = values.astype(float).reshape(-1)
    known = (abs(numbers) < 1e30) | np.isinf(numbers)
    assert (tones.reshape(-1)[~known] == 0).all()
    order = np.argsort(numbers[known], kind="stable")
    assert (np.diff(tones.reshape(-1)[known][order].astype(int)) >= 0).all()


def test_little_of_a_range_is_less_than_a_quarter_of_it():
    ramp = np.arange(1000)[None]
    for top, is_stretched in ((16000, True), (20000, False)):
        tones = to_tones((ramp * top / 999).astype(np.uint16))
        assert (tones.max() == 255) == is_stretched


def test_files_that_pillow_opens_lazily_are_alike(tmp_path):
    path = tmp_path / "dark.png"
    path.write_bytes(_png(PHOTO.astype(np.uint16) * np.uint16(4), 2))
    with Image.open(path) as image:
        np.testing.assert_array_equal(read_image(image), read_image(path))


def test_bands_are_what_they_are_said_to_be():
    infrared = np.where(GREY > 128, 255, 0).astype(np.uint8)[..., None]
    four = _tiff(np.concatenate([PHOTO, infrared], axis=2), extrasamples=["unassalpha"])
    np.testing.assert_array_equal(read_image(four, bands=(1, 2, 3)), PHOTO)
    false_colour = np.concatenate([infrared, PHOTO[..., :2]], axis=2)
    np.testing.assert_array_equal(read_image(four, bands=(4, 1, 2)), false_colour)
    np.testing.assert_array_equal(read_image(four, bands=[2])[..., 0], PHOTO[..., 1])
    deep = _png(np.concatenate([PHOTO, infrared], axis=2).astype(np.uint16) * 4, 6)
    _assert_alike(read_image(deep, bands=(3, 2, 4)), PHOTO[..., 2])
    for bands in ((1, 2), (0, 1, 2), (3, 4, 5)):
        with pytest.raises(ImageError, match=r"file that .*of the 4 .*\(R, G, B, A\)"):
            read_image(four, bands=bands)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.zeros((4, 5, 7), np.uint16), "16-bit integers in 7 bands"),
        (np.zeros((4, 5, 3), np.float32), "32-bit floats in 3 bands"),
        (np.zeros((4, 5), np.float64), "64-bit floats, a kind that is not read"),
    ],
)
def test_a_tiff_of_other_numbers_is_named(values, words):
    options = {"photometric": "rgb" if values.shape[2:] == (3,) else "minisblack"}
    with pytest.raises(ImageError, match=f"it is a TIFF of {words}"):
        read_image(_tiff(values, **options, planarconfig="contig"))
