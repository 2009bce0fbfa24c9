"""Images in, results out, and a sentence on every image that has none."""

import dataclasses
import json
import os

import numpy as np
import pytest
from PIL import Image
from png_chunks import grey_png
from pycocotools.coco import COCO
from segment_command import (
    NAMES,
    TITLES,
    contents,
    files,
    labels,
    names_listed,
    segment,
    width,
)
from small_runs import photograph

from uhseg_jax import images
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.images import read_image

# pycocotools
pytestmark = pytest.mark.filterwarnings("ignore:__array__ impl:DeprecationWarning")


def test_a_folder_gives_a_tree_and_an_overlay_for_each_image(photos, out, capsys):
    assert segment(photos, output=out) == 0
    assert files(out) == sorted(
        ["coco.json", "index.html", "run.json"]
        + [f"{name}.{kind}" for name in NAMES for kind in ("npz", "png")]
    )
    assert names_listed(out) == TITLES
    coco = COCO(out / "coco.json")
    for image, (name, title) in enumerate(zip(NAMES, TITLES, strict=True), start=1):
        tree = RegionTree.load(out / f"{name}.npz")
        assert tree.labels.shape == read_image(photos / title).shape[:2]
        assert int(tree.num_nodes) > 1
        assert width(out / f"{name}.png") > 40
        regions = coco.loadAnns(coco.getAnnIds(imgIds=[image]))
        masks = [coco.annToMask(x) for x in regions]
        np.testing.assert_array_equal(masks, tree.masks())
    said = capsys.readouterr()
    assert "3 segmented, 0 done before, 0 failed" in said.out
    assert str(out / "index.html") in said.out
    assert "Warning" not in said.err


def test_results_do_not_depend_on_the_batch_size(finished, out):
    assert segment(finished / "photos", "--batch_size=3", output=out) == 0
    assert contents(out) == contents(finished / "out")


def test_formats_are_those_asked_for(photos, out):
    formats = "--format=npz,labels,colors,polygons"
    assert segment(photos / "one.png", formats, output=out) == 0
    assert files(out) == [
        "annotations/instances_default.json",
        *("one.colors.png", "one.labels.png", "one.npz", "run.json"),
    ]
    with Image.open(out / "one.labels.png") as image:
        leaves, numbers = np.unique(labels(out / "one.npz"), return_inverse=True)
        np.testing.assert_array_equal(np.array(image), numbers)
        assert leaves.size > 1


def test_a_broken_image_is_named_and_the_rest_is_done(done, photos, capsys):
    out = done / "out"
    (photos / "broken.jpg").write_bytes(b"no image")
    (photos / "empty.png").touch()
    cut = (photos / "sub/two.jpg").read_bytes()
    (photos / "cut.jpg").write_bytes(cut[: len(cut) // 2])
    assert segment(photos, "--batch_size=2", output=out) == 1
    said = capsys.readouterr()
    for name in (f"{photos}/broken.jpg", f"{photos}/empty.png", f"{photos}/cut.jpg"):
        assert said.err.count(f"{name}: ") == 1
    assert "0 segmented, 3 done before, 3 failed" in said.out
    assert len(names_listed(out)) == 3
    assert "broken.npz" not in files(out)


def test_places_that_cannot_be_searched_are_named(done, photos, monkeypatch, capsys):
    search = images.search

    def searched(specs):
        more = {"problems": ("lost+found: no.",), "notes": ("a.heic: left out.",)}
        return dataclasses.replace(search(specs), **more)

    monkeypatch.setattr(images, "search", searched)
    assert segment(photos, output=done / "out") == 1
    said = capsys.readouterr()
    assert "0 segmented, 3 done before, 0 failed" in said.out
    assert said.err.count("lost+found: no.") == 1
    assert said.err.count("a.heic: left out.") == 1


def test_images_of_any_kind_give_results(tmp_path, out):
    folder = tmp_path / "odd"
    folder.mkdir()
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 256, (30, 40, 3), dtype=np.uint8))
    for mode, name in {
        **{"L": "grey.png", "RGBA": "alpha.png", "CMYK": "cmyk.jpg"},
        **{"P": "palette.png", "1": "black_and_white.png"},
    }.items():
        noise.convert(mode).save(folder / name)
    Image.new("RGB", (1, 1)).save(folder / "one_pixel.png")
    Image.new("RGB", (1, 30), "red").save(folder / "line.png")
    Image.new("RGB", (40, 30), "green").save(folder / "constant.png")
    deep = np.arange(1200, dtype=np.uint16).reshape(30, 40) * 50
    Image.fromarray(deep).save(folder / "deep.png")
    Image.fromarray(np.full((30, 40), np.nan, np.float32)).save(folder / "nan.tiff")
    noise.save(folder / "moving.gif", save_all=True, append_images=[noise.rotate(90)])
    turned = Image.Exif()
    turned[0x0112] = 6
    noise.save(folder / "turned.jpg", exif=turned)
    assert segment(folder, output=out) == 0
    names = sorted(path.stem for path in folder.iterdir())
    assert sorted(path.stem for path in out.glob("*.npz")) == names
    assert labels(out / "turned.npz").shape == (40, 30)
    assert labels(out / "one_pixel.npz").shape == (1, 1)
    assert len(names_listed(out)) == len(names)


def test_a_demonstration_photograph_is_taken_where_none_is_named(out, capsys):
    assert segment("--format=npz", "--refine=none", output=out) == 0
    assert labels(out / "astronaut.npz").shape == (512, 512)
    assert "astronaut" in capsys.readouterr().err


def test_what_is_left_out_or_too_large_is_said_and_the_rest_is_done(
    out, tmp_path, capsys, monkeypatch
):
    folder = tmp_path / "photos"
    photograph(folder / "one.png", seed=0, size=(40, 30))
    grey_png(folder / "large.png", 1000, 1100)
    (folder / "raw.dng").touch()
    os.mkfifo(folder / "pipe.png")
    (folder / "lost+found").mkdir()

    def scandir(path, *, scan=os.scandir):
        if os.path.basename(path) == "lost+found":
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    flags = "--image_memory=0.01", "--bands=1,2,3", "--format=npz", "--refine=none"
    assert segment(folder, *flags, output=out) == 1
    assert files(out) == ["one.npz", "run.json"]
    said = capsys.readouterr().err
    for sentence in (
        f"{folder}/lost+found: the folder cannot be listed (Permission denied)",
        f"{folder}/pipe.png: is a pipe (FIFO) and no file; left out.",
        f"1 file of a kind that is not read (.dng 1): {folder}/raw.dng.",
        "large.png: expected an image that is decoded within 10.2 MiB of memory",
    ):
        assert sentence in said
    assert json.loads((out / "run.json").read_text())["bands"] == [1, 2, 3]


def test_runs_that_cannot_begin_are_a_sentence(photos, tmp_path, out, capsys):
    (tmp_path / "empty").mkdir()
    assert segment(tmp_path / "empty", output=out) == 1
    assert "this is a folder without images" in capsys.readouterr().err
    assert not out.exists()
    out.touch()
    assert segment(photos, output=out) == 1
    assert f"{out}" in capsys.readouterr().err.splitlines()[-1]


def test_a_tree_of_one_region_is_told(photos, out, capsys):
    for i in range(4):
        photograph(photos / f"{i}.png", seed=i)
    assert segment(photos, "--format=npz", "--min_area=1", output=out) == 0
    said = capsys.readouterr().err
    assert "7 trees have one region only, the whole image: 0.png, 1.png, 2.png," in said
    assert " and 2 more. Trees become finer by a larger max_ncut" in said
