import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from torch_pickles import write_arrays

from uhseg_jax.backbones import WeightsError
from uhseg_jax.backbones.weights.readers import Budget, read_tensors, sharded
from uhseg_jax.backbones.weights.readers.sharded import shard_files

INDEX = "model.safetensors.index.json"


def write_index(folder: Path, named: object) -> Path:
    path = folder / INDEX
    path.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": named}))
    return path


def test_a_model_in_several_files_is_one(tmp_path):
    one, two = {"a": np.arange(3.0)}, {"b": np.ones((2, 2)), "c": np.zeros(1)}
    save_file(one, tmp_path / "model-1-of-2.safetensors")
    write_arrays(tmp_path / "model-2-of-2.bin", two)
    shards = dict.fromkeys(one, "model-1-of-2.safetensors")
    shards |= dict.fromkeys(two, "model-2-of-2.bin")
    found = read_tensors(write_index(tmp_path, shards))
    assert set(found) == {"a", "b", "c"}
    for name, array in (one | two).items():
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize("text", ["", "weights", '{"weight_map":' * 100_000])
def test_what_is_no_index_is_refused_before_it_is_read(tmp_path, text):
    path = tmp_path / INDEX
    path.write_text(text)
    with pytest.raises(WeightsError, match="could not be read"):
        shard_files(path)


@pytest.mark.parametrize(
    ("named", "sentence"),
    [
        (None, "has no weight_map"),
        ({"a": 1}, "has no weight_map"),
        ({"a": "../w.safetensors"}, "expected files beside the index"),
        ({"a": "/etc/w.safetensors"}, "expected files beside the index"),
        ({"a": INDEX}, "expected a file with weights"),
        ({"a": "missing.safetensors"}, r"no weight file at .*missing\.safetensors"),
        ({"z": "w.safetensors"}, r"w\.safetensors does not hold z"),
    ],
)
def test_an_index_that_does_not_fit_its_files_is_refused(named, sentence, tmp_path):
    save_file({"a": np.zeros(1)}, tmp_path / "w.safetensors")
    with pytest.raises(WeightsError, match=sentence):
        read_tensors(write_index(tmp_path, named))


def test_arrays_of_all_files_are_counted_together(tmp_path, monkeypatch):
    shards = {}
    for shard in "ab":
        arrays = {f"{shard}{index}": np.zeros(1) for index in range(60)}
        save_file(arrays, tmp_path / f"{shard}.safetensors")
        shards |= dict.fromkeys(arrays, f"{shard}.safetensors")
    index = write_index(tmp_path, shards)
    assert len(read_tensors(index, Budget(arrays=120))) == 120
    with pytest.raises(WeightsError, match="holds 120 arrays; expected at most 100"):
        read_tensors(index, Budget(arrays=100))
    monkeypatch.setattr(sharded, "_MOST_SHARDS", 1)
    with pytest.raises(WeightsError, match="names 2 files"):
        read_tensors(index)


def test_a_damaged_shard_is_named(tmp_path):
    (tmp_path / "w.safetensors").write_bytes(b"\x00")
    with pytest.raises(WeightsError, match=r"w\.safetensors could not be read"):
        read_tensors(write_index(tmp_path, {"a": "w.safetensors"}))
