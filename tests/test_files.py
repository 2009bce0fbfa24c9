import os
import tempfile

import pytest

from uhseg_jax.files import atomic_write


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
