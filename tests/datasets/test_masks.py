"""Label maps are read exactly, whatever the PNG."""

import os

import numpy as np
import pytest
from dataset_files import mask, some_ids
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from png_chunks import grey_png

from uhseg_jax.datasets import DatasetError
from uhseg_jax.datasets.image_files import decode_image, read_pixels
from uhseg_jax.datasets.masks import decode_mask, encode_mask, read_colors, read_mask


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 5), st.integers(1, 5), st.booleans(), st.integers(0, 2**32 - 1))
def test_encoding_is_exact(height, width, wide, seed):
    dtype = np.uint16 if wide else np.uint8
    high = np.iinfo(dtype).max
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, high, (height, width), dtype, endpoint=True)
    found = decode_mask(encode_mask(ids))
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, ids)


def test_what_was_prepared_is_not_too_large_afterwards(tmp_path, monkeypatch):
    ids, pixels = np.zeros((1, 2), np.uint8), np.zeros((1, 2, 3), np.uint8)
    monkeypatch.setattr("uhseg_jax.datasets.masks._ids", lambda *_: ids)
    monkeypatch.setattr("uhseg_jax.images.reading.to_pixels", lambda *_: pixels)
    path = tmp_path / "wide.png"
    grey_png(path, 13_200, 13_200, bits=16)  # decoding it takes 2.6 GiB
    assert decode_mask(path.read_bytes()) is ids
    assert decode_image(path.read_bytes()) is pixels
    words = r"wide\.png: .* within 2 GiB .*max_bytes, --image_memory of uhseg-segment"
    with pytest.raises(DatasetError, match=words):
        read_mask(path)


def test_palettes_give_indices(tmp_path):
    ids = some_ids([0, 1, 2, 255])
    mask(tmp_path / "mask.png", ids, palette=True)
    with Image.open(tmp_path / "mask.png") as image:
        assert image.mode == "P"
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), ids)


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_grey_of_any_depth_gives_its_values(bits, tmp_path):
    row = [0, 1, 2**bits - 1, 1, 0]
    digits = "".join(f"{value:0{bits}b}" for value in row)
    digits += "0" * (-len(digits) % 8)
    line = bytes(int(digits[i : i + 8], 2) for i in range(0, len(digits), 8))
    grey_png(tmp_path / "mask.png", len(row), 2, bits=bits, lines=(b"\0" + line) * 2)
    assert read_mask(tmp_path / "mask.png").tolist() == [row, row]


def test_numbers_beyond_16_bits_are_refused(tmp_path):
    Image.fromarray(np.array([[0, 70000]], np.int32)).save(tmp_path / "mask.tif")
    with pytest.raises(DatasetError, match="ids from 0 to 65535, but found 0 to 70000"):
        read_mask(tmp_path / "mask.tif")


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "F"])
def test_what_holds_no_ids_is_refused(mode, tmp_path):
    Image.new(mode, (3, 2)).save(tmp_path / "x_color.tif")
    with pytest.raises(DatasetError, match=f"mode is {mode}, .*labelIds"):
        read_mask(tmp_path / "x_color.tif")


def test_missing_and_damaged_files_are_named(tmp_path):
    with pytest.raises(DatasetError, match=r"mask\.png: there is no such mask"):
        read_mask(tmp_path / "mask.png")
    (tmp_path / "mask.png").write_bytes(b"no image")
    with pytest.raises(DatasetError, match=r"mask\.png: expected an image file"):
        read_mask(tmp_path / "mask.png")
    with pytest.raises(DatasetError, match=r"mask\.png: expected an image file"):
        read_colors(tmp_path / "mask.png")
    mask(tmp_path / "mask.png", some_ids([1]))
    with pytest.raises(DatasetError, match=r"channels \(RGB\), but its mode is L"):
        read_colors(tmp_path / "mask.png")


def test_what_is_no_file_or_of_another_format_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "eps.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n")
    for name, words in (("pipe.png", "this is a pipe"), ("eps.png", "is PostScript")):
        for read in (read_mask, read_colors, lambda x: read_pixels(x, (1, 1))):
            with pytest.raises(DatasetError, match=rf"{name}: expected .*{words}"):
                read(tmp_path / name)
