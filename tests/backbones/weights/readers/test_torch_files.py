import zipfile

import jax.numpy as jnp
import numpy as np
import pytest
from torch_pickles import Build, Call, Name, program, tensor, write_arrays, write_legacy
from torch_pickles import write_zip as write

from uhseg_jax.backbones import WeightsError
from uhseg_jax.backbones.weights.readers import read_tensors

FLOATS = np.arange(24, dtype=np.float32)
STORAGES = {"0": FLOATS.tobytes()}


def floats(shape=(24,), **kwargs) -> Call:
    return tensor(np.float32, "0", 24, shape, **kwargs)


@pytest.mark.parametrize("legacy", [False, True])
def test_every_dtype_comes_back_bit_for_bit(legacy, tmp_path):
    rng = np.random.default_rng(0)
    arrays = {
        np.dtype(dtype).name: rng.normal(scale=9, size=(3, 4)).astype(dtype)
        for dtype in (np.float64, np.float32, np.float16, jnp.bfloat16, np.int64, bool)
    }
    arrays |= {"scalar": np.array(2.5, np.float32), "none": np.zeros((0, 3), np.int64)}
    for suffix in ("pth", "pt", "bin", "pth.tar"):
        path = tmp_path / f"w.{suffix}"
        write_arrays(path, arrays, legacy=legacy)
        found = read_tensors(path)
        assert list(found) == list(arrays)
        for name, array in arrays.items():
            assert found[name].dtype == array.dtype
            assert found[name].shape == array.shape
            assert found[name].tobytes() == array.tobytes()


def test_views_share_a_storage_and_keep_their_strides(tmp_path):
    root = {
        "all": floats((4, 6)),
        "transposed": floats((6, 4), strides=(1, 6)),
        "column": floats((4,), offset=2, strides=(6,)),
        "row": floats((6,), offset=18),
        "repeated": floats((5, 2), offset=3, strides=(0, 1)),
        "alone": floats((1, 2), offset=1, strides=(77, 1)),
    }
    write(tmp_path / "w.pth", root, STORAGES)
    found = read_tensors(tmp_path / "w.pth")
    grid = FLOATS.reshape(4, 6)
    expected = {
        "all": grid,
        "transposed": grid.T,
        "column": grid[:, 2],
        "row": grid[3],
        "repeated": np.broadcast_to([3, 4], (5, 2)),
        "alone": [[1, 2]],
    }
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].flags.c_contiguous


@pytest.mark.parametrize("dtype", [np.float32, np.float16, jnp.bfloat16, np.int64])
def test_numbers_of_big_endian_archives_are_swapped(dtype, tmp_path):
    values = np.arange(6).astype(dtype)
    root = {"x": tensor(dtype, "0", 6, (6,))}
    swapped = {"0": values.byteswap().tobytes()}
    write(tmp_path / "w.pth", root, swapped, order="big")
    np.testing.assert_array_equal(read_tensors(tmp_path / "w.pth")["x"], values)


@pytest.mark.parametrize(
    ("root", "names"),
    [
        ({"a": 0, "b": 1}, ["a", "b"]),
        ({"model": {"a": 0}, "epoch": 3}, ["a"]),
        ({"state_dict": {"a": 0}, "optimizer": {"state": {"b": 1}}}, ["a"]),
        ({"student": {"s": 0}, "teacher": {"t": 1}, "epoch": 100}, ["t"]),
        ({"teacher": {"state_dict": {"a": 0}}}, ["a"]),
        ({"network": {"a": 0}, "options": {"lr": 0.1}}, ["a"]),
        ({"model": {"a": 0}, "counter": 1}, ["a"]),
        ({"a": 0, "meta": {"x": 1.5}, 7: 1}, ["a"]),
    ],
)
def test_the_state_dict_is_found_in_its_wrappings(root, names, tmp_path):
    def fill(node):
        if isinstance(node, dict):
            return {key: fill(value) for key, value in node.items()}
        return floats() if node in (0, 1) else node

    write(tmp_path / "w.pth", fill(root), STORAGES)
    assert list(read_tensors(tmp_path / "w.pth")) == names


def test_what_training_left_beside_the_weights_is_read_over(tmp_path):
    scalar = Call(Name("numpy.core.multiarray", "scalar"), (Name("numpy", "dtype"), 1))
    device = Call(Name("torch", "device"), ("cuda", 0))
    args = {"lr": 0.1, "device": device, "best": scalar, "dtype": Name("torch", "half")}
    parameter = Call(Name("torch._utils", "_rebuild_parameter"), (floats(), True, {}))
    pairs = [["w", parameter], ["b", floats((2,))]]
    weights = Call(Name("collections", "OrderedDict"), (pairs,))
    root = {
        "model": Build(weights, {"_metadata": {"version": 1}}),
        "args": Build(Call(Name("argparse", "Namespace"), (), b"\x81"), args),
        "optimizer": {"state": {0: {"step": 3, "exp_avg": floats()}}},
        "output": Call(Name("pathlib", "PosixPath"), ("out",)),
        "sampler": Call(Name("builtins", "set"), ([1, 2],)),
        "milestones": Call(Name("collections", "Counter"), ({30: 1},)),
    }
    write(tmp_path / "w.pth", root, STORAGES)
    found = read_tensors(tmp_path / "w.pth")
    assert list(found) == ["w", "b"]
    np.testing.assert_array_equal(found["w"], FLOATS)


def test_torchscript_modules_give_their_parameters_dotted_names(tmp_path):
    def module(name, state):
        return Build(Call(Name(f"__torch__.{name}", "Module"), (), b"\x81"), state)

    root = module(
        "clip",
        {
            "training": True,
            "visual": module("visual", {"proj": floats((4, 6)), "ln": floats()}),
            "scale": floats((1,)),
        },
    )
    write(tmp_path / "w.pt", root, STORAGES)
    assert list(read_tensors(tmp_path / "w.pt")) == [
        "visual.proj",
        "visual.ln",
        "scale",
    ]
    # One that holds itself has no end.
    endless = program(module("a", {}))[:-1]
    endless = endless[: endless.rindex(b"}")] + b"q\x01}X\x01\x00\x00\x00ah\x01sb."
    write(tmp_path / "w.pt", endless, {})
    with pytest.raises(WeightsError, match="nested without end"):
        read_tensors(tmp_path / "w.pt")


@pytest.mark.parametrize(
    ("root", "sentence"),
    [
        ([floats()], "holds a list; expected a state dict"),
        (floats(), "holds a Tensor; expected a state dict"),
        (
            {"a": {"x": floats()}, "b": {"x": floats()}},
            r"several sets of tensors \(a, b",
        ),
        ({"epoch": 3}, "holds no arrays"),
    ],
)
def test_files_without_a_state_dict_say_what_they_hold(root, sentence, tmp_path):
    write(tmp_path / "w.pth", root, STORAGES)
    with pytest.raises(WeightsError, match=sentence):
        read_tensors(tmp_path / "w.pth")


def test_other_archives_are_refused(tmp_path):
    path = tmp_path / "w.pth"
    write(path, {"a": floats()}, STORAGES, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(WeightsError, match="compressed archive"):
        read_tensors(path)
    write(path, {"a": floats()}, STORAGES, order="middle")
    with pytest.raises(WeightsError, match="byte order is 'middle'"):
        read_tensors(path)
    np.savez(tmp_path / "x.npz", a=FLOATS)
    (tmp_path / "x.npz").rename(path)
    with pytest.raises(WeightsError, match=r"0 members FOLDER/data\.pkl"):
        read_tensors(path)
    path.write_bytes(program({"a": 1}))
    with pytest.raises(WeightsError, match=r"not one of torch\.save"):
        read_tensors(path)


def test_altered_numbers_are_noticed_when_they_are_read(tmp_path):
    path = tmp_path / "w.pth"
    write_arrays(path, {"x": FLOATS, "y": FLOATS[:2]})
    whole = bytearray(path.read_bytes())
    whole[whole.index(FLOATS.tobytes()) + 5] ^= 1
    path.write_bytes(whole)
    found = read_tensors(path)
    np.testing.assert_array_equal(found["y"], FLOATS[:2])
    with pytest.raises(WeightsError, match=r"x in .* expected the checksum"):
        found["x"]


def test_a_legacy_file_that_is_cut_short_is_refused(tmp_path):
    path = tmp_path / "w.pth"
    write_arrays(path, {"x": FLOATS}, legacy=True)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(WeightsError, match="storage '0' ends outside the file"):
        read_tensors(path)
    root = {"x": tensor(np.float32, "0", 24, (24,), legacy=True)}
    write_legacy(path, root, {"0": (2**60, FLOATS.tobytes())})
    with pytest.raises(WeightsError, match="not as large as it says"):
        read_tensors(path)
    write_legacy(path, root, {"1": (24, FLOATS.tobytes())})
    with pytest.raises(WeightsError, match="not as large as it says"):
        read_tensors(path)
