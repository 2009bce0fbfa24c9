"""Only formats of photographs are decoded, and none that takes too much memory."""

import io
import os
import struct
import subprocess
import tracemalloc

import numpy as np
import pytest
import tifffile
from PIL import Image
from png_chunks import grey_png

from uhseg_jax.images import (
    DEFAULT_MEMORY,
    IMAGE_SUFFIXES,
    ImageError,
    open_image,
    read_file,
    read_image,
)
from uhseg_jax.images.kinds import OTHER_SUFFIXES, formats
from uhseg_jax.images.memory import decoding_memory

PIXELS = np.zeros((4, 6, 3), np.uint8)


def _saved(kind, **options):
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, kind, **options)
    return file.getvalue()


def _tiff(pixels=PIXELS, **options):
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        writer.write(pixels, photometric="rgb", **options)
        if options.get("subifds"):
            writer.write(np.zeros((8, 8), np.uint16), photometric=32803)
    return file.getvalue()


DNG = _tiff(extratags=[(50706, "B", 4, (1, 4, 0, 0), True)])
NEF = _tiff(subifds=1, subfiletype=1)


# -- formats -------------------------------------------------------------------------


def test_the_list_of_formats_is_closed():
    assert not set(formats()) & {"EPS", "WMF", "FITS", "HDF5", "GRIB", "PSD", "PDF"}
    assert {"JPEG", "PNG", "TIFF", "WEBP", "GIF", "BMP"} <= set(formats())
    assert not set(IMAGE_SUFFIXES) & set(OTHER_SUFFIXES)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (_saved("EPS"), "is PostScript"),
        (b"%PDF-1.7", "is a PDF document"),
        (b"<svg xmlns=", "is an SVG drawing"),
        (b"\0\0\0\x18ftypheic", r"is an HEIC image; convert it to JPEG, or pip"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "is a JPEG XL image"),
        (b"version https://git-lfs.github.com/spec/v1", "Git LFS pointer"),
        (DNG, "a camera's raw data; develop it"),
        (NEF, "a camera's raw data; develop it"),
        (b"II*\0\x10\0\0\0CR\x02\0", "a camera's raw data; develop it"),
        (b"FUJIFILMCCD-RAW 0201", "a camera's raw data; develop it"),
        (_saved("PCX"), "something else or damaged"),
        (_saved("ICO"), "something else or damaged"),
        (b"", "it is empty"),
    ],
)
def test_no_other_format_is_decoded_whatever_the_name(
    tmp_path, data, words, monkeypatch
):
    def run(*args, **kwargs):
        raise AssertionError(f"{args} was started")

    monkeypatch.setattr(subprocess, "Popen", run)
    (tmp_path / "photo.jpg").write_bytes(data)
    with pytest.raises(ImageError, match=rf"photo\.jpg: .*{words}"):
        read_image(tmp_path / "photo.jpg")


def test_a_pyramid_is_no_raw_data_and_pairs_of_images_give_the_first(tmp_path):
    bright = PIXELS + 200
    pyramid = io.BytesIO()
    with tifffile.TiffWriter(pyramid) as writer:
        writer.write(bright, photometric="rgb", subifds=1)
        writer.write(PIXELS[::2, ::2], photometric="rgb", subfiletype=1)
    assert (read_image(pyramid) == 200).all()
    first, second = Image.fromarray(bright), Image.fromarray(PIXELS)
    first.save(tmp_path / "pair.jpg", "MPO", save_all=True, append_images=[second])
    with open_image(tmp_path / "pair.jpg") as image:
        assert image.format == "MPO"
    assert (abs(read_image(tmp_path / "pair.jpg") - 200.0) < 4).all()


# -- memory --------------------------------------------------------------------------


def test_what_takes_too_much_memory_is_refused_before_decoding(tmp_path, monkeypatch):
    data = bytearray(_saved("WEBP", lossless=True))
    at = data.index(b"VP8L") + 9  # 14 bits of width - 1 and of height - 1
    size = (15_999 | 9_999 << 14).to_bytes(4, "little")
    data[at : at + 3], data[at + 3] = size[:3], data[at + 3] & 0xF0 | size[3]
    (tmp_path / "huge.webp").write_bytes(data)

    def load(self):
        raise AssertionError("it was decoded")

    monkeypatch.setattr("PIL.WebPImagePlugin.WebPImageFile.load", load)
    words = (
        r"huge\.webp: .* within 2 GiB of memory, but this WEBP of 16000 x 10000 pixels "
        r"takes about 3\.13 GiB; reduce it, or allow more \(max_bytes, --image_memory "
        "of uhseg-segment"
    )
    with pytest.raises(ImageError, match=words):
        read_image(tmp_path / "huge.webp")
    with open_image(tmp_path / "huge.webp", max_bytes=2**32) as image:
        assert image.size == (16_000, 10_000)


HEADS = {
    "jpg": b"\xff\xd8\xff",
    "ppm": b"P6\n#",
    "gif": b"GIF89a\x08\0\x08\0\0\0\0",
    "webp": b"RIFF\xff\xff\xff\xffWEBPVP8 ",
}


@pytest.mark.parametrize("kind", HEADS)
def test_larger_files_than_allowed_are_not_shown_to_pillow(tmp_path, kind, monkeypatch):
    def look(*args, **kwargs):
        raise AssertionError("it was read")

    monkeypatch.setattr(Image, "open", look)
    path = tmp_path / f"huge.{kind}"
    path.write_bytes(HEADS[kind])
    os.truncate(path, 200 * 2**30)
    for read in (read_image, read_file):
        with pytest.raises(
            ImageError, match=rf"huge\.{kind}: .* at most [12] GiB, but it"
        ):
            read(path)
    os.truncate(path, 1500 * 2**20)
    words = "at most 1 GiB" if kind == "webp" else "it was read"
    with pytest.raises(ImageError, match=words):
        read_image(path)
    with pytest.raises(ImageError, match=r"at most [12] bytes, but it is larger"):
        read_image(HEADS[kind], max_bytes=2)


@pytest.mark.parametrize("kind", ["jpg", "ppm", "gif"])
def test_a_header_is_not_looked_for_to_the_end(tmp_path, kind, monkeypatch):
    monkeypatch.setattr("uhseg_jax.images.headers._MOST_READS", 1000)
    path = tmp_path / f"junk.{kind}"
    path.write_bytes(HEADS[kind])
    os.truncate(path, 10_000)
    for source in (path, path.read_bytes()):
        with pytest.raises(ImageError, match=r"damaged \(its header does not end\)"):
            read_image(source)


def test_reads_after_the_header_are_not_counted(tmp_path, monkeypatch):
    monkeypatch.setattr("uhseg_jax.images.headers._MOST_READS", 100)
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "PNG")
    monkeypatch.setattr("PIL.ImageFile.MAXBLOCK", 64)
    np.testing.assert_array_equal(read_image(data.getvalue()), pixels)


def test_tags_that_share_their_bytes_take_no_more_memory_than_the_file():
    shared, size, others = 64_000, 100_000, range(64_001, 64_301)
    values = {shared: bytes(size)} | dict.fromkeys(others, bytes(5))
    tags = [(tag, "B", len(x), x, True) for tag, x in values.items()]
    data = bytearray(_tiff(extratags=tags))
    at = data.index(struct.pack("<HHI", shared, 1, size))
    for tag in others:
        own = data.index(struct.pack("<HHI", tag, 1, 5))
        data[own + 4 : own + 12] = data[at + 4 : at + 12]
    tracemalloc.start()
    try:
        assert read_image(bytes(data)).shape == PIXELS.shape
        assert tracemalloc.get_traced_memory()[1] < 10 * len(data)  # not 300
    finally:
        tracemalloc.stop()


def test_tiles_of_a_tiff_may_be_larger_than_its_image():
    data = bytearray(_tiff(tile=(16, 16), compression="zlib"))
    for tag in (322, 323):  # width and length of a tile
        at = data.index(struct.pack("<HHI", tag, 4, 1)) + 8
        data[at : at + 4] = struct.pack("<I", 32_752)
    with pytest.raises(ImageError, match=r"this TIFF of 6 x 4 pixels takes .*3 GiB"):
        read_image(bytes(data))


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_jpegs_of_120_megapixels_fit_into_the_default(options):
    with open_image(_saved("JPEG", **options)) as image:
        for_each = decoding_memory(image) / (image.width * image.height)
    assert for_each * 120e6 < DEFAULT_MEMORY


def test_pngs_of_all_sizes_fit_into_the_default(tmp_path):
    grey_png(tmp_path / "a.png", 13_200, 13_200)
    with open_image(tmp_path / "a.png") as image:
        assert 8 * 13_200**2 <= decoding_memory(image) < DEFAULT_MEMORY


@pytest.mark.parametrize(
    ("kind", "options"),
    [("JPEG", {}), ("PNG", {}), ("TIFF", {}), ("WEBP", {}), ("GIF", {}), ("AVIF", {})],
)
def test_the_allowance_counts_the_bytes_of_the_file(kind, options):
    data = _saved(kind, **options)
    with open_image(data) as image:
        needed = decoding_memory(image) + len(data)
    assert read_image(data, max_bytes=needed).shape == PIXELS.shape
    with pytest.raises(ImageError, match="of memory, but this"):
        read_image(data, max_bytes=needed - 1)
