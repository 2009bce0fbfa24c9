"""Images are found by path, folder or pattern, or what stands for none is named."""

import glob
import os
import random
import shutil
import socket
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from uhseg_jax.images import ImageError, find_images, natural_order, search
from uhseg_jax.images.kinds import OTHER_SUFFIXES


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


# -- order ---------------------------------------------------------------------------


def test_frames_come_in_the_order_in_which_people_count(tmp_path):
    frames = ["frame_1", "frame_2", "frame_2b", "frame_10", "take 9/a", "take 10/a"]
    wanted = ["a.jpg", "a1.jpg", "a01.jpg", *(f"{x}.jpg" for x in frames)]
    for name in random.Random(0).sample(wanted, len(wanted)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    wanted[1:3] = ["a01.jpg", "a1.jpg"]
    assert _names(find_images(tmp_path), tmp_path) == wanted
    assert _names(find_images(f"{tmp_path}/**/*.jpg"), tmp_path) == wanted


@given(st.lists(st.text(st.sampled_from("a0123456789./-é٣"), min_size=1), max_size=9))
def test_any_names_have_one_order(names):
    expected = sorted(names, key=natural_order)
    for _ in range(2):
        random.shuffle(names)
        found = sorted(names, key=natural_order)
        assert list(map(natural_order, found)) == list(map(natural_order, expected))


@given(st.integers(0, 10**30), st.integers(0, 10**30))
def test_numbers_are_compared_as_numbers(first, second):
    names = [f"x{first}y.png", f"x{second}y.png"]
    assert (natural_order(names[0]) < natural_order(names[1])) == (first < second)


PARTS = ("*", "**", "?", "a", "b", "[ab]", "[!a]*", "*.jpg", ".*", "..", "*b*")


@given(st.lists(st.sampled_from(PARTS), min_size=1, max_size=4))
def test_patterns_match_what_those_of_glob_do(tmp_path_factory, parts):
    # No part of a pattern leads out of the tree.
    root = tmp_path_factory.getbasetemp() / "tree/b/ab/b/a"
    if not root.exists():
        for folder in (".", "a", "a/b", "b", "b/.hidden", "ab/a/b"):
            (root / folder).mkdir(parents=True, exist_ok=True)
            for name in ("a.jpg", ".b.jpg", "b.txt"):
                (root / folder / name).touch()
    pattern = os.path.join(root, *parts)
    matches = filter(os.path.isfile, glob.glob(pattern, recursive=True))
    expected = {os.path.realpath(x) for x in matches if x.endswith(".jpg")}
    try:
        found = {os.path.realpath(x) for x in find_images(pattern)}
    except ImageError:
        found = set()
    if glob.has_magic(pattern):
        assert found == expected


# -- each place once -----------------------------------------------------------------


@pytest.fixture
def linked(tmp_path):
    """Folders that lead into each other, and back."""
    for name in ("x/a.jpg", "x/sub/b.jpg", "other/c.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for name, target in (("up", ".."), ("up2", "../.."), ("self", "."), ("again", ".")):
        (tmp_path / "x" / "sub" / name).symlink_to(target)
    (tmp_path / "x" / "other").symlink_to(tmp_path / "other")
    (tmp_path / "x" / "sub" / "z.jpg").symlink_to("b.jpg")
    return tmp_path


@pytest.mark.parametrize("spec", ["x", "x/", "x/**/*.jpg", "x/**", "x/**/**/*", "./x"])
def test_every_file_and_every_folder_is_read_once(linked, spec, monkeypatch):
    monkeypatch.chdir(linked)
    found = search(spec)
    names = [path.relative_to("x").as_posix() for path in found.paths]
    assert names == ["a.jpg", "other/c.jpg", "sub/b.jpg"]
    assert {x.as_posix() for x in found.roots} == {str(linked / "x")}
    notes = "\n".join(found.notes)
    assert "x/sub/z.jpg: is x/sub/b.jpg again, by a link; left out." in notes
    assert f"x/sub/self: is {linked}/x/sub again, by a link; left out." in notes
    assert f"x/sub/up: is {linked}/x again" in notes
    assert "x/sub/up2: leads back above the folder that is searched" in notes
    assert len(found.notes) == 5
    assert not found.problems


def test_a_file_by_two_names_is_taken_under_the_first(linked):
    first, second = linked / "x/sub/z.jpg", linked / "x/sub/b.jpg"
    found = search([first, second, linked / "x/other/c.jpg", linked / "other"])
    assert found.paths == (first, linked / "x/other/c.jpg")
    assert len(found.notes) == 2
    assert found.notes[0].startswith(f"{second}: is {first} again")
    assert not search([second, second, linked / "x/../x/sub/b.jpg"]).notes


def test_folders_may_lie_deeper_than_python_calls(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for _ in range(1100):
        os.mkdir("d")
        os.chdir("d")
    open("a.jpg", "w").close()
    os.chdir(tmp_path)
    try:
        assert len(find_images(".")) == 1
        assert len(find_images("**/*.jpg")) == 1
    finally:  # what removes temporary folders calls itself for every one
        subprocess.run(["rm", "-r", "d"], check=True)


# -- what is left out ----------------------------------------------------------------


def test_kinds_that_are_not_read_are_counted_and_some_are_named(tmp_path):
    for name in ("a.jpg", "b.dng", "c.DNG", "d.cr2", "e.txt", "f.mpo", "g.j2k"):
        (tmp_path / name).touch()
    raws = ", ".join(f"{tmp_path}/{x}" for x in ("b.dng", "c.DNG", "d.cr2"))
    note = f"3 files of kinds that are not read (.cr2 1, .dng 2): {raws}."
    for spec in (tmp_path, f"{tmp_path}/*"):
        found = search(spec)
        assert _names(found.paths, tmp_path) == ["a.jpg", "f.mpo", "g.j2k"]
        assert found.notes == (note,)
    assert not search(f"{tmp_path}/*.jpg").notes
    if ".heic" in OTHER_SUFFIXES:
        (tmp_path / "h.HEIC").touch()
        (note,) = search(tmp_path).notes
        assert note.startswith("4 files of kinds that are not read (.cr2 1, .dng 2, .h")
        assert note.endswith("; pip install 'uhseg_jax[heif]' to read HEIC.")
    with pytest.raises(ImageError, match=r"no image.*1 file of a kind .*\(\.cr2 1\)"):
        search(f"{tmp_path}/*.cr2")
    for i in range(9):
        (tmp_path / f"{i}.nef").touch()
    (note,) = search(f"{tmp_path}/*.[jn]*").notes
    assert note.endswith(f"{tmp_path}/3.nef, {tmp_path}/4.nef and 4 more.")


def test_images_that_are_not_named_so_are_named(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    for name in ("IMG_0001", "b.jpg~", "c.json"):
        shutil.copy(tmp_path / "a.png", tmp_path / name)
    (tmp_path / "notes").write_text("no image")
    os.mkfifo(tmp_path / "pipe")
    os.mkfifo(tmp_path / "pipe.jpg~")
    found = search(tmp_path)
    assert _names(found.paths, tmp_path) == ["a.png"]
    (note,) = found.notes
    assert note.startswith("2 files look like images but are not named so, and not rea")
    assert f"{tmp_path}/IMG_0001, {tmp_path}/b.jpg~; give" in note
    assert not search(tmp_path / "*.png").notes
    assert search(tmp_path / "IMG_0001").paths == (tmp_path / "IMG_0001",)


def test_what_is_no_file_is_left_out_by_name(tmp_path):
    (tmp_path / "a.jpg").touch()
    os.mkfifo(tmp_path / "fifo.png")
    (tmp_path / "device.png").symlink_to("/dev/zero")
    (tmp_path / "broken.png").symlink_to("absent.png")
    (tmp_path / "gone").symlink_to("absent")
    (tmp_path / "circle.png").symlink_to("circle.png")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s.png"))
    for spec in (tmp_path, f"{tmp_path}/*"):
        found = search(spec)
        assert _names(found.paths, tmp_path) == ["a.jpg"]
        notes = "\n".join(found.notes).replace(f"{tmp_path}/", "")
        assert "fifo.png: is a pipe (FIFO) and no file; left out." in notes
        assert "device.png: is a device and no file" in notes
        assert "s.png: is a socket and no file" in notes
        assert "broken.png: leads to absent.png, which cannot be had" in notes
        assert "gone: leads to absent" in notes
        assert "circle.png: leads to circle.png" in notes
        assert len(found.notes) == 6
    for name, words in (("fifo.png", "a pipe"), ("device.png", "a device")):
        with pytest.raises(
            ImageError, match=f"{name}: expected .* but this is {words}"
        ):
            search(tmp_path / name)
    with pytest.raises(ImageError, match=r"broken\.png: the link leads to absent"):
        search(tmp_path / "broken.png")


def test_many_that_are_left_out_are_counted(tmp_path):
    (tmp_path / "a.jpg").touch()
    for index in range(40):
        (tmp_path / f"link{index}.jpg").symlink_to("a.jpg")
    notes = search(tmp_path).notes
    assert len(notes) == 17
    assert notes[-1] == "24 more were left out."


def test_a_folder_that_cannot_be_listed_is_named_and_the_rest_is_done(
    folder, monkeypatch
):
    def scandir(path, *, scan=os.scandir):
        if os.path.basename(path) == "deep":
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    for spec in (folder, f"{folder}/**", f"{folder}/sub/*/*.tif"):
        try:
            found = search(spec)
        except ImageError as error:  # it was all there is
            assert "deep: the folder cannot be listed" in str(error)  # noqa: PT017
            continue
        assert "sub/c.Jpeg" in _names(found.paths, folder)
        (problem,) = found.problems
        assert problem.startswith(f"{folder}/sub/deep: the folder cannot be listed (P")


# -- names that look like something else ---------------------------------------------


def test_brackets_are_a_pattern_only_where_nothing_has_that_name(tmp_path):
    for name in ("year [2024]/a.jpg", "year 2/b.jpg", "year [2024]/x[1].jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = search(f"{tmp_path}/year [2024]/*.jpg")
    assert _names(found.paths, tmp_path) == [
        "year [2024]/a.jpg",
        "year [2024]/x[1].jpg",
    ]
    assert set(found.roots) == {tmp_path / "year [2024]"}
    assert len(find_images(tmp_path / "year [2024]")) == 2
    assert _names(find_images(f"{tmp_path}/year [12]/*"), tmp_path) == ["year 2/b.jpg"]
    assert len(find_images(f"{tmp_path}/year [[]2024]/x[[]*")) == 1
    with pytest.raises(ImageError, match="brackets stand for one of the characters"):
        search(f"{tmp_path}/year [1999]/a.jpg")


def test_an_address_is_to_be_downloaded_first():
    for address in ("https://example.org/a.jpg", "file:///a.jpg", "s3://b/a.png"):
        with pytest.raises(ImageError, match="this is an address; download it first"):
            search(address)


def test_patterns_may_lead_up_and_name_what_is_hidden(folder, monkeypatch):
    monkeypatch.chdir(folder / "sub")
    assert [x.as_posix() for x in find_images("../*.jpg")] == [
        "../a.jpg",
        "../odd[1].jpg",
    ]
    assert len(find_images("../.c*/*")) == 1
    assert len(find_images("../.*.png")) == 1
    assert len(find_images("../**/.h*")) == 1
