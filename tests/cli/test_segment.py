import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

import uhseg_jax
from uhseg_jax import methods
from uhseg_jax.cli.config_overrides import UsageError, override
from uhseg_jax.cli.segment import main
from uhseg_jax.cli.segment_flags import parse
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.images import read_image
from uhseg_jax.refinement.config import Refinement
from uhseg_jax.refinement.dense_crf import DenseCRF
from uhseg_jax.refinement.pamr import Pamr

# One small size for all tests, compiled once.
SMALL = (
    "--model=dinov2_test",
    "--image_size=56x70",
    "--config.facet=token",
    "--config.blocks=-1",
    "--config.rule=two_way",
    "--config.num_superpixels=10",
    "--config.num_vectors=6",
    "--config.max_ncut=1.0",
    "--refinement.crf.iterations=1",
)


def segment(*arguments, output):
    return main(["uhseg-segment", *map(str, arguments), f"--output={output}", *SMALL])


def photograph(path, *, seed=0, size=(40, 30)):
    """Four blocks of random colours, so that there is something to divide."""
    rng = np.random.default_rng(seed)
    blocks = Image.fromarray(rng.integers(0, 256, (2, 2, 3), dtype=np.uint8))
    path.parent.mkdir(parents=True, exist_ok=True)
    blocks.resize(size, Image.Resampling.NEAREST).save(path)
    return path


def files(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.*"))


def times(folder):
    return {p: p.stat().st_mtime_ns for p in folder.rglob("*.*")}


def arrays(path):
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


def width(path):
    with Image.open(path) as picture:
        picture.load()
        return picture.width


def coco_names(folder):
    coco = COCO(folder / "coco.json")
    return [image["file_name"] for image in coco.loadImgs(coco.getImgIds())]


def page_names(folder):
    page = (folder / "index.html").read_text()
    return [line.split('"')[0] for line in page.split('data-name="')[1:]]


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    for i, name in enumerate(("one.png", "sub/two.jpg", "sub/deep/three.png")):
        photograph(folder / name, seed=i, size=(40 + i, 30))
    return folder


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


@pytest.mark.filterwarnings("ignore:__array__ impl:DeprecationWarning")  # pycocotools
def test_a_folder_gives_a_tree_and_an_overlay_for_each_image(photos, out, capsys):
    assert segment(photos, output=out) == 0
    names = ["one", "sub/deep/three", "sub/two"]
    assert files(out) == sorted(
        ["coco.json", "index.html", "run.json"]
        + [f"{name}.{kind}" for name in names for kind in ("npz", "png")]
    )
    titles = ["one.png", "sub/deep/three.png", "sub/two.jpg"]
    assert coco_names(out) == page_names(out) == titles
    for name, title in zip(names, titles, strict=True):
        tree = uhseg_jax.RegionTree.load(out / f"{name}.npz")
        assert tree.labels.shape == read_image(photos / title).shape[:2]
        assert int(tree.num_nodes) > 1
        assert width(out / f"{name}.png") > 40
    coco = COCO(out / "coco.json")
    first = coco.loadAnns(coco.getAnnIds(imgIds=[1]))
    tree = uhseg_jax.RegionTree.load(out / "one.npz")
    np.testing.assert_array_equal([coco.annToMask(x) for x in first], tree.masks())
    said = capsys.readouterr()
    assert "3 segmented, 0 done before, 0 failed" in said.out
    assert str(out / "index.html") in said.out
    assert "Warning" not in said.err


def test_a_second_run_does_nothing_again_but_covers_everything(photos, out, capsys):
    assert segment(photos / "one.png", photos / "sub", output=out) == 0
    before = {p: t for p, t in times(out).items() if p.suffix in (".npz", ".png")}
    photograph(photos / "sub/four.png")
    assert segment(photos / "one.png", photos / "sub", output=out) == 0
    assert before.items() <= times(out).items()
    titles = ["one.png", "deep/three.png", "four.png", "two.jpg"]
    assert coco_names(out) == page_names(out) == titles
    assert "1 segmented, 3 done before" in capsys.readouterr().out


def test_overwrite_does_all_again_with_the_same_result(photos, out):
    assert segment(photos, output=out) == 0
    before, tree = times(out), arrays(out / "one.npz")
    assert segment(photos, "--overwrite", output=out) == 0
    assert all(times(out)[path] > time for path, time in before.items())
    np.testing.assert_equal(arrays(out / "one.npz"), tree)


def test_results_do_not_depend_on_the_batch_size(photos, tmp_path):
    for size in (1, 3):
        assert segment(photos, f"--batch_size={size}", output=tmp_path / str(size)) == 0
    for name in ("one", "sub/two", "sub/deep/three"):
        first, second = (tmp_path / size / f"{name}.npz" for size in "13")
        assert first.read_bytes() == second.read_bytes()
    assert (tmp_path / "1/coco.json").read_bytes() == (
        tmp_path / "3/coco.json"
    ).read_bytes()


def test_other_settings_are_refused_in_the_same_folder(photos, out, capsys):
    assert segment(photos / "one.png", output=out) == 0
    before = times(out)
    assert segment(photos / "one.png", "--max_regions=3", output=out) == 1
    sentence = capsys.readouterr().err
    assert "max_regions None there and 3 now" in sentence
    assert "--overwrite" in sentence
    assert times(out) == before
    arguments = (photos / "one.png", "--max_regions=3", "--overwrite")
    assert segment(*arguments, output=out) == 0
    assert json.loads((out / "run.json").read_text())["config"]["max_regions"] == 3
    assert 1 < np.unique(arrays(out / "one.npz")["labels"]).size <= 3


def test_results_of_replaced_settings_do_not_count(photos, out, capsys):
    assert segment(photos, output=out) == 0
    other = "--max_regions=3"
    assert segment(photos / "sub/two.jpg", other, "--overwrite", output=out) == 0
    capsys.readouterr()
    assert segment(photos, other, output=out) == 0
    assert "3 segmented, 0 done before" in capsys.readouterr().out


def test_other_levels_only_draw_again(photos, out, capsys):
    assert segment(photos, "--levels=2", output=out) == 0
    trees = {p: t for p, t in times(out).items() if p.suffix == ".npz"}
    before = width(out / "one.png")
    capsys.readouterr()
    assert segment(photos, "--levels=2,3,4,5", output=out) == 0
    assert trees.items() <= times(out).items()
    assert width(out / "one.png") != before
    assert "3 done before" in capsys.readouterr().out


def test_formats_are_those_asked_for(photos, out):
    assert segment(photos / "one.png", "--format=npz,labels", output=out) == 0
    assert files(out) == ["one.labels.png", "one.npz", "run.json"]
    with Image.open(out / "one.labels.png") as picture:
        labels = np.array(picture)
    np.testing.assert_array_equal(labels, arrays(out / "one.npz")["labels"])


def test_a_broken_image_is_named_and_the_rest_is_done(photos, out, capsys):
    (photos / "broken.jpg").write_bytes(b"no image")
    (photos / "empty.png").touch()
    cut = (photos / "sub/two.jpg").read_bytes()
    (photos / "cut.jpg").write_bytes(cut[: len(cut) // 2])
    for said_before in (0, 3):
        assert segment(photos, "--batch_size=2", output=out) == 1
        said = capsys.readouterr()
        for name in ("broken.jpg", "empty.png", "cut.jpg"):
            assert said.err.count(f"{photos / name}: ") == 2  # at once and at the end
        assert f"{said_before} done before, 3 failed" in said.out
    assert len(coco_names(out)) == len(page_names(out)) == 3
    assert "broken.npz" not in files(out)


def test_images_of_any_kind_give_results(tmp_path, out):
    folder = tmp_path / "odd"
    folder.mkdir()
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 256, (20, 30, 3), dtype=np.uint8))
    noise.convert("L").save(folder / "grey.png")
    noise.convert("RGBA").save(folder / "alpha.png")
    noise.convert("CMYK").save(folder / "cmyk.jpg")
    noise.convert("P").save(folder / "palette.png")
    noise.convert("1").save(folder / "black_and_white.png")
    Image.new("RGB", (1, 1)).save(folder / "one_pixel.png")
    Image.new("RGB", (1, 50), "red").save(folder / "line.png")
    Image.new("RGB", (30, 20), "green").save(folder / "constant.png")
    deep = np.arange(600, dtype=np.uint16).reshape(20, 30) * 100
    Image.fromarray(deep).save(folder / "deep.png")
    Image.fromarray(np.full((20, 30), np.nan, np.float32)).save(folder / "nan.tiff")
    noise.save(folder / "moving.gif", save_all=True, append_images=[noise.rotate(90)])
    turned = Image.Exif()
    turned[0x0112] = 6
    noise.save(folder / "turned.jpg", exif=turned)
    assert segment(folder, output=out) == 0
    names = sorted(path.stem for path in folder.iterdir())
    assert sorted(path.stem for path in out.glob("*.npz")) == names
    assert arrays(out / "turned.npz")["labels"].shape == (30, 20)
    assert arrays(out / "one_pixel.npz")["labels"].shape == (1, 1)
    assert len(coco_names(out)) == len(names)


def test_one_output_folder_inside_the_images_or_among_them(photos, capsys):
    for output in (photos / "regions", photos):
        pictures = {p: p.read_bytes() for p in photos.rglob("*.*")}
        for _ in range(2):
            assert segment(photos, output=output) == 0
            assert len(coco_names(output)) == 3
        assert pictures.items() <= {p: p.read_bytes() for p in pictures}.items()
        for path in (photos / "regions").rglob("*.png"):
            path.unlink()
        said = capsys.readouterr().out
        assert "3 segmented, 0 done" in said
        assert "0 segmented, 3 done" in said


def test_a_run_cut_short_leaves_whole_files_and_is_taken_up(
    photos, out, monkeypatch, capsys
):
    save, calls = uhseg_jax.RegionTree.save, []

    def interrupted_save(tree, path):
        calls.append(path)
        if len(calls) == 2:
            raise KeyboardInterrupt
        save(tree, path)

    monkeypatch.setattr(uhseg_jax.RegionTree, "save", interrupted_save)
    assert segment(photos, output=out) == 130
    assert "Interrupted" in capsys.readouterr().err
    assert files(out) == ["one.npz", "one.png", "run.json", "sub/deep/three.png"]
    assert segment(photos, output=out) == 0
    assert "2 segmented, 1 done before" in capsys.readouterr().out
    assert len(coco_names(out)) == 3


@pytest.mark.slow
def test_a_killed_run_is_taken_up(tmp_path, out, capsys):
    photos = tmp_path / "many"
    for i in range(30):
        photograph(photos / f"{i:02}.png", seed=i)
    command = [sys.executable, "-m", "uhseg_jax.cli.segment", photos]
    process = subprocess.Popen(
        [*map(str, command), f"--output={out}", *SMALL], stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while not (out / "02.npz").exists() and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = list(out.glob("[0-9]*.npz"))
    assert 3 <= len(done) < 30
    for path in done:
        uhseg_jax.RegionTree.load(path)
    for path in out.glob("[0-9]*.png"):
        assert width(path) > 40
    assert not (out / "coco.json").exists()
    assert segment(photos, output=out) == 0
    assert f"{30 - len(done)} segmented, {len(done)} done" in capsys.readouterr().out
    assert len(coco_names(out)) == 30


def test_a_damaged_tree_is_made_again(photos, out, capsys):
    assert segment(photos / "one.png", output=out) == 0
    good = (out / "one.npz").read_bytes()
    (out / "one.npz").write_bytes(good[:100])
    assert segment(photos / "one.png", output=out) == 0
    assert (out / "one.npz").read_bytes() == good


def test_a_image_that_has_changed_is_done_again(photos, out, capsys):
    assert segment(photos / "one.png", output=out) == 0
    photograph(photos / "one.png", seed=5)
    assert segment(photos / "one.png", output=out) == 0
    assert capsys.readouterr().out.count("1 segmented, 0 done") == 2
    tomorrow = time.time() + 86400  # a camera with a wrong clock
    os.utime(photos / "one.png", (tomorrow, tomorrow))
    assert segment(photos / "one.png", output=out) == 0
    assert "0 segmented, 1 done" in capsys.readouterr().out


def test_a_demonstration_photograph_is_taken_where_none_is_named(out, capsys):
    assert segment("--format=npz", output=out) == 0
    assert arrays(out / "astronaut.npz")["labels"].shape == (512, 512)
    assert "astronaut" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "status", "sentences"),
    [
        (["--model=dinov2"], 1, ["Unknown model 'dinov2'", "dinov2_vits14_focus"]),
        (["--method=kmeans"], 1, ["unknown method 'kmeans'", "recursive_spectral"]),
        (["--images=nowhere.jpg"], 1, ["nowhere.jpg: there is no such file"]),
        (["--image_size=100"], 1, ["do not tile 100 x 100", "98 or 112"]),
        (["--image_size=big"], 2, ["--image_size expects", "'big'"]),
        (["--image_size=0"], 2, ["--image_size expects"]),
        (["--levels=4,zero"], 2, ["--levels expects", "4,zero"]),
        (["--format=pdf"], 2, ["--format expects some of npz,png", "'pdf'"]),
        (["--batch_size=0"], 2, ["batch_size"]),
        (["--output="], 2, ["--output expects a folder"]),
        (["--output", ""], 2, ["--output expects a folder"]),
        (["--config.num_superpixels=0"], 2, ["num_superpixels must be", "is 0"]),
        (["--imags=x"], 2, ["Unknown command line flag 'imags'", "images"]),
        (["--config.contrats=4"], 2, ["no parameter 'contrats'", "'contrast'?"]),
        (["--config.contrast=high"], 2, ["--config.contrast expects float", "'high'"]),
        (["--config.contrast", "4"], 2, ["--config.NAME=VALUE"]),
        (["--config.rule=other"], 2, ["rule must be", "'two_way'"]),
        (["--config.blocks=-9"], 1, ["has 3 blocks"]),
    ],
)
def test_mistakes_are_one_sentence(out, arguments, status, sentences, capsys):
    command = ["uhseg-segment", f"--output={out}", *SMALL, *arguments]
    assert main(command) == status
    said = capsys.readouterr()
    assert said.out == ""
    message = said.err.splitlines()[-1]
    for sentence in sentences:
        assert sentence in message


def test_a_folder_without_images_is_a_sentence(tmp_path, out, capsys):
    (tmp_path / "empty").mkdir()
    assert segment(tmp_path / "empty", output=out) == 1
    assert "this is a folder without images" in capsys.readouterr().err
    assert not out.exists()


def test_an_output_that_cannot_be_written_is_named(photos, tmp_path, capsys):
    (tmp_path / "file").touch()
    assert segment(photos, output=tmp_path / "file") == 1
    assert "file" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_a_sentence_that_names_the_file(
    photos, out, monkeypatch, capsys
):
    def save(tree, path):
        with uhseg_jax.files.atomic_write(path), open("/dev/full", "w") as file:
            file.write("x")

    with monkeypatch.context() as patched:
        patched.setattr(uhseg_jax.RegionTree, "save", save)
        assert segment(photos, output=out) == 1
    message = capsys.readouterr().err.splitlines()[-1]
    assert f"{out / 'one.npz'}: " in message
    assert "No space left on device" in message
    assert segment(photos, output=out) == 0


def test_values_of_parameters_are_read_by_their_types():
    def config(*arguments):
        return parse(["uhseg-segment", *arguments]).config

    read = config("--config.blocks=-1,-2", "--config.normed=True", "--config=seed=3")
    assert (read.blocks, read.normed, read.seed) == ((-1, -2), True, 3)
    read = config("--config.blocks=-1", "--config.normed=none", "--config.contrast=4")
    assert (read.blocks, read.normed, read.contrast) == ((-1,), None, 4.0)
    assert isinstance(read.contrast, float)
    assert config("--config.image_size=(56,70)").image_size == (56, 70)
    assert config("--image_size=56x70").image_size == (56, 70)
    assert config("--image_size=56").image_size == 56
    assert config("--config.max_regions=5").max_regions == 5
    assert config("--max_regions=5").max_regions == 5
    assert config() == methods.get_method("recursive_spectral").preset()


def test_a_refinement_is_named_and_its_parameters_are_read():
    def refinement(*arguments):
        return parse(["uhseg-segment", *arguments]).refinement

    assert refinement() == Refinement()
    read = refinement("--refine=pamr", "--min_area=0.01", "--connected")
    assert (read.name, read.min_area, read.connected) == ("pamr", 0.01, True)
    read = refinement(
        "--refinement.kernel=joint",
        "--refinement.crf.iterations=5",
        "--refinement.pamr.dilations=1,2",
        "--refinement.pamr.num_iterations=3",
    )
    assert read.kernel == "joint"
    assert read.refiners == (Pamr(3, (1, 2)), DenseCRF(iterations=5))
    assert refinement("--refine=none").refiners is None
    assert refinement("--refine=upsample").refiners == ()
    assert refinement("--refine=crf,pamr").name == "crf,pamr"
    for flag, sentence in {
        "--refine=crt": "expected none, upsample, or one or more of pamr, crf",
        "--refinement.refiners=crf": "name the refiners with --refine",
        "--min_area=2": "min_area",
        "--refinement.colour=1": "no parameter 'colour'",
        "--refinement.crf.colour=1": "--refinement.crf: there is no parameter",
        "--refinement.temperature=0": "temperature must be",
    }.items():
        with pytest.raises(UsageError, match=re.escape(sentence)):
            refinement(flag)


def test_another_refinement_is_another_run(photos, out, capsys):
    assert segment(photos / "one.png", "--refine=none", output=out) == 0
    coarse = RegionTree.load(out / "one.npz")
    assert segment(photos / "one.png", "--refine=pamr", output=out) == 1
    assert "refinement.refiners none there and pamr now" in capsys.readouterr().err
    again = ("--refine=pamr", "--overwrite")
    assert segment(photos / "one.png", *again, output=out) == 0
    fine = RegionTree.load(out / "one.npz")
    assert coarse.labels.shape == fine.labels.shape
    assert (coarse.labels != fine.labels).any()


def test_values_of_a_closed_set_are_checked():
    config = dataclasses.make_dataclass(
        "Config", [("rule", Literal["a", "b"], "a")], frozen=True
    )()
    assert override(config, ["rule=b"]).rule == "b"
    with pytest.raises(UsageError, match=r"--config\.rule expects .*'a', 'b'.*'c'"):
        override(config, ["rule=c"])


def test_help_shows_every_flag(capsys):
    assert main(["uhseg-segment", "--help"]) == 0
    said = capsys.readouterr().out
    for name in ("images", "output", "levels", "max_regions", "model", "method"):
        assert f"--{name}:" in said
    for name in ("image_size", "format", "config", "batch_size", "checkpoint_dir"):
        assert f"--{name}:" in said
    for name in ("refine", "min_area", "refinement"):
        assert f"--{name}:" in said
    assert "--[no]overwrite:" in said
