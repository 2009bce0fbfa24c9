"""Safetensors and npz, and what all lazily read files have in common."""

import json
import os
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save_file
from torch_pickles import write_arrays

from uhseg_jax.backbones import WeightsError
from uhseg_jax.backbones.weights.readers import read_tensors
from uhseg_jax.backbones.weights.readers.lazy import Extent, LazyArrays, Stored


def write_safetensors(path: Path, header: dict, data: bytes = b"") -> None:
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


@pytest.mark.parametrize("kind", ["npz", "safetensors", "pth"])
def test_values_are_read_when_they_are_asked_for(kind, tmp_path):
    arrays = {"a": np.arange(6.0).reshape(2, 3), "b": np.zeros(2, np.float16)}
    path = tmp_path / f"w.{kind}"
    {
        "npz": lambda: np.savez_compressed(path, **arrays),
        "safetensors": lambda: save_file(arrays, path),
        "pth": lambda: write_arrays(path, arrays),
    }[kind]()
    found = read_tensors(path)
    assert len(found) == 2
    assert "a" in found
    assert found.get("c") is None
    np.testing.assert_array_equal(found["a"], arrays["a"])
    os.truncate(path, 0)
    assert list(found) == ["a", "b"]
    with pytest.raises(WeightsError, match=f"a in {path} could not be read"):
        found["a"]
    with pytest.raises(KeyError):
        found["c"]


def test_arrays_in_columns_and_of_other_byte_order_are_read_from_npz(tmp_path):
    columns = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    swapped = np.arange(3, dtype=">f4")
    np.savez(tmp_path / "w.npz", columns=columns, swapped=swapped)
    found = read_tensors(tmp_path / "w.npz")
    np.testing.assert_array_equal(found["columns"], columns)
    np.testing.assert_array_equal(found["swapped"], swapped)
    assert found["swapped"].dtype == np.float32


def test_npz_members_that_claim_more_than_they_hold_are_refused(tmp_path):
    np.savez(tmp_path / "w.npz", x=np.zeros(4))
    whole = (tmp_path / "w.npz").read_bytes()
    grown = whole.replace(b"(4,), }        ", b"(4000000000,), }")
    assert grown != whole
    (tmp_path / "w.npz").write_bytes(grown.replace(b"} ", b"}", 1))
    with pytest.raises(WeightsError):
        read_tensors(tmp_path / "w.npz")["x"]


def test_safetensors_of_reduced_precision_keep_their_dtypes(tmp_path):
    values = {
        name: np.linspace(-2, 2, 6).astype(dtype)
        for name, dtype in {
            "F16": np.float16,
            "BF16": jnp.bfloat16,
            "F8_E4M3": jnp.float8_e4m3fn,
            "F8_E5M2": jnp.float8_e5m2,
        }.items()
    }
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, array in values.items():
        place = [len(data), len(data) + array.nbytes]
        header[name] = {"dtype": name, "shape": [2, 3], "data_offsets": place}
        data += array.tobytes()
    write_safetensors(tmp_path / "w.safetensors", header, data)
    found = read_tensors(tmp_path / "w.safetensors")
    assert set(found) == set(values)
    for name, array in values.items():
        assert found[name].dtype == array.dtype
        assert found[name].tobytes() == array.tobytes()


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ({"data_offsets": [0, 20]}, "invalid shape, data type, or offset"),
        ({"data_offsets": [-4, 12]}, "invalid value: integer `-4`"),
        ({"data_offsets": [0, 12], "shape": [3]}, "could not be read as"),  # a rest
        ({"shape": [5]}, "invalid shape"),
        ({"shape": [-1]}, "integer `-1`"),
        ({"shape": [2**70]}, "could not be read as"),
        ({"shape": [2**62, 4]}, "could not be read as"),
        ({"shape": [1] * 65}, "could not be read as"),
        ({"shape": [2**40]}, "invalid shape"),
        ({"shape": ["4", 1]}, "invalid type"),
        ({"dtype": "F4", "shape": [32]}, "x is of the type F4; expected one of BOOL"),
    ],
)
def test_safetensors_that_do_not_fit_their_file_are_refused(entry, sentence, tmp_path):
    path = tmp_path / "w.safetensors"
    good = {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}
    write_safetensors(path, {"x": good}, bytes(16))
    assert read_tensors(path)["x"].shape == (4,)
    write_safetensors(path, {"x": good | entry}, bytes(16))
    with pytest.raises(WeightsError, match=sentence):
        read_tensors(path)


def test_safetensors_headers_are_bounded_and_name_arrays_once(tmp_path):
    path = tmp_path / "w.safetensors"
    path.write_bytes((2**62).to_bytes(8, "little") + b"{}")
    with pytest.raises(WeightsError, match="header is larger than the file"):
        read_tensors(path)
    path.write_bytes((20_000).to_bytes(8, "little") + b"[" * 20_000)
    with pytest.raises(WeightsError, match=r"could not be read as \.safetensors"):
        read_tensors(path)
    one = '"x": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}'
    for two in (one, one.replace("[0, 1]", "[1, 2]")):
        text = f"{{{one}, {two}}}".encode()
        path.write_bytes(len(text).to_bytes(8, "little") + text + b"ab")
        with pytest.raises(WeightsError, match=r"could not be read as \.safetensors"):
            read_tensors(path)


def test_what_is_not_numbers_is_refused(tmp_path):
    arrays = LazyArrays(
        tmp_path,
        {
            "text": Stored.of(np.array(["a"])),
            "objects": Stored.of(np.array([None])),
        },
    )
    for name in arrays:
        with pytest.raises(WeightsError, match="is not made of numbers"):
            arrays[name]


def test_a_stretch_of_a_file_is_not_held_to_the_checksum_of_all(tmp_path):
    path = tmp_path / "data"
    path.write_bytes(np.arange(4, dtype=np.float32).tobytes())
    extent = Extent(path, 0, 16, crc32=0)
    np.testing.assert_array_equal(extent.array(np.float32, (2,), offset=1), [1, 2])
    with pytest.raises(Exception, match="expected the checksum 00000000"):
        extent.array(np.float32, (4,))
