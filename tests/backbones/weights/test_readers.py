import contextlib
import os
import warnings
from pathlib import Path

import flax.serialization
import numpy as np
import onnx
import pytest
from safetensors.numpy import save, save_file
from torch_pickles import write_arrays

from uhseg_jax.backbones import WeightsError
from uhseg_jax.backbones.weights.readers import read_tensors


def write_onnx(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Two linear layers as torch exports them: anonymous transposed weights."""
    make = onnx.helper.make_node
    nodes = [
        make("MatMul", ["x", "onnx::MatMul_1"], ["p"], name="a"),
        make("Add", ["fc1.bias", "p"], ["y"], name="b"),
        make("MatMul", ["y", "onnx::MatMul_2"], ["q"], name="c"),
        make("Add", ["q", "fc2.bias"], ["z"], name="d"),
        make("Add", ["z", "onnx::Add_3"], ["out"], name="e"),
    ]
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        nodes,
        "linear",
        [value("x", onnx.TensorProto.FLOAT, [1, 2])],
        [value("out", onnx.TensorProto.FLOAT, [1, 2])],
        [onnx.numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    onnx.save(onnx.helper.make_model(graph), path)


@pytest.fixture
def onnx_arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    shapes = {
        "onnx::MatMul_1": (2, 3),
        "fc1.bias": (3,),
        "onnx::MatMul_2": (3, 2),
        "fc2.bias": (2,),
        "onnx::Add_3": (2,),
    }
    return {
        name: rng.normal(size=shape).astype(np.float32)
        for name, shape in shapes.items()
    }


def test_anonymous_linear_weights_of_onnx_get_their_names(tmp_path, onnx_arrays):
    path = tmp_path / "model.onnx"
    write_onnx(path, onnx_arrays)
    found = read_tensors(path)
    assert set(found) == {
        "fc1.weight",
        "fc1.bias",
        "fc2.weight",
        "fc2.bias",
        "onnx::Add_3",
    }
    np.testing.assert_array_equal(found["fc1.weight"], onnx_arrays["onnx::MatMul_1"].T)
    np.testing.assert_array_equal(found["fc2.weight"], onnx_arrays["onnx::MatMul_2"].T)


def test_onnx_with_external_data_is_refused(tmp_path, onnx_arrays):
    path = tmp_path / "model.onnx"
    write_onnx(path, onnx_arrays)
    model = onnx.load(path)
    onnx.save(
        model, path, save_as_external_data=True, location="data", size_threshold=0
    )
    with pytest.raises(WeightsError, match="external data"):
        read_tensors(path)


def test_pickles_in_npz_are_refused(tmp_path):
    np.savez(tmp_path / "w.npz", weights=np.array([object()], dtype=object))
    with pytest.raises(WeightsError, match="Python objects, which are pickled"):
        read_tensors(tmp_path / "w.npz")["weights"]


def test_missing_file_is_said(tmp_path):
    with pytest.raises(WeightsError, match="no weight file at"):
        read_tensors(tmp_path / "nothing.onnx")


@pytest.mark.parametrize("name", ["w.h5", "w.tar", "w", "w.json", "w.pth.zip", ".ckpt"])
def test_files_of_another_kind_are_refused_with_the_kinds_there_are(name, tmp_path):
    (tmp_path / name).write_bytes(b"content")
    with pytest.raises(WeightsError, match=r"expected \.safetensors, .*\.pth\.tar, "):
        read_tensors(tmp_path / name)


KINDS = ("safetensors", "onnx", "npz", "pth", "msgpack", "index.json")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("content", "looks"),
    [
        (b"", "an empty file"),
        (b"<!DOCTYPE html><html>Log in</html>", "34 bytes that look like a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "Git LFS"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "108 bytes that look like an HDF5 file"),
        (b"PK\x03\x04" + bytes(100), "look like a zip archive"),
    ],
)
def test_what_a_file_looks_like_instead_is_said(kind, content, looks, tmp_path):
    path = tmp_path / f"w.{kind}"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=looks):
        read_tensors(path)


def test_a_file_under_the_name_of_another_kind_is_said(tmp_path, tensors):
    save_file(tensors, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match="look like a safetensors file"):
        read_tensors(tmp_path / "w.pth")
    write_arrays(tmp_path / "w.safetensors", tensors)
    with pytest.raises(WeightsError, match="look like a zip archive"):
        read_tensors(tmp_path / "w.safetensors")


def write(path: Path, kind: str, arrays: dict[str, np.ndarray]) -> None:
    """A whole file of each kind."""
    match kind:
        case "onnx":
            write_onnx(path, arrays)
        case "npz":
            np.savez(path, **arrays)
        case "safetensors":
            path.write_bytes(save(arrays))
        case "msgpack":
            path.write_bytes(flax.serialization.msgpack_serialize({"a": arrays}))
        case _:
            write_arrays(path, arrays, legacy=kind == "bin")


FORMATS = ("safetensors", "npz", "onnx", "pth", "bin", "msgpack")


# Once forty thousand were tried.
@pytest.mark.parametrize(
    "count", [40, pytest.param(400, marks=pytest.mark.slow)], ids="{}_files".format
)
@pytest.mark.parametrize("kind", FORMATS)
def test_damaged_files_give_a_sentence_or_arrays(kind, count, tmp_path, onnx_arrays):
    victim = tmp_path / f"w.{kind}"
    write(victim, kind, onnx_arrays)
    whole = victim.read_bytes()
    rng = np.random.default_rng(count)
    for index in range(count):
        damaged = bytearray(whole)
        if index % 2:
            del damaged[rng.integers(len(whole)) :]
        else:
            for position in rng.integers(len(whole), size=rng.integers(1, 4)):
                damaged[position] ^= 1 << rng.integers(8)
        victim.write_bytes(damaged)
        with contextlib.suppress(WeightsError), warnings.catch_warnings():
            # zipfile and numpy warn of some damage that they read over.
            warnings.simplefilter("ignore")
            found = read_tensors(victim)
            for name in found:
                with contextlib.suppress(WeightsError):
                    assert isinstance(found[name], np.ndarray)


def test_reading_leaves_no_file_open(tmp_path, onnx_arrays):
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("open files are counted in /proc")
    before = len(os.listdir("/proc/self/fd"))
    for kind in FORMATS:
        path = tmp_path / f"w.{kind}"
        write(path, kind, onnx_arrays)
        assert all(x.size for x in read_tensors(path).values())
        path.write_bytes(path.read_bytes()[:-9])
        with contextlib.suppress(WeightsError):
            read_tensors(path)
    assert len(os.listdir("/proc/self/fd")) == before
