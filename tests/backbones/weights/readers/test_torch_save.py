"""The files that torch itself writes, read without it and compared bit for bit."""

import argparse
import collections
import warnings
import zipfile
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from uhseg_jax.backbones import WeightsError
from uhseg_jax.backbones.weights.readers import read_tensors

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

FORMATS = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])


def save(value, path: Path, zipped: bool) -> Path:
    torch.save(value, path, _use_new_zipfile_serialization=zipped)
    return path


def to_numpy(tensor) -> np.ndarray:
    """Through the bytes: numpy has no bfloat16 of its own."""
    tensor = tensor.detach().contiguous()
    if tensor.dtype == torch.bfloat16:
        return tensor.view(torch.int16).numpy().view(jnp.bfloat16)
    return tensor.numpy()


def assert_same(found, expected) -> None:
    assert list(found) == list(expected)
    for name, tensor in expected.items():
        array = to_numpy(tensor)
        assert found[name].dtype == array.dtype
        assert found[name].shape == array.shape
        assert found[name].tobytes() == array.tobytes()


def tensors() -> dict:
    generator = torch.Generator().manual_seed(0)
    base = torch.randn(6, 8, generator=generator)
    dtypes = (torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.uint8)
    kinds = {str(dtype): (base * 9).to(dtype) for dtype in (*dtypes, torch.bool)}
    return {
        **kinds,
        "base": base,
        "transposed": base.T,
        "rows": base[2:4],
        "columns": base[:, 1::3],
        "permuted": base.reshape(2, 3, 8).permute(2, 0, 1),
        "expanded": base[0].expand(5, 8),
        "half view": kinds["torch.float16"][1:, ::2],
        "parameter": torch.nn.Parameter(base.clone()),
        "parameter view": torch.nn.Parameter(base.clone())[1:].T,
        "scalar": torch.tensor(0.1),
        "empty": torch.zeros(0, 3),
        "complex": torch.complex(base, base),
    }


@FORMATS
@pytest.mark.parametrize("container", [dict, collections.OrderedDict])
def test_all_kinds_of_tensors_are_equal_bit_for_bit(container, zipped, tmp_path):
    expected = container(tensors())
    found = read_tensors(save(expected, tmp_path / "w.pth", zipped))
    assert_same(found, expected)


@FORMATS
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_protocol_of_pickle_is_read(protocol, zipped, tmp_path):
    expected = tensors()
    torch.save(
        expected,
        tmp_path / "w.pth",
        _use_new_zipfile_serialization=zipped,
        pickle_protocol=protocol,
    )
    assert_same(read_tensors(tmp_path / "w.pth"), expected)


def test_newer_dtypes_are_read(tmp_path):
    expected = {
        "uint16": torch.arange(5).to(torch.uint16),
        "uint32": torch.arange(5).to(torch.uint32),
    }
    eighth = {"x": torch.linspace(-2, 2, 8).to(torch.float8_e4m3fn)}
    assert_same(read_tensors(save(expected, tmp_path / "a.pth", True)), expected)
    found = read_tensors(save(eighth, tmp_path / "b.pth", True))["x"]
    assert found.dtype == jnp.float8_e4m3fn
    assert found.tobytes() == eighth["x"].view(torch.uint8).numpy().tobytes()


@FORMATS
def test_the_checkpoint_of_a_training_run_gives_its_teacher(zipped, tmp_path):
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.ones(2, 3)).sum().backward()
    optimizer.step()
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [1, 2])
    args = argparse.Namespace(
        lr=0.1, output_dir=Path("out"), device=torch.device("cpu"), dtype=torch.half,
        best=np.float64(3), order=np.arange(3), betas=(0.9, 0.99), size=torch.Size([2]),
    )  # fmt: skip
    checkpoint = {
        "student": {"module.w": torch.zeros(1)},
        "teacher": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "scheduler": schedule.state_dict(),
        "epoch": 3,
        "args": args,
        "rng": torch.get_rng_state(),
    }
    found = read_tensors(save(checkpoint, tmp_path / "w.pth.tar", zipped))
    assert_same(found, model.state_dict())


def test_numbers_of_a_big_endian_file_are_swapped(tmp_path):
    expected = {"x": torch.linspace(0, 1, 5), "y": torch.arange(4).to(torch.bfloat16)}
    swapped = {
        "x": torch.from_numpy(to_numpy(expected["x"]).byteswap()),
        "y": torch.from_numpy(to_numpy(expected["y"]).view(np.int16).byteswap()).view(
            torch.bfloat16
        ),
    }
    path = save(swapped, tmp_path / "w.pth", True)
    with (
        zipfile.ZipFile(path) as source,
        zipfile.ZipFile(tmp_path / "b.pth", "w") as to,
    ):
        for name in source.namelist():
            content = source.read(name)
            to.writestr(name, b"big" if name.endswith("byteorder") else content)
    assert_same(read_tensors(tmp_path / "b.pth"), expected)
    loaded = torch.load(tmp_path / "b.pth")
    assert all(torch.equal(loaded[name], expected[name]) for name in expected)


def test_a_torchscript_archive_gives_the_state_dict_of_its_module(tmp_path):
    class Visual(torch.nn.Module):
        def __init__(self):
            super().__init__()
            linear = torch.nn.Linear
            self.blocks = torch.nn.Sequential(linear(3, 3), linear(3, 2))
            self.proj = torch.nn.Parameter(torch.randn(2, 2))

        def forward(self, x):
            return self.blocks(x) @ self.proj

    module = torch.nn.Sequential(Visual().half(), torch.nn.LayerNorm(2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch would rather have it exported
        traced = torch.jit.trace(module.float(), torch.ones(1, 3)).half()
        torch.jit.save(traced, str(tmp_path / "w.pt"))
    found = read_tensors(tmp_path / "w.pt")
    expected = traced.state_dict()
    assert set(found) == set(expected)
    for name, tensor in expected.items():
        assert found[name].tobytes() == to_numpy(tensor).tobytes()


def test_a_whole_module_is_refused_by_the_name_of_its_class(tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "w.pth")
    with pytest.raises(
        WeightsError, match=r"asks for 'torch\.nn\.modules\.linear\.Lin"
    ):
        read_tensors(tmp_path / "w.pth")


@FORMATS
def test_tensors_of_other_layouts_are_refused(zipped, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch gives them up
        quantized = torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8)
    others = {
        "sparse": torch.eye(3).to_sparse(),
        "quantized": quantized,
        "conjugated": torch.ones(3, dtype=torch.complex64).conj(),
    }
    for name, tensor in others.items():
        path = save({"x": tensor}, tmp_path / f"{name}.pth", zipped)
        with pytest.raises(WeightsError, match="was not read"):
            read_tensors(path)
