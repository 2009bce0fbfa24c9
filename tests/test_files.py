import pytest

from uhseg_jax.files import atomic_write


def test_an_error_of_a_library_keeps_its_words_and_names_the_file(tmp_path):
    path = tmp_path / "image.png"
    words = r"image\.png: encoder error -2"
    with pytest.raises(OSError, match=words), atomic_write(path):
        raise OSError("encoder error -2 when writing image file")
    assert not list(tmp_path.iterdir())
