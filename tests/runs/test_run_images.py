import os
import re

import numpy as np
import pytest
from PIL import Image
from trees import quadrants

from uhseg_jax.export import ExportOptions, Folder, Result, open_formats
from uhseg_jax.export.png_files import is_own
from uhseg_jax.images import ImageError
from uhseg_jax.runs.images import find_run_images


@pytest.fixture
def found(tmp_path, monkeypatch):
    """Names of the results of images, by title."""
    monkeypatch.chdir(tmp_path)

    def find(*specs, output="out"):
        images = find_run_images(specs, output=tmp_path / output).images
        assert all(".." not in image.name for image in images)
        find.images = images
        return {image.title: image.name for image in images}

    return find


def touch(*names):
    for name in names:
        os.makedirs(os.path.dirname(name) or ".", exist_ok=True)
        Image.new("RGB", (3, 2)).save(name)


def draw(folder, name):
    """What an earlier run would have written."""
    pixels = np.zeros((8, 12, 3), np.uint8)
    with open_formats(("png", "labels"), Folder(folder), ExportOptions((2,))) as writer:
        writer.add(Result(name, name, pixels, quadrants()))


def test_names_are_paths_below_the_folder_without_suffix(found):
    touch("photos/a.jpg", "photos/sub/a.png", "photos/sub/b.c.webp")
    assert found("photos") == {
        "a.jpg": "a",
        "sub/a.png": "sub/a",
        "sub/b.c.webp": "sub/b.c",
    }
    assert found("photos/*/*.png") == {"sub/a.png": "sub/a"}
    assert found("photos/sub/../a.jpg") == {"a.jpg": "a"}


def test_names_do_not_depend_on_which_images_are_asked_for(found):
    touch("a.jpg", "A.png", "b.png", "c.jpg.png", "d.labels.png", "e.colors.png")
    touch("f.ucm.jpg")
    names = found(".")
    assert names == {
        "a.jpg": "a.jpg",
        "A.png": "A.png",
        "b.png": "b",
        "c.jpg.png": "c.jpg.png",
        "d.labels.png": "d.labels.png",
        "e.colors.png": "e.colors.png",
        "f.ucm.jpg": "f.ucm.jpg",
    }
    for title, name in names.items():
        assert found(title) == {title: name}


def test_images_of_several_folders_are_told_apart(found):
    touch("p/a.jpg", "q/a.jpg", "q/b.jpg")
    assert found("p", "q") == {"p/a.jpg": "p/a", "q/a.jpg": "q/a", "b.jpg": "b"}


def test_an_image_named_twice_is_taken_once(found, tmp_path):
    touch("p/a.jpg")
    assert found("p", "./p/a.jpg", tmp_path / "p" / "*.jpg") == {"a.jpg": "a"}


def test_names_never_leave_the_output_folder(found):
    touch("p/a.jpg", "b.jpg")
    os.makedirs("p/q")
    assert found("p/q*/../../*.jpg") == {"b.jpg": "b"}
    assert found("p/../b.jpg") == {"b.jpg": "b"}


def test_photographs_in_the_output_folder_are_images_as_well(found, tmp_path):
    touch("p/a.jpg", "p/out/b.jpg")
    draw(tmp_path / "p/out", "a")
    wanted = {"a.jpg": "a", "out/b.jpg": "out/b"}
    assert found("p", output="p/out") == wanted
    assert found("p/**/*.jpg", output="p/out") == wanted
    assert found("p/out/b.jpg", output="p/out") == {"b.jpg": "b.jpg"}


def test_drawings_of_earlier_runs_are_no_images(found, tmp_path):
    touch("a.jpg")
    draw(tmp_path, "a")
    assert is_own(tmp_path / "a.png")
    assert is_own(tmp_path / "a.labels.png")
    with Image.open("a.png") as drawn:
        assert drawn.info["Software"] == "uhseg_jax levels 2"
        drawn.load()
    assert found(".", output=".") == {"a.jpg": "a.jpg"}
    with pytest.raises(ImageError, match="written by uhseg-segment itself"):
        found("a.png")


def test_an_image_is_never_overwritten_by_an_overlay(found):
    touch("a.png")
    assert found(".", output=".") == {"a.png": "a.png"}
    touch("p/b.jpg", "p/q/b.png")
    os.symlink("p", "link")
    assert found("p", output="link/q") == {"b.jpg": "b", "q/b.png": "q/b"}
    problems = [image.problem for image in found.images]
    assert re.search(r"would replace .*p/q/b\.png", problems[0])
    assert not problems[1]


def test_names_do_not_depend_on_what_is_in_the_output_folder(found, tmp_path):
    """Else shards and the joining of them may disagree."""
    touch("p/a.jpg", "p/b.jpg")
    draw(tmp_path / "out", "a")
    for name in ("out/a.png", "out/b.png"):
        with open(name, "wb") as file:
            file.write(b"damaged, or of a user")
    assert found("p") == {"a.jpg": "a", "b.jpg": "b"}
    assert not any(image.problem for image in found.images)


def test_of_images_that_would_share_their_files_one_has_a_result(found):
    touch("p/a.jpg", "p/b.jpg", "p/b.npz/c.jpg", "r/p/a.jpg", "q/a.jpg")
    found("p", "r", "q")
    names = [image.name for image in found.images]
    assert names == ["p/a", "b", "b.npz/c", "p/a", "q/a"]
    problems = [image.problem for image in found.images]
    assert [bool(x) for x in problems] == [False, True, False, True, False]
    assert "would be called b.npz, as the folder" in problems[1]
    assert re.search("r/p/a.jpg: .* the same files as those of .*/p/a.jpg", problems[3])
