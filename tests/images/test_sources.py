"""Only regular files are opened, and nothing is waited for."""

import io
import os

import pytest

from uhseg_jax.images import ImageError, open_file, read_file, search
from uhseg_jax.images.sources import memory_text, read_all


def test_bytes_of_a_file(tmp_path, monkeypatch):
    (tmp_path / "a.jpg").write_bytes(b"abc")
    (tmp_path / "link.jpg").symlink_to("a.jpg")
    monkeypatch.setenv("HOME", str(tmp_path))
    for path in (tmp_path / "a.jpg", str(tmp_path / "link.jpg"), "~/a.jpg"):
        assert read_file(path) == b"abc"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (os.mkfifo, r"this is a pipe \(FIFO\); give a regular file"),
        (lambda path: os.symlink("/dev/zero", path), "this is a device"),
        (lambda path: os.symlink("/dev/stdin", path), "this is a"),
        (os.mkdir, "this is a folder"),
        (lambda path: os.symlink("absent", path), "the link leads to absent, which is"),
        (lambda path: None, "no such file or folder; check the spelling"),
        (lambda path: path.touch(), "the file is empty"),
        (lambda path: os.symlink(path, path), "cannot be read"),
    ],
)
def test_anything_else_is_named_at_once(tmp_path, make, words):
    path = tmp_path / "a.jpg"
    make(path)
    with pytest.raises(ImageError, match=rf"a\.jpg: .*{words}"):
        read_file(path)


def test_a_file_that_becomes_a_pipe_meanwhile_is_not_waited_for(tmp_path, monkeypatch):
    (tmp_path / "a.jpg").write_bytes(b"abc")
    os.mkfifo(tmp_path / "fifo")
    opened = os.open

    def open_another(path, flags):
        return opened(tmp_path / "fifo", flags)

    monkeypatch.setattr(os, "open", open_another)
    with (
        pytest.raises(ImageError, match="a pipe"),
        open_file(tmp_path / "a.jpg"),
    ):
        pass


def test_larger_files_than_allowed_are_refused_while_they_are_read(tmp_path):
    (tmp_path / "a.jpg").write_bytes(bytes(3000))
    assert len(read_file(tmp_path / "a.jpg", max_bytes=3000)) == 3000
    words = r"a\.jpg: expected a file of at most 2\.93 KiB.*--image_memory"
    with pytest.raises(ImageError, match=words):
        read_file(tmp_path / "a.jpg", max_bytes=2999)

    class Endless(io.RawIOBase):
        def read(self, size=-1):
            return bytes(size)

    with pytest.raises(ImageError, match=r"zeros: .* at most 9\.54 MiB"):
        read_all(Endless(), "zeros", 10_000_000)


def test_what_fails_while_a_file_is_open_is_not_taken_for_its_absence(
    tmp_path, monkeypatch
):
    (tmp_path / "a.jpg").write_bytes(b"abc")
    with pytest.raises(FileNotFoundError), open_file(tmp_path / "a.jpg"):
        os.stat(tmp_path / "another")

    def fail(*arguments):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("uhseg_jax.images.sources.read_all", fail)
    with pytest.raises(ImageError, match=r"a\.jpg: .*cannot be read \(Input/output"):
        read_file(tmp_path / "a.jpg")


def test_an_address_is_to_be_downloaded_first():
    with pytest.raises(ImageError, match="this is an address; download it first"):
        read_file("https://example.org/a.jpg")


@pytest.mark.parametrize(
    ("name", "words"),
    [("a" * 300, "cannot be looked at|cannot be read"), ("a\0b", "null byte")],
)
def test_names_that_no_file_can_have_are_refused_in_a_sentence(name, words):
    for find in (read_file, search):
        with pytest.raises(ImageError, match=words):
            find(name)


def test_memory_in_words():
    sizes = (3, 2**10, 1.5 * 2**20, 2**31, 2**45)
    texts = ["3 bytes", "1 KiB", "1.5 MiB", "2 GiB", "3.28e+04 GiB"]
    assert [memory_text(size) for size in sizes] == texts
