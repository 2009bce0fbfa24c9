import contextlib
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save, save_file

from uhseg_jax.backbones import WeightsError
from uhseg_jax.backbones.readers import read_tensors


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


def test_safetensors_and_npz_round_trip(tmp_path, tensors):
    save_file(tensors, tmp_path / "w.safetensors")
    np.savez(tmp_path / "w.npz", **tensors)
    for name in ("w.safetensors", "w.npz"):
        found = read_tensors(tmp_path / name)
        assert set(found) == set(tensors)
        for key, array in tensors.items():
            np.testing.assert_array_equal(found[key], array)


def test_pickles_are_refused_wherever_they_hide(tmp_path):
    np.savez(tmp_path / "w.npz", weights=np.array([object()], dtype=object))
    with pytest.raises(WeightsError, match=r"could not be read as \.npz"):
        read_tensors(tmp_path / "w.npz")
    (tmp_path / "w.pth").write_bytes(b"\x80\x04.")
    with pytest.raises(WeightsError, match="never loaded"):
        read_tensors(tmp_path / "w.pth")


def test_missing_file_is_said(tmp_path):
    with pytest.raises(WeightsError, match="no weight file at"):
        read_tensors(tmp_path / "nothing.onnx")


@pytest.mark.parametrize("kind", ["safetensors", "npz", "onnx"])
@given(data=st.data())
@settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_damaged_files_give_a_sentence_or_arrays(kind, data, tmp_path, onnx_arrays):
    path = tmp_path / f"w.{kind}"
    if kind == "onnx":
        write_onnx(path, onnx_arrays)
    elif kind == "npz":
        np.savez(path, **onnx_arrays)
    else:
        path.write_bytes(save(onnx_arrays))
    whole = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        damaged = whole[: data.draw(st.integers(0, len(whole) - 1))]
    else:
        position = data.draw(st.integers(0, len(whole) - 1))
        whole[position] ^= 1 << data.draw(st.integers(0, 7))
        damaged = whole
    path.write_bytes(damaged)
    with contextlib.suppress(WeightsError):
        found = read_tensors(path)
        assert all(isinstance(array, np.ndarray) for array in found.values())
