"""Any image file becomes upright uint8 RGB, or a sentence that names the file."""

import contextlib
import inspect
import io
import os
import sys
import warnings

import jax.numpy as jnp
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageCms
from png_chunks import grey_png

from uhseg_jax.images import MAX_MEGAPIXELS, ImageError, demo_image, read_image

COLOURS = np.array(
    [
        [[200, 30, 40], [10, 190, 60], [30, 20, 220]],
        [[0, 0, 0], [255, 255, 255], [128] * 3],
    ],
    np.uint8,
)


def ramp(height=16, width=24):
    """A smooth colour image, kind to lossy formats."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack(
        [rows * 255 // height, columns * 255 // width, 128 + 0 * rows], axis=-1
    ).astype(np.uint8)


# -- modes and formats ---------------------------------------------------------------


@pytest.mark.parametrize(
    "suffix", ["png", "bmp", "tiff", "ppm", "webp", "gif", "tga", "jp2", "avif"]
)
def test_common_formats_give_their_pixels(tmp_path, suffix):
    flat = np.full((16, 24, 3), (200, 100, 50), np.uint8)
    path = tmp_path / f"flat.{suffix}"
    Image.fromarray(flat).save(path)
    image = read_image(path)
    assert image.dtype == np.uint8
    assert image.shape == (16, 24, 3)
    np.testing.assert_allclose(image.astype(int), flat, atol=4)


@pytest.mark.parametrize("mode", ["RGB", "CMYK", "YCbCr", "LAB"])
def test_colour_modes_keep_their_colours(tmp_path, mode):
    image = Image.fromarray(COLOURS)
    if mode == "LAB":
        profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        transform = ImageCms.buildTransform(*profiles, "RGB", "LAB")
        image = ImageCms.applyTransform(image, transform)
    image.convert(mode).save(tmp_path / "a.tif")
    found = read_image(tmp_path / "a.tif").astype(int)
    np.testing.assert_allclose(found, COLOURS, atol=16 if mode == "LAB" else 3)


def test_cmyk_jpeg_is_not_inverted(tmp_path):
    Image.fromarray(ramp()).convert("CMYK").save(tmp_path / "a.jpg", quality=98)
    found = read_image(tmp_path / "a.jpg").astype(int)
    np.testing.assert_allclose(found, ramp(), atol=12)


DEEP = np.array([[0, 257, 32896, 65535]])
FLOATS = np.array([[2.0, 3.0, 4.0, np.nan, np.inf, -np.inf]], np.float32)


@pytest.mark.parametrize(
    ("image", "suffixes", "expected"),
    [
        (np.array([[False, True]]), ["png", "tif"], [0, 255]),
        (np.array([[7, 200]], np.uint8), ["png", "tif"], [7, 200]),
        # From the full range of 16 bits.
        (DEEP.astype(np.uint16), ["png", "tif"], [0, 1, 128, 255]),
        (DEEP.astype(np.int32), ["tif"], [0, 1, 128, 255]),
        (
            Image.frombytes("I;16B", (4, 1), DEEP.astype(">u2").tobytes()),
            *([], [0, 1, 128, 255]),
        ),
        # Stretched; NaN is black, and so is what is constant.
        (np.array([[-100_000, 0, 100_000]], np.int32), ["tif"], [0, 128, 255]),
        (FLOATS, ["tif"], [0, 128, 255, 0, 255, 0]),
        *(
            (np.full((1, 2), value, np.float32), ["tif"], [0, 0])
            for value in (0.0, 5.0, np.nan, 3e38)
        ),
    ],
)
def test_grey_is_repeated_over_channels(tmp_path, image, suffixes, expected):
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    given = [image]
    for suffix in suffixes:
        given.append(tmp_path / f"grey.{suffix}")
        image.save(given[-1])
    for one in given:
        assert read_image(one).tolist() == [[[value] * 3 for value in expected]]


@pytest.mark.parametrize("mode", ["LA", "RGBA", "PA", "La", "RGBa"])
def test_transparent_pixels_are_white(mode):
    rgba = np.zeros((1, 2, 4), np.uint8)
    rgba[0, 0, 3] = 255
    image = Image.fromarray(rgba)
    for step in {"La": ["LA", "La"], "RGBa": ["RGBa"]}.get(mode, [mode]):
        image = image.convert(step)
    assert image.mode == mode
    assert read_image(image).tolist() == [[[0] * 3, [255] * 3]]


def test_half_transparent_red_is_pink():
    image = read_image(np.array([[[255, 0, 0, 128]]], np.uint8))
    np.testing.assert_allclose(image.astype(int), [[[255, 127, 127]]], atol=1)


def test_palettes_with_and_without_transparency(tmp_path):
    palette = Image.fromarray(np.array([[0, 1, 2]], np.uint8), "L").convert("P")
    palette.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    palette.save(tmp_path / "opaque.png")
    colours = [[255, 0, 0], [0, 255, 0], [0, 0, 255]]
    assert read_image(tmp_path / "opaque.png").tolist() == [colours]
    palette.save(tmp_path / "index.png", transparency=1)
    white = [255, 255, 255]
    assert read_image(tmp_path / "index.png").tolist() == [
        [colours[0], white, colours[2]]
    ]
    palette.save(tmp_path / "bytes.png", transparency=bytes([255, 255, 0]))
    assert read_image(tmp_path / "bytes.png").tolist() == [[*colours[:2], white]]


def test_transparent_colour_of_an_rgb_png_is_white(tmp_path):
    Image.fromarray(COLOURS).save(tmp_path / "key.png", transparency=(10, 190, 60))
    image = read_image(tmp_path / "key.png")
    assert image[0, 1].tolist() == [255] * 3
    assert image[0, 0].tolist() == COLOURS[0, 0].tolist()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
def test_exif_rotation_is_undone(tmp_path, orientation, suffix):
    upright = np.zeros((32, 48, 3), np.uint8)
    upright[:16, :24] = 255
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"held.{suffix}"
    Image.fromarray(np.ascontiguousarray(stored)).save(path, exif=exif)
    np.testing.assert_allclose(read_image(path).astype(int), upright, atol=20)


def test_broken_exif_is_no_reason_to_refuse(tmp_path):
    Image.fromarray(ramp()).save(
        tmp_path / "a.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\x7f"
    )
    assert read_image(tmp_path / "a.jpg").shape == (16, 24, 3)


@pytest.mark.parametrize("suffix", ["gif", "png", "webp", "tif"])
def test_first_frame_of_many_is_taken(tmp_path, suffix):
    red, blue = (Image.new("RGB", (8, 6), colour) for colour in ("red", "blue"))
    path = tmp_path / f"moves.{suffix}"
    red.save(path, save_all=True, append_images=[blue])
    image = read_image(path)
    assert image.shape == (6, 8, 3)
    np.testing.assert_allclose(image.astype(int)[0, 0], [255, 0, 0], atol=6)


# -- arrays --------------------------------------------------------------------------


@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9)))
def test_grey_arrays_of_both_shapes_agree(grey):
    image = read_image(grey)
    np.testing.assert_array_equal(image, np.dstack([grey] * 3))
    np.testing.assert_array_equal(image, read_image(grey[..., None]))


@given(hnp.arrays(np.uint8, st.tuples(*[st.integers(1, 9)] * 2, st.just(3))))
def test_rgb_arrays_png_files_and_pil_images_agree(rgb):
    np.testing.assert_array_equal(read_image(rgb), rgb)
    np.testing.assert_array_equal(read_image(_encoded(rgb)), rgb)
    with Image.open(io.BytesIO(_encoded(rgb))) as opened:
        np.testing.assert_array_equal(read_image(opened), rgb)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((2, 4, 4, 3), np.uint8), "one at a time"),
        (np.zeros((3, 4, 4), np.float32)[..., :2], "channels last"),
        (np.zeros((5, 4, 2)), r"1, 3 or 4 channels, not 2"),
        (np.zeros((5, 4, 13), np.uint16), r"not 13; choose .*\[3, 2, 1\]"),
        (np.zeros((5, 4, 4), np.uint16), "leave alpha out"),
        (np.zeros(4, np.uint8), "two or three axes"),
        (np.zeros((0, 4, 3), np.uint8), "4 x 0"),
        (np.zeros((4, 0), np.uint8), "0 x 4"),
        (np.zeros((4, 4), complex), r"complex128.*astype\(np.float32\)"),
        (jnp.ones((4, 4, 3), jnp.bfloat16), r"bfloat16.*astype\(np.float32\)"),
        (Image.new("RGB", (0, 3)), "at least 1 x 1"),
    ],
)
def test_other_arrays_are_refused_with_what_to_do(array, words):
    with pytest.raises(ImageError, match=words):
        read_image(array)


@pytest.mark.parametrize(
    ("scale", "dtype"),
    [(257, np.uint16), (1, np.int64), (1 / 255, np.float32), (16, ">u2")],
)
def test_arrays_of_any_depth_are_what_they_would_be_in_8_bits(scale, dtype):
    tones = np.random.default_rng(0).integers(0, 256, (20, 30, 3))
    found = read_image((tones * scale).astype(dtype))
    np.testing.assert_allclose(found.astype(int), tones, atol=1)
    assert read_image(np.array([[False, True]])).tolist() == [[[0] * 3, [255] * 3]]


@pytest.mark.parametrize(
    ("value", "dtype", "tone"),
    [
        *((0.5, x, 128) for x in (np.float16, np.float32, np.float64)),
        *((257 * 77, x, 77) for x in (np.uint16, ">u2", np.int64)),
        (1, np.float32, 255),
        (0, np.uint16, 0),
        (-3.0, np.float32, 0),  # no tone of the full range
        (70_000, np.int64, 0),
    ],
)
def test_an_array_of_one_value_is_that_tone(value, dtype, tone):
    values = np.full((2, 3, 3), value, dtype)
    assert (read_image(values) == tone).all()
    hidden = np.zeros(values.shape, bool)
    hidden[0] = True
    found = read_image(np.ma.masked_array(values, hidden))
    assert (found[0] == 0).all()
    assert (found[1] == tone).all()


def test_what_an_array_masks_is_black_and_counts_for_nothing():
    values = np.array([[1000.0, 2000.0, 3000.0, -9999.0]])
    masked = np.ma.masked_equal(values, -9999.0)
    assert read_image(masked)[0, :, 0].tolist() == [0, 128, 255, 0]
    colours = np.ma.masked_array(COLOURS, COLOURS > 200)
    np.testing.assert_array_equal(read_image(colours), colours.filled(0))
    clear = np.ma.masked_array(np.full((1, 3, 4), 255, np.uint8))
    clear[0, 0, 1] = clear[0, 1, 3] = np.ma.masked
    assert read_image(clear).tolist() == [[[255, 0, 255], [0] * 3, [255] * 3]]


def test_an_image_that_was_closed_is_told_from_a_damaged_one(tmp_path):
    Image.fromarray(COLOURS).save(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as closed:
        pass
    given = Image.fromarray(COLOURS)
    given.close()
    for image in (closed, given):
        with pytest.raises(ImageError, match="this one is closed"):
            read_image(image)
    with Image.open(tmp_path / "a.png") as loaded:
        loaded.load()
    np.testing.assert_array_equal(read_image(loaded), COLOURS)


# -- bytes, open files, names --------------------------------------------------------


def test_bytes_and_open_files_are_read_as_their_path_is(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    Image.fromarray(COLOURS).save(path)
    data = path.read_bytes()
    for whole in (data, bytearray(data), memoryview(data), io.BytesIO(data)):
        np.testing.assert_array_equal(read_image(whole), COLOURS)
    with open(path, "rb") as file:
        np.testing.assert_array_equal(read_image(file), COLOURS)
        np.testing.assert_array_equal(read_image(file), COLOURS)  # from its beginning

        class Stream(io.RawIOBase):
            read = io.BytesIO(data).read

        np.testing.assert_array_equal(read_image(Stream()), COLOURS)
        with pytest.raises(ImageError, match=r"given: .*the file is empty"):
            read_image(Stream())  # it was read to its end
    with (
        open(path, encoding="latin-1") as file,
        pytest.raises(ImageError, match="mode 'rb'"),
    ):
        read_image(file)
    monkeypatch.setenv("HOME", str(tmp_path))
    np.testing.assert_array_equal(read_image("~/a.png"), COLOURS)


def test_messages_call_an_image_by_the_name_that_is_given():
    for bad in (b"none", io.BytesIO(b"none"), np.zeros(3), Image.new("L", (0, 1))):
        with pytest.raises(ImageError, match=r"^photo 7: "):
            read_image(bad, name="photo 7")


# -- bad files -----------------------------------------------------------------------


def _encoded(pixels, kind="PNG"):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def _noise():
    return np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)


def _bad_checksum():
    data = bytearray(_encoded(ramp()))
    data[60] ^= 0xFF
    return bytes(data)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda p: p.write_bytes(b""), "empty"),
        (lambda p: p.write_text("no image at all"), "something else"),
        (lambda p: p.write_bytes(b"\x89PNG\r\n\x1a\n"), "something else"),
        (lambda p: p.write_bytes(b"\xff\xd8\xff\xe0"), "something else"),
        (lambda p: p.write_bytes(_encoded(_noise())[:3000]), "cut short or damaged"),
        (lambda p: p.write_bytes(_encoded(_noise(), "JPEG")[:900]), "cut short or d"),
        (lambda p: p.write_bytes(_bad_checksum()), "damaged"),
        (lambda p: p.mkdir(), "this is a folder"),
        (lambda p: None, "no such file"),
    ],
)
def test_bad_files_are_named_in_a_sentence(tmp_path, make, words):
    path = tmp_path / "bad.png"
    make(path)
    with pytest.raises(ImageError, match=words) as caught:
        read_image(path)
    assert str(path) in str(caught.value)


@settings(max_examples=80, deadline=None)
@given(
    kind=st.sampled_from(
        ["PNG", "JPEG", "GIF", "TIFF", "BMP", "WEBP", "AVIF", "JPEG2000", "TGA", "DEEP"]
    ),
    cut=st.floats(0, 1),
    flips=st.lists(st.tuples(st.floats(0, 0.999), st.integers(1, 255)), max_size=4),
)
def test_damage_gives_an_image_or_an_image_error(tmp_path_factory, kind, cut, flips):
    if kind == "DEEP":
        tifffile.imwrite(file := io.BytesIO(), ramp().astype(np.uint16) * 4)
        data = bytearray(file.getvalue())
    else:
        data = bytearray(_encoded(ramp(), kind))
    for where, mask in flips:
        data[int(where * len(data))] ^= mask
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(bytes(data[: int(cut * len(data))]))
    with contextlib.suppress(ImageError):
        assert read_image(path).ndim == 3
    with contextlib.suppress(ImageError):
        assert read_image(path.read_bytes(), bands=[1]).ndim == 3


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root reads all")
def test_a_file_that_may_not_be_read_is_named(tmp_path):
    path = tmp_path / "a.png"
    Image.new("RGB", (2, 2)).save(path)
    path.chmod(0)
    with pytest.raises(ImageError, match="may not be read"):
        read_image(path)


# -- sizes ---------------------------------------------------------------------------


@pytest.mark.parametrize("side", [13_300, 20_000, 60_000])
def test_too_many_megapixels_are_refused_before_decoding(tmp_path, side):
    grey_png(tmp_path / "huge.png", side, side)  # has no pixels
    with pytest.raises(ImageError, match=r"huge\.png: expected at most 175 megapixels"):
        read_image(tmp_path / "huge.png")


def test_images_that_pillow_warns_of_are_read_without_warnings(tmp_path, monkeypatch):
    assert MAX_MEGAPIXELS * 1e6 < 2 * Image.MAX_IMAGE_PIXELS  # where it refuses
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 6000)  # as if it had 90 megapixels
    Image.new("1", (100, 100), 1).save(tmp_path / "big.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        image = read_image(tmp_path / "big.png")
    assert image.shape == (100, 100, 3)
    assert (image == 255).all()


# -- what is no image -----------------------------------------------------------------


@pytest.mark.parametrize("image", [None, 3, [[0]]])
def test_what_is_no_image_is_refused_with_what_would_be(image):
    with pytest.raises(ImageError, match=r"a path, the bytes .* PIL image or an array"):
        inspect.unwrap(read_image)(image)


def test_arrays_of_other_libraries_are_taken():
    np.testing.assert_array_equal(read_image(jnp.asarray(COLOURS)), COLOURS)


# -- the demo ------------------------------------------------------------------------


def test_demo_is_a_colour_photograph_on_this_disk(monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)  # what would download
    name, image = demo_image()
    assert name == "astronaut"
    assert image.shape == (512, 512, 3)
    assert image.std() > 30
