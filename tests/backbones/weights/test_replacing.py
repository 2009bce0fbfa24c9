"""What `--overwrite` may touch, and what is there when it is killed."""

import errno
import json
import os
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest
import small_checkpoint

from uhseg_jax.backbones import WeightsError, is_cached
from uhseg_jax.backbones.weights import replacing
from uhseg_jax.backbones.weights.checkpoints import restore_params
from uhseg_jax.backbones.weights.replacing import is_replaceable, require_replaceable

OLD = {"norm": {"scale": np.zeros(3, np.float32)}}
NEW = {"norm": {"scale": np.ones(3, np.float32)}}
ABSTRACT = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), OLD)


def save(directory: Path, params, **kwargs) -> Path:
    return small_checkpoint.save(directory, params, overwrite=True, **kwargs)


def value_in(directory: Path) -> float:
    params, _ = restore_params("tiny", ABSTRACT, directory=directory)
    return float(params["norm"]["scale"][0])


@pytest.fixture
def tokenizer(tmp_path) -> dict[str, Path]:
    """The two files that lie beside the weights of a diffusion model."""
    files = {x: tmp_path / x for x in ("tokenizer/vocab.json", "tokenizer/merges.txt")}
    for file in files.values():
        file.parent.mkdir(exist_ok=True)
        file.write_text("{}")
    return files


def test_files_of_the_user_stay_where_they_are(cache, tokenizer):
    folder = save(cache, OLD, beside=tokenizer)
    mine = [folder / "mine.pth", folder / "notes" / "a.txt", folder / "tokenizer" / "b"]
    for file in mine:
        file.parent.mkdir(exist_ok=True)
        file.write_text("mine")
    save(cache, NEW)
    assert value_in(cache) == 1
    assert all(file.read_text() == "mine" for file in mine)
    assert not (folder / "tokenizer" / "vocab.json").exists()
    assert os.listdir(cache) == ["tiny"]


@pytest.mark.parametrize(
    "name",
    [
        "params/mine.pth",
        "params/norm.scale/x.npy",
        "params/series/1.2.840.10008.5",
        "params/norm.scale/series/1.2",
        "params/mine.zarr/.zarray",
        "params/descriptor/notes.txt",
        "params/_NOTES",
        "params",
    ],
)
def test_files_of_the_user_among_the_parameters_are_named(name, cache):
    file = save(cache, OLD) / name
    if file.is_dir():
        shutil.rmtree(file)
    file.parent.mkdir(exist_ok=True, parents=True)
    file.write_text("mine")
    with pytest.raises(WeightsError, match=f"holds {file}, which is no part"):
        save(cache, NEW)
    assert file.read_text() == "mine"


def test_a_damaged_list_of_arrays_makes_nothing_ours(cache):
    folder = save(cache, OLD)
    (folder / "params" / "_METADATA").write_text("{")
    with pytest.raises(WeightsError, match="which is no part of a checkpoint"):
        save(cache, NEW)
    assert (folder / "params" / "norm.scale" / "0").exists()


@pytest.mark.parametrize("allowed", [0, 1])
def test_a_checkpoint_that_could_not_be_replaced_is_kept_and_said(
    allowed, cache, monkeypatch
):
    """As in a folder that is a mount point, or that cannot be written."""
    save(cache, OLD)
    real, left = Path.rename, [allowed]

    def rename(self, target):
        left[0] -= 1
        if left[0] == -1:
            raise PermissionError(errno.EACCES, "Permission denied", str(self))
        return real(self, target)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(WeightsError, match=r"could not be kept in .*Permission denied"):
        save(cache, NEW)
    assert value_in(cache) == 0
    assert os.listdir(cache) == ["tiny"]


def test_what_is_not_ours_is_never_replaced(cache, tmp_path):
    folder = cache / "tiny"
    folder.mkdir(parents=True)
    require_replaceable(folder)  # an empty one
    (folder / "params").mkdir()  # of a training of the user's, say
    for text, words in (
        (None, "holds 'params' and no manifest"),
        ("{}", "not that of a checkpoint"),
        (json.dumps({"name": "app", "version": 1}), "not that of a checkpoint"),
    ):
        if text is not None:
            (folder / "manifest.json").write_text(text)
        with pytest.raises(WeightsError, match=words) as caught:
            save(cache, NEW)
        assert "--overwrite" not in str(caught.value)
        assert (folder / "params").is_dir()
    (cache / "file").touch()
    (cache / "link").symlink_to(tmp_path / "nowhere")
    assert not any(is_replaceable(cache / name) for name in ("file", "link"))


def test_a_link_to_the_folder_stays_one(cache, tmp_path):
    disk = tmp_path / "disk" / "weights"
    disk.mkdir(parents=True)
    cache.mkdir()
    (cache / "tiny").symlink_to(disk)
    for params in (OLD, NEW):
        save(cache, params)
    assert (cache / "tiny").is_symlink()
    assert value_in(cache) == 1
    assert sorted(os.listdir(disk)) == ["manifest.json", "params"]
    assert os.listdir(disk.parent) == ["weights"]


@pytest.mark.parametrize("with_mine", [False, True])
def test_killed_at_any_moment_there_is_a_checkpoint_or_none(
    with_mine, cache, tokenizer, monkeypatch
):
    """Each rename in turn is the last thing that happens."""
    mine = cache / "tiny" / "mine.pth"
    beside = tokenizer if with_mine else None
    for last in range(20):
        save(cache, OLD, beside=beside)
        if with_mine:
            mine.write_text("mine")
        done = []

        def counted(real, done=done, last=last):
            def rename(*names):
                if len(done) == last:
                    raise KeyboardInterrupt
                done.append(names)
                return real(*names)

            return rename

        with monkeypatch.context() as patch:
            patch.setattr(Path, "rename", counted(Path.rename))
            patch.setattr(replacing.os, "replace", counted(os.replace))
            try:
                save(cache, NEW, beside=beside)
            except KeyboardInterrupt:
                assert not is_cached("tiny", cache) or value_in(cache) in (0, 1)
            else:
                break
        assert not with_mine or mine.read_text() == "mine"
        save(cache, NEW, beside=beside)
        assert value_in(cache) == 1
    assert last > 1


def test_what_few_can_read_stays_so_in_the_copy(cache, tokenizer):
    tokenizer["tokenizer/vocab.json"].chmod(0o600)
    folder = save(cache, OLD, beside=tokenizer)
    modes = {x.name: x.stat().st_mode & 0o777 for x in (folder / "tokenizer").iterdir()}
    assert modes["vocab.json"] == 0o600
    assert modes["merges.txt"] & 0o077
