"""Images are found by path, folder or pattern, or what stands for none is named."""

import pytest

from uhseg_jax.images import ImageError, find_images


@pytest.fixture
def folder(tmp_path):
    names = "b.PNG a.jpg notes.txt sub/c.Jpeg sub/deep/d.tif .hidden.png .cache/e.png"
    for name in [*names.split(), "odd[1].jpg", "sub/f,g.webp"]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "folder.jpg").mkdir()
    return tmp_path


def _names(paths, folder):
    return [path.relative_to(folder).as_posix() for path in paths]


def test_a_folder_gives_its_images_sorted_and_none_that_is_hidden(folder):
    expected = ["a.jpg", "b.PNG", "odd[1].jpg"]
    below = ["sub/c.Jpeg", "sub/deep/d.tif", "sub/f,g.webp"]
    assert _names(find_images(folder), folder) == expected + below
    assert _names(find_images(str(folder)), folder) == expected + below


def test_patterns_give_images_only(folder):
    assert _names(find_images(f"{folder}/*"), folder) == [
        "a.jpg",
        "b.PNG",
        "odd[1].jpg",
    ]
    assert _names(find_images(f"{folder}/**/*.tif"), folder) == ["sub/deep/d.tif"]


def test_files_are_taken_as_they_are_named(folder):
    wanted = ["odd[1].jpg", "notes.txt", "sub/f,g.webp"]
    assert _names(find_images([folder / name for name in wanted]), folder) == wanted


def test_several_keep_their_order_without_repetition(folder):
    found = find_images(
        [str(folder / "sub"), str(folder / "sub" / "c.Jpeg"), f"{folder}/a*"]
    )
    assert _names(found, folder)[0] == "sub/c.Jpeg"
    assert _names(found, folder)[-1] == "a.jpg"
    assert len(found) == 4


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("missing.jpg", "no such file or folder"),
        (".cache/none", "no such file or folder"),
        ("*.bmp", "pattern that matches no image"),
        ("empty", "folder without images"),
    ],
)
def test_nothing_found_is_said_by_name(folder, name, words):
    (folder / "empty").mkdir()
    with pytest.raises(ImageError, match=words) as caught:
        find_images([str(folder / "a.jpg"), str(folder / name)])
    assert name in str(caught.value)


def test_no_specification_at_all_is_refused():
    with pytest.raises(ImageError, match="got none"):
        find_images([])
