"""Finished results are found, and their images with them."""

import os
import shutil

import numpy as np
import pytest
from finished_runs import TITLES, finished_run
from small_runs import photograph
from trees import random_tree

from uhseg_jax.export import ExportOptions, Folder, open_formats
from uhseg_jax.images import ImageError, demo_image, read_image
from uhseg_jax.runs.record import RunError
from uhseg_jax.runs.results import find_results

NAMES = ["one", "sub/deep/three", "sub/two"]


@pytest.fixture
def run(tmp_path):
    return finished_run(tmp_path)


def titles(found):
    return [x.title for x in found.results]


def test_a_folder_gives_its_trees_with_the_names_and_pixels_of_their_images(run):
    photos, out = run
    found = find_results([out])
    assert [x.name for x in found.results] == NAMES
    assert titles(found) == [*TITLES]
    assert found.problems == ()
    for one in found.results:
        result = one.read(pixels=True)
        np.testing.assert_array_equal(result.pixels, read_image(photos / one.title))
        assert one.read(pixels=False).image is None
        assert result.size == one.saved.size


def test_folders_below_files_and_several_runs_are_results_too(run, tmp_path):
    _, out = run
    assert titles(find_results([out / "sub"])) == [*TITLES[1:]]
    (one,) = find_results([out / "sub/two.npz"]).results
    assert (one.name, one.title) == ("two", "sub/two.jpg")
    assert one.read(pixels=True).image is not None
    assert len(find_results([out, out / "one.npz"]).results) == 3
    shutil.copytree(out, tmp_path / "other")
    found = find_results([out, tmp_path / "other"])
    assert [x.name for x in found.results] == [
        f"{folder}/{name}" for folder in ("other", "out") for name in NAMES
    ]


def test_what_is_no_tree_is_passed_over_and_what_is_damaged_is_named(run):
    _, out = run
    np.savez(out / "one.ucm.npz", ucm2=np.zeros(3))
    whole = (out / "one.npz").read_bytes()
    (out / "one.npz").write_bytes(whole[: len(whole) // 2])
    (out / "empty.npz").touch()
    found = find_results([out])
    assert titles(found) == [*TITLES[1:]]
    assert len(found.problems) == 2
    for name in ("empty", "one"):
        assert sum(f"{out / name}.npz: expected a sav" in x for x in found.problems)


def test_trees_beside_an_export_are_results_and_an_export_is_none(run):
    _, out = run
    for folder in (out, out / "sub"):
        (folder / "export.json").write_text("{}")
    found = find_results([out])
    formats = ["labels", "nodes", "ucm", "coco"]
    with open_formats(formats, Folder(out / "exports"), ExportOptions()) as writer:
        for one in found.results:
            writer.add(one.read(pixels=False))
    assert titles(found) == titles(find_results([out])) == [*TITLES]


def test_where_there_is_no_tree_a_sentence_says_what_there_is(tmp_path):
    (tmp_path / "a.txt").touch()
    np.savez(tmp_path / "b.npz", x=np.zeros(3))
    for folder, kind, sentence in (
        ("evaluated", "evaluate", "of uhseg-evaluate, which keeps no trees"),
        ("bare", "segment", "with npz among its --format"),
    ):
        _, out = finished_run(tmp_path / folder, titles=["a.png"], kind=kind)
        (out / "a.npz").unlink()
        with pytest.raises(RunError, match=sentence):
            find_results([out])
    for spec, sentence in (
        (tmp_path / "nowhere", "there is no such file"),
        (tmp_path / "b.npz", "holds something else"),
        (tmp_path / "a.txt", "but this is a file of another kind"),
        (tmp_path / "evaluated/photos", "the folder holds no trees"),
    ):
        with pytest.raises(RunError, match=sentence):
            find_results([spec])


def test_images_that_moved_are_found_where_they_are_said_to_be(run, tmp_path):
    photos, out = run
    away = tmp_path / "away"
    shutil.move(photos, away)
    (one, *_) = find_results([out]).results
    with pytest.raises(ImageError, match=r"one\.png: .* not there; name the fol"):
        one.read(pixels=True)
    for folder, count in ((away, 3), (away / "sub", 2)):
        read = 0
        for found in find_results([out], images=folder).results:
            if (folder / "two.jpg").exists() and found.title == "one.png":
                continue
            assert found.read(pixels=True).image is not None
            read += 1
        assert read == count
    with pytest.raises(ImageError, match="without images"):
        find_results([out], images=out)


def test_the_folder_of_a_run_and_its_images_may_move_together(tmp_path):
    finished_run(tmp_path / "a")
    (tmp_path / "a").rename(tmp_path / "b")
    for one in find_results([tmp_path / "b/out"]).results:
        assert one.read(pixels=True).image is not None


def test_an_image_that_changed_is_not_taken(run, tmp_path):
    photos, out = run
    photograph(photos / "one.png", seed=9, size=(32, 24))
    one, *_ = find_results([out]).results
    assert one.read(pixels=False)
    with pytest.raises(ImageError, match=r"one\.png has other bytes; segment it again"):
        one.read(pixels=True)


def test_trees_that_were_saved_alone_have_images_by_name(tmp_path):
    tree = random_tree(0, height=24, width=32)
    (tmp_path / "trees/sub").mkdir(parents=True)
    tree.save(tmp_path / "trees/sub/a.npz")
    (one,) = find_results([tmp_path / "trees"]).results
    assert one.title == "sub/a"
    with pytest.raises(ImageError, match="--images"):
        one.read(pixels=True)
    photograph(tmp_path / "photos/sub/a.jpg", size=(32, 24))
    (one,) = find_results([tmp_path / "trees"], images=tmp_path / "photos").results
    assert one.title == "sub/a.jpg"
    assert one.read(pixels=True).image is not None
    photograph(tmp_path / "photos/sub/a.jpg", size=(40, 24))
    with pytest.raises(ValueError, match="labels at image size"):
        one.read(pixels=True)


def test_results_of_versions_that_named_no_image_are_read(run):
    photos, out = run
    path = out / "sub/two.npz"
    with np.load(path) as file:
        arrays = {x: file[x] for x in file.files if x not in ("title", "image")}
    np.savez(path, **arrays)
    (one,) = find_results([path]).results
    assert one.title == "two"
    (one,) = find_results([path], images=photos).results
    assert one.title == "sub/two.jpg"
    assert one.read(pixels=True).image is not None


def test_bands_of_a_run_are_taken_again(tmp_path):
    _, out = finished_run(tmp_path, titles=["a.png"], bands=[3, 2, 1])
    (one,) = find_results([out]).results
    assert one.images[0].decoding.bands == (3, 2, 1)


def test_the_demonstration_photograph_needs_no_file(tmp_path):
    name, pixels = demo_image()
    tree = random_tree(0, height=pixels.shape[0], width=pixels.shape[1])
    tree.save(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as file:
        np.savez(tmp_path / "a.npz", **file, title=np.array(name))
    (one,) = find_results([tmp_path]).results
    np.testing.assert_array_equal(one.read(pixels=True).pixels, pixels)


def test_names_that_are_no_text_come_back(tmp_path):
    name = os.fsdecode(b"caf\xe9.png")
    _, out = finished_run(tmp_path, titles=[name])
    (one,) = find_results([out]).results
    assert one.title == name
    assert one.read(pixels=True).image is not None
