import dataclasses
import json
import os
import re
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from png_chunks import grey_png
from pycocotools.coco import COCO
from small_runs import PRESET, photograph

from uhseg_jax import images, methods
from uhseg_jax.cli.flags import refinement_of
from uhseg_jax.cli.overrides import UsageError
from uhseg_jax.cli.segment import main
from uhseg_jax.cli.segment_flags import config_of, parse
from uhseg_jax.files import atomic_write
from uhseg_jax.hierarchy import tree_file
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.images import read_image
from uhseg_jax.refinement.config import Refinement
from uhseg_jax.runs import segment as runs_segment
from uhseg_jax.runs.claims import claim

# pycocotools
pytestmark = pytest.mark.filterwarnings("ignore:__array__ impl:DeprecationWarning")
NAMES = ("one", "sub/deep/three", "sub/two")
TITLES = ["one.png", "sub/deep/three.png", "sub/two.jpg"]


def segment(*arguments, output):
    flags = (f"--output={output}", *PRESET)
    return main(["uhseg-segment", *flags, *map(str, arguments)])


def files(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.*"))


def times(folder, *suffixes):
    paths = (p for p in folder.rglob("*.*") if not suffixes or p.suffix in suffixes)
    return {p: p.stat().st_mtime_ns for p in paths}


def contents(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*.*")}


def labels(path):
    return np.asarray(RegionTree.load(path).labels)


def width(path):
    with Image.open(path) as image:
        image.load()
        return image.width


def names_listed(folder):
    """The images of coco.json, which are those of index.html."""
    coco = COCO(folder / "coco.json")
    page = (folder / "index.html").read_text()
    names = [image["file_name"] for image in coco.loadImgs(coco.getImgIds())]
    assert names == [x.split('"')[0] for x in page.split('data-name="')[1:]]
    return names


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Photographs and what was found in them; not to be changed."""
    folder = tmp_path_factory.mktemp("finished")
    for i, title in enumerate(TITLES):
        photograph(folder / "photos" / title, seed=i, size=(40 + i, 30))
    assert segment(folder / "photos", output=folder / "out") == 0
    return folder


@pytest.fixture
def done(finished, tmp_path):
    """A copy of those, with the times of the files."""
    return shutil.copytree(finished, tmp_path / "done")


@pytest.fixture
def photos(done):
    return done / "photos"


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


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


def test_a_second_run_does_nothing_again_but_covers_everything(done, photos, capsys):
    out = done / "out"
    before = times(out, ".npz", ".png")
    photograph(photos / "sub/four.png")
    assert segment(photos, output=out) == 0
    assert before.items() <= times(out).items()
    assert names_listed(out) == [*TITLES[:2], "sub/four.png", TITLES[2]]
    assert "1 segmented, 3 done before" in capsys.readouterr().out


def test_overwrite_does_all_again_with_the_same_result(done, photos):
    out = done / "out"
    results, before = contents(out), times(out)
    del before[out / "run.json"]  # the settings are in force already
    assert segment(photos, "--overwrite", output=out) == 0
    assert all(times(out)[path] > time for path, time in before.items())
    assert contents(out) == results


def test_results_do_not_depend_on_the_batch_size(finished, out):
    assert segment(finished / "photos", "--batch_size=3", output=out) == 0
    assert contents(out) == contents(finished / "out")


def test_other_settings_are_refused_in_the_same_folder(done, photos, capsys):
    out, other = done / "out", ("--refine=none", "--max_regions=50")
    before, fine = times(out), labels(done / "out/one.npz")
    assert segment(photos, *other, output=out) == 1
    sentence = capsys.readouterr().err
    assert "max_regions None there and 50 now" in sentence
    assert "refinement.refiners upsample there and none now" in sentence
    assert "--overwrite" in sentence
    assert times(out) == before
    other = other[:1]  # which needs no other program
    assert segment(photos / "one.png", *other, "--overwrite", output=out) == 0
    settings = json.loads((out / "run.json").read_text())
    assert settings["refinement"]["refiners"] == "none"
    assert labels(out / "one.npz").shape == fine.shape
    assert (labels(out / "one.npz") != fine).any()
    assert segment(photos, *other, output=out) == 0  # older results do not count
    assert "2 segmented, 1 done before" in capsys.readouterr().out


def test_other_levels_only_draw_again(done, photos, capsys):
    out = done / "out"
    trees, before = times(out, ".npz"), width(out / "one.png")
    assert segment(photos, "--levels=2,3,4,5", output=out) == 0
    assert trees.items() <= times(out).items()
    assert width(out / "one.png") != before
    assert "3 done before" in capsys.readouterr().out


def test_formats_are_those_asked_for(photos, out):
    formats = "--format=npz,labels,colors,polygons"
    assert segment(photos / "one.png", formats, output=out) == 0
    assert files(out) == [
        "annotations/instances_default.json",
        *("one.colors.png", "one.labels.png", "one.npz", "run.json"),
    ]
    with Image.open(out / "one.labels.png") as image:
        np.testing.assert_array_equal(np.array(image), labels(out / "one.npz"))


def test_a_broken_image_is_named_and_the_rest_is_done(done, photos, capsys):
    out = done / "out"
    (photos / "broken.jpg").write_bytes(b"no image")
    (photos / "empty.png").touch()
    cut = (photos / "sub/two.jpg").read_bytes()
    (photos / "cut.jpg").write_bytes(cut[: len(cut) // 2])
    assert segment(photos, "--batch_size=2", output=out) == 1
    said = capsys.readouterr()
    for name in (f"{photos}/broken.jpg", f"{photos}/empty.png", f"{photos}/cut.jpg"):
        assert said.err.count(f"{name}: ") == 2  # at once and at the end
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
    assert said.err.count("lost+found: no.") == 2  # at once and at the end
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


def test_one_output_folder_inside_the_images_or_among_them(photos, capsys):
    for output in (photos / "regions", photos):
        images = contents(photos)
        for _ in range(2):
            assert segment(photos, output=output) == 0
            assert names_listed(output) == TITLES
        after = contents(photos)
        assert all(after[x] == y for x, y in images.items())
        said = capsys.readouterr().out
        assert "3 segmented, 0 done" in said
        assert "0 segmented, 3 done" in said
        shutil.rmtree(photos / "regions", ignore_errors=True)


def test_a_run_cut_short_leaves_whole_files_and_is_taken_up(
    finished, out, monkeypatch, capsys
):
    write, calls = tree_file.write, []

    def interrupted_write(path, **arrays):
        calls.append(path)
        if len(calls) == 2:
            raise KeyboardInterrupt
        write(path, **arrays)

    monkeypatch.setattr(tree_file, "write", interrupted_write)
    assert segment(finished / "photos", output=out) == 130
    assert "Interrupted" in capsys.readouterr().err
    assert files(out) == ["one.npz", "one.png", "run.json", "sub/deep/three.png"]
    assert segment(finished / "photos", output=out) == 0
    assert "2 segmented, 1 done before" in capsys.readouterr().out
    assert contents(out) == contents(finished / "out")


def test_any_name_that_a_result_can_have_works(done, photos, capsys):
    out, longest = done / "out", ("x" * 251, "写" * 83, "run.json", "coco.json.npz")
    for name in longest:
        photograph(photos / f"{name}.png")
    assert segment(photos, output=out) == 0
    assert {f"{name}.npz" for name in longest} <= set(files(out))
    capsys.readouterr()
    assert segment(photos, "--format=npz,labels", output=out) == 1
    said = capsys.readouterr()
    assert said.err.count("the name is too long for a file") == 4
    assert "0 segmented, 5 done before, 2 failed" in said.out


@pytest.mark.parametrize("is_cut", [True, False])
def test_damaged_files_are_made_again(done, photos, is_cut):
    good = {x: x.read_bytes() for x in (done / "out").rglob("*.png")}
    good |= {x: x.read_bytes() for x in (done / "out").rglob("*.npz")}
    assert len(good) == 6
    for path, content in good.items():
        half = len(content) // 2
        altered = bytes([content[half] ^ 255]) + content[half + 1 :]
        path.write_bytes(content[:half] + (b"" if is_cut else altered))
    assert segment(photos, output=done / "out") == 0
    assert good == {x: x.read_bytes() for x in good}


def test_a_tree_is_of_the_very_bytes_of_its_image(done, photos, tmp_path, capsys):
    """Whatever the times say: images move, are copied, and come from other folders."""
    out = done / "out"
    long_ago, tomorrow = time.time() - 1e8, time.time() + 1e5

    def is_found_again(*images):
        capsys.readouterr()
        assert segment(*images, output=out) == 0
        return "0 segmented" in capsys.readouterr().out

    for now in (tomorrow, long_ago):
        os.utime(photos / "one.png", (now, now))
        os.utime(out / "one.npz", (long_ago, long_ago))
        assert is_found_again(photos)
    other = photograph(tmp_path / "old.png", seed=9, size=(40, 30))
    os.utime(other, (long_ago, long_ago))
    os.replace(other, photos / "one.png")
    assert not is_found_again(photos)
    before = labels(out / "one.npz"), (out / "one.png").read_bytes()
    assert is_found_again(photos)
    sequel = tmp_path / "sequel"  # other images of the same names and sizes
    for i, title in enumerate(TITLES):
        photograph(sequel / title, seed=20 + i, size=(40 + i, 30))
        os.utime(sequel / title, (long_ago, long_ago))
    assert not is_found_again(sequel)
    assert (labels(out / "one.npz") != before[0]).any()
    assert (out / "one.png").read_bytes() != before[1]
    assert is_found_again(sequel)


def test_files_of_the_user_stay_as_they_are(done, photos, capsys):
    out = done / "out"
    photograph(photos / "mine.jpg")
    with open(out / "mine.npz", "wb") as file:
        np.savez(file, labels=np.arange(3))
    mine = (out / "mine.npz").read_bytes()
    assert segment(photos, output=out) == 1
    said = capsys.readouterr()
    assert "0 segmented, 3 done before, 1 failed" in said.out
    assert f"{out / 'mine.npz'}: the file is there, but no run wrote it" in said.err
    assert (out / "mine.npz").read_bytes() == mine
    for name in ("coco.json", "index.html"):
        ours = (out / name).read_bytes()
        (out / name).write_bytes(ours + b"\n")  # corrected by hand
        before = times(out)
        for flag in ("--batch_size=1", "--join"):
            assert segment(photos, flag, output=out) == 1
            said = capsys.readouterr().err.splitlines()[-1]
            assert f"{out / name}: the file is there, but no run wrote it" in said
        assert times(out) == before
        (out / name).write_bytes(ours)
    (out / "index.html").write_text("mine")
    (out / "notes.npz").write_bytes(mine)
    assert segment(photos, "--overwrite", output=out) == 0
    assert labels(out / "mine.npz").shape == (30, 40)
    assert (out / "notes.npz").read_bytes() == mine


def test_images_that_can_have_no_result_fail_alone(
    finished, tmp_path, out, monkeypatch, capsys
):
    photos = shutil.copytree(finished / "photos", tmp_path / "photos")
    photograph(photos / "one.npz/a.png")
    names = ("coco.json/b.png", "RUN.json/c.png", ".run.lock/d.png", "gone.png")
    for name in names:
        photograph(photos / name)
    (out / "two.npz").mkdir(parents=True)
    photograph(photos / "two.jpg")
    describe = runs_segment.settings_of

    def settings_of(*args):
        (photos / "gone.png").unlink()
        return describe(*args)

    monkeypatch.setattr(runs_segment, "settings_of", settings_of)
    others = ("two.jpg", "one.npz/*", *names[:3])
    images = [photos / "sub", *map(photos.joinpath, ("one.png", "gone.png", *others))]
    images[1:] = [photos / "**" / x.relative_to(photos) for x in images[1:]]
    assert segment(*images, output=out) == 1
    said = capsys.readouterr()
    assert "3 segmented, 0 done before, 6 failed" in said.out
    end = said.err.partition("These images have no result:")[2]
    for sentence in (
        "gone.png: there is no such file",
        f"{out / 'two.npz'}: expected a file of the run or nothing, but this is a fol",
        "one.png: its results would be called one.npz, as the folder",
        "in a folder coco.json, which is the name of a file of the run",
        "in a folder RUN.json, which",
        "in a folder .run.lock, which",
    ):
        assert end.count(sentence) == 1
    assert names_listed(out) == ["deep/three.png", "sub/two.jpg", "one.npz/a.png"]


def test_a_run_of_other_settings_cannot_begin_beside_one(done, photos, capsys):
    out = done / "out"
    settings = json.loads((out / "run.json").read_text())
    del settings["files"]
    before = times(out)
    with claim(out, settings):
        for flag in ("--overwrite", "--refine=none"):
            assert segment(photos, flag, output=out) == 1
            assert "another run works in this folder" in capsys.readouterr().err
            assert segment(photos, flag, "--shard=1/1", output=out) == (
                0 if flag == "--overwrite" else 1
            )
        assert segment(photos, output=out) == 0
    assert {p.name for p, t in times(out).items() if t != before.get(p)} == {
        *("one.npz", "one.png", "two.npz", "two.png", "three.npz", "three.png"),
        *("coco.json", "index.html"),
    }


def test_shards_joined_are_one_run_byte_for_byte(finished, out, capsys):
    photos = finished / "photos"
    for shard in (7, 2, 1, 3, 5, 4):  # in any order
        assert segment(photos, f"--shard={shard}/7", output=out) == 0
    assert {"coco.json", "index.html"}.isdisjoint(files(out))
    (out / "sub/two.npz").unlink()
    assert segment(photos, "--join", output=out) == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert "1 of 3 have none of these settings and these very images" in said
    assert "the first of them sub/two.jpg" in said
    assert not (out / "coco.json").exists()
    assert segment(photos, "--shard=3/7", output=out) == 0
    assert segment(photos, "--join", output=out) == 0
    assert "3 done before, 0 failed" in capsys.readouterr().out
    assert contents(out) == contents(finished / "out")


def test_shards_on_disks_of_their_own_are_joined_when_copied(finished, out, tmp_path):
    photos = finished / "photos"
    for shard in (1, 2):
        output = tmp_path / str(shard)
        assert segment(photos, f"--shard={shard}/2", output=output) == 0
        for path in output.rglob("*.*"):  # copies have other times
            (out / path.relative_to(output)).parent.mkdir(parents=True, exist_ok=True)
            (out / path.relative_to(output)).write_bytes(path.read_bytes())
    assert segment(photos, "--join", output=out) == 0
    assert contents(out) == contents(finished / "out")


def test_shards_and_their_joining_do_not_mix_settings(done, photos, tmp_path, capsys):
    before = times(done / "out")
    for flag in ("--shard=2/7", "--join"):
        assert segment(photos, flag, "--max_regions=3", output=done / "out") == 1
        assert "max_regions None there and 3 now" in capsys.readouterr().err
        assert segment(photos, flag, output=done / "out") == 0
    assert segment(photos, "--shard=1/3", "--overwrite", output=done / "out") == 0
    changed = {p.name for p, t in times(done / "out").items() if before[p] != t}
    # The results of other shards count after an overwriting one.
    assert changed == {"coco.json", "index.html", "one.npz", "one.png"}
    assert segment(photos, "--join", output=done / "out") == 0
    assert segment(photos, "--join", output=tmp_path / "empty") == 1
    assert "run the shards" in capsys.readouterr().err


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
        "1 file of a kind that is not read (.dng 1).",
        "large.png: expected an image that is decoded within 10.2 MiB of memory",
    ):
        assert sentence in said
    assert json.loads((out / "run.json").read_text())["bands"] == [1, 2, 3]


@pytest.mark.parametrize(
    ("arguments", "status", "sentences"),
    [
        (["--model=dinov2"], 1, ["unknown model 'dinov2'", "dinov2_vits14_focus"]),
        (["--method=kmeans"], 1, ["unknown method 'kmeans'", "recursive_spectral"]),
        (["--images=nowhere.jpg"], 1, ["nowhere.jpg: there is no such file"]),
        (["--grid=big"], 2, ["grid expects", "'big'"]),
        (["--grid=0"], 2, ["grid must be", "is 0"]),
        (["--levels=4,zero"], 2, ["--levels expects", "4,zero"]),
        (["--bands=1,2"], 2, ["--bands expects", "such as 1,2,3", "'1,2'"]),
        (["--bands=0,1,2"], 2, ["--bands expects", "'0,1,2'"]),
        (["--image_memory=0"], 2, ["image_memory"]),
        (["--format=pdf"], 2, ["--format expects some of png,labels", "'pdf'"]),
        (["--batch_size=0"], 2, ["batch_size"]),
        (["--output="], 2, ["--output expects a folder"]),
        (["--output", ""], 2, ["--output expects a folder"]),
        (["--shard=0/5"], 2, ["--shard: expected", "such as 3/100", "'0/5'"]),
        (["--shard=6/5"], 2, ["number from 1 to COUNT", "'6/5'"]),
        (["--shard=a"], 2, ["NUMBER/COUNT", "'a'"]),
        (["--shard=1/2", "--join"], 2, ["--shard does not go with --join"]),
        (["--shard=1/2", "--format=coco"], 2, ["--shard needs npz"]),
        (["--join", "--overwrite"], 2, ["--join does not go with --overwrite"]),
        (
            ["--shard=1/2", "--method=multilevel_clustering"],
            2,
            ["--method=multilevel_clustering", "in one process"],
        ),
        (["--config.num_superpixels=0"], 2, ["num_superpixels must be", "is 0"]),
        (["--imags=x"], 2, ["Unknown command line flag 'imags'", "images"]),
        (["--config.contrats=4"], 2, ["no parameter 'contrats'", "'contrast'?"]),
        (["--config.contrast=high"], 2, ["--config.contrast expects float", "'high'"]),
        (["--config.contrast", "4"], 2, ["--config.NAME=VALUE"]),
        (["--config.rule=other"], 2, ["rule must be", "'two_way'"]),
        (["--config.request.blocks=-9"], 1, ["has 3 blocks"]),
    ],
)
def test_mistakes_are_one_sentence(out, arguments, status, sentences, capsys):
    assert segment(*arguments, output=out) == status
    said = capsys.readouterr()
    assert said.out == ""
    message = said.err.splitlines()[-1]
    for sentence in sentences:
        assert sentence in message


def test_runs_that_cannot_begin_are_a_sentence(photos, tmp_path, out, capsys):
    (tmp_path / "empty").mkdir()
    assert segment(tmp_path / "empty", output=out) == 1
    assert "this is a folder without images" in capsys.readouterr().err
    assert not out.exists()
    out.touch()
    assert segment(photos, output=out) == 1
    assert f"{out}" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_a_sentence_that_names_the_file(
    photos, out, monkeypatch, capsys
):
    def write(path, **arrays):
        with atomic_write(path), open("/dev/full", "w") as file:
            file.write("x")

    with monkeypatch.context() as patched:
        patched.setattr(tree_file, "write", write)
        assert segment(photos, output=out) == 1
    message = capsys.readouterr().err.splitlines()[-1]
    assert f"{out / 'one.npz'}: " in message
    assert "No space left on device" in message
    assert segment(photos, output=out) == 0


def test_values_of_parameters_are_read_by_their_types():
    def config(*arguments):
        return config_of(parse(["uhseg-segment", *arguments]))

    read = config("--config.request.blocks=-1,-2", "--config=seed=3", "--grid=4x5")
    assert read.seed == 3
    assert (read.request.blocks, read.request.grid) == ((-1, -2), (4, 5))
    read = config("--config.request.normed=True", "--config.contrast=4", "--grid=4")
    assert (read.request.normed, read.request.grid) == (True, 4)
    assert isinstance(read.contrast, float)
    assert config("--config.request.normed=none").request.normed is None
    assert config("--config.max_regions=5").max_regions == 5
    assert config("--max_regions=5").max_regions == 5
    assert config() == methods.METHODS["recursive_spectral"].preset()


def test_a_refinement_is_named_and_its_parameters_are_read():
    def refinement(*arguments, method="recursive_spectral"):
        return refinement_of(parse(["uhseg-segment", *arguments]), method=method)

    assert refinement() == Refinement()
    read = refinement("--refine=pamr", "--min_area=0.01", "--connected")
    assert (read.name, read.min_area, read.connected) == ("pamr", 0.01, True)
    read = refinement(
        "--refinement.kernel=joint",
        "--refinement.crf.iterations=5",
        "--refinement.pamr.dilations=1,2",
        "--refinement.pamr.num_iterations=3",
    ).to_dict()
    assert (read["refiners"], read["kernel"]) == ("pamr,crf", "joint")
    assert read["crf"]["iterations"] == 5
    assert (read["pamr"]["dilations"], read["pamr"]["num_iterations"]) == ((1, 2), 3)
    multilevel = {"method": "multilevel_clustering"}  # has one of its own
    assert refinement(**multilevel).name == "upsample"
    assert refinement("--refine=pamr", **multilevel).name == "pamr"
    for flag, sentence in {
        "--refine=crt": "crt",
        "--refinement.refiners=crf": "--refine=pamr,crf",
        "--min_area=2": "min_area",
        "--refinement.colour=1": "no parameter 'colour'",
        "--refinement.crf.colour=1": "--refinement.crf: there is no parameter",
        "--refinement.temperature=0": "temperature must be",
    }.items():
        with pytest.raises(UsageError, match=re.escape(sentence)):
            refinement(flag)


def test_help_shows_every_flag(capsys):
    assert main(["uhseg-segment", "--help"]) == 0
    said = capsys.readouterr().out
    for name in parse(["uhseg-segment"]):
        assert re.search(rf"--(\[no\])?{name}:", said)
    assert len(list(parse(["uhseg-segment"]))) > 20
