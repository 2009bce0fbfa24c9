import os
import tempfile
import time

import pytest

from uhseg_jax import locks
from uhseg_jax.files import atomic_write, remove_parts


def test_an_error_of_a_library_keeps_its_words_and_names_the_file(tmp_path):
    path = tmp_path / "image.png"
    words = r"image\.png: encoder error -2"
    with pytest.raises(OSError, match=words), atomic_write(path):
        raise OSError("encoder error -2 when writing image file")
    assert not list(tmp_path.iterdir())


def test_no_error_names_the_temporary_file(tmp_path, monkeypatch):
    def mkstemp(*, dir, prefix, suffix):
        raise PermissionError(
            13, "Permission denied", f"{dir}/{prefix}a1b2c3d4{suffix}"
        )

    monkeypatch.setattr(tempfile, "mkstemp", mkstemp)
    path = tmp_path / "image.png"
    with pytest.raises(PermissionError) as caught, atomic_write(path):
        pass
    assert caught.value.filename == str(path)


@pytest.mark.parametrize("stem", ["x" * 251, "写" * 83])
def test_any_name_that_a_file_can_have_is_written(tmp_path, stem):
    path = tmp_path / f"{stem}.npz"
    with atomic_write(path) as aside:
        aside.touch()
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("has_locks", [True, False])
def test_what_somebody_is_writing_is_not_swept_away(tmp_path, monkeypatch, has_locks):
    if not has_locks:
        monkeypatch.setattr(locks, "fcntl", None)
    left = [tmp_path / f".uhseg-abcdefg{i}.part" for i in range(2)]
    for age, path in enumerate(left):
        path.touch()
        long_ago = time.time() - 4000 * age
        os.utime(path, (long_ago, long_ago))
    path = tmp_path / "mine" / "a.npz"  # of another run, which has no record yet
    with atomic_write(path) as aside:
        aside.write_text("whole")
        remove_parts(tmp_path, age=0.0, beside="run.json")
    assert path.read_text() == "whole"
    assert left[0].exists() is not has_locks
    assert not left[1].exists()
    assert os.listdir(path.parent) == [path.name]


def test_the_content_is_on_the_disk_before_the_name(tmp_path, monkeypatch):
    path, synced = tmp_path / "a.npz", []
    monkeypatch.setattr(
        os, "fsync", lambda x: synced.append((os.fstat(x).st_size, path.exists()))
    )
    with atomic_write(path) as aside:
        aside.write_bytes(b"whole")
    assert synced == [(5, False)]
