"""Both commands with a method that learns from all the images together."""

import json
import os
import re
import shutil

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from uhseg_jax.cli.segment import main
from uhseg_jax.cli.segment_flags import config_of, parse
from uhseg_jax.datasets.folder import FolderSource
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.pipeline import Segmenter
from uhseg_jax.protocols import Scoring
from uhseg_jax.runs.evaluate import evaluate
from uhseg_jax.runs.record import RunError

# pycocotools
pytestmark = pytest.mark.filterwarnings("ignore:__array__ impl:DeprecationWarning")
SMALL = (
    *("--method=multilevel_clustering", "--model=dinov2_test", "--grid=6"),
    *("--config.crop_grid=2", "--config.num_groups=2", "--config.num_categories=2"),
    *("--config.sample_size=400", "--config.kmeans_restarts=1"),
)
TITLES = ["one.png", "sub/two.png", "three.png"]


def discover(*arguments, output):
    return main(["uhseg-segment", *map(str, arguments), f"--output={output}", *SMALL])


def contents(folder):
    return {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.rglob("*.*")}


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Squares of two colours on green, and their masks beside the folder."""
    folder = tmp_path_factory.mktemp("collection") / "photos"
    for seed, title in enumerate(TITLES):
        rng = np.random.default_rng(seed)
        pixels = rng.integers(0, 20, (60, 80, 3)) + np.array([60, 120, 60])
        pixels[15:45, 20:50] = [[220, 30, 30], [30, 30, 220]][seed % 2]
        path = folder / title
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.astype(np.uint8)).save(path)
        mask = np.zeros((60, 80), np.uint8)
        mask[15:45, 20:50] = 1 + seed % 2
        path = folder.with_name("masks") / title
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask).save(path)
    return folder


def test_a_folder_becomes_regions_with_categories(photos, tmp_path, capsys, caplog):
    formats = "--format=npz,png,labels,coco,html"
    assert discover(photos, formats, output=tmp_path) == 0
    assert "regions were found in all images, too few for 2 categories" in caplog.text
    assert "3 segmented, 0 done before, 0 failed" in capsys.readouterr().out
    coco = COCO(tmp_path / "coco.json")
    names = {x["file_name"]: x["id"] for x in coco.loadImgs(coco.getImgIds())}
    assert list(names) == TITLES
    categories = [x["name"] for x in coco.loadCats(coco.getCatIds())]
    assert categories == [f"category {i + 1:02d}" for i in range(len(categories))]
    for name, image in names.items():
        stem = name.removesuffix(".png")
        tree = RegionTree.load(tmp_path / f"{stem}.npz")
        with np.load(tmp_path / f"{stem}.npz") as file:
            of_node = file["categories"]
        assert (np.asarray(tree.depths) <= 1).all()
        with Image.open(tmp_path / f"{stem}.labels.png") as drawn:
            np.testing.assert_array_equal(np.array(drawn), of_node[tree.labels])
        found = np.zeros((60, 80), int)
        for annotation in coco.loadAnns(coco.getAnnIds(imgIds=[image])):
            found += annotation["category_id"] * coco.annToMask(annotation)
            assert annotation["parent_id"] is None
        np.testing.assert_array_equal(found, of_node[tree.labels])
        with Image.open(tmp_path / f"{stem}.png") as drawn:
            assert drawn.width > 160
    page = (tmp_path / "index.html").read_text()
    assert page.count("<section>") == len(categories)
    assert page.count("<img ") == len(coco.anns)
    assert "http" not in page.replace("http-equiv", "")


def test_the_same_command_does_nothing_again_and_others_are_refused(
    photos, tmp_path, capsys
):
    photos, out = shutil.copytree(photos, tmp_path / "photos"), tmp_path / "out"
    (photos / "bad.jpg").write_bytes(b"no image")
    assert discover(photos, output=out) == 1
    said = capsys.readouterr()
    assert "3 segmented, 0 done before, 1 failed" in said.out
    assert said.err.count(f"{photos / 'bad.jpg'}: ") == 1
    before = contents(out)
    os.utime(photos / "one.png", (1, 1))
    assert discover(photos, output=out) == 1
    assert "0 segmented, 3 done before, 1 failed" in capsys.readouterr().out
    after = contents(out)
    assert {p.name for p in after if after[p] != before[p]} == {
        "coco.json",
        "index.html",
    }
    assert all(before[p][0] == after[p][0] for p in before)
    # One image more can change all categories, also one that could not be read.
    Image.new("RGB", (80, 60)).save(photos / "bad.jpg")
    assert discover(photos, output=out) == 1
    assert re.search(r"images 4 .* there and 4 .* now", capsys.readouterr().err)
    (photos / "bad.jpg").write_bytes(b"no image")
    Image.new("RGB", (80, 60)).save(photos / "four.png")
    assert discover(photos, output=out) == 1
    assert re.search(r"images 4 .* there and 5 .* now", capsys.readouterr().err)
    assert discover(photos, "--overwrite", output=out) == 1
    assert "4 segmented" in capsys.readouterr().out
    settings = json.loads((out / "run.json").read_text())
    assert settings["method"] == "multilevel_clustering"
    assert "keep_features" not in settings["config"]


def test_a_folder_without_images_and_flags_of_trees_are_refused(
    photos, tmp_path, capsys
):
    out = tmp_path / "out"
    (tmp_path / "empty").mkdir()
    assert discover(tmp_path / "empty", output=out) == 1
    assert "folder without images" in capsys.readouterr().err
    assert discover(photos, "--max_regions=3", output=out) == 2
    assert "whose regions are of one level" in capsys.readouterr().err
    assert not out.exists()


def test_seeds_are_averaged_and_a_second_call_changes_nothing(photos, tmp_path):
    segmenter = Segmenter.create(
        method="multilevel_clustering",
        model="dinov2_test",
        config=config_of(parse(["uhseg-segment", *SMALL, "--config.seed=3"])),
    )
    source, seen = FolderSource(photos, photos.with_name("masks")), []

    def evaluated(num_seeds, **kwargs):
        scoring = Scoring("collection", num_seeds=num_seeds)
        return evaluate(segmenter, source, tmp_path, scoring=scoring, **kwargs)

    metrics = evaluated(2, on_image=lambda *progress: seen.append(progress[:3]))
    stages = ("features", "regions", "scores")
    assert seen == [(s, x, i) for s in (3, 4) for x in stages for i in (1, 2, 3)]
    each = [metrics[f"full/miou_seed_{seed}"] for seed in (3, 4)]
    assert metrics["full/miou"] == pytest.approx(np.mean(each))
    assert metrics["full/miou_std"] == pytest.approx(np.std(each, ddof=1))
    assert json.loads((tmp_path / "metrics.json").read_text()) == metrics
    seen.clear()
    assert evaluated(2, on_image=lambda *progress: seen.append(progress)) == metrics
    assert not seen
    with pytest.raises(RunError, match="num_seeds 2 there and 1 now"):
        evaluated(1)
    assert evaluated(1, overwrite=True)["full/miou"] == each[0]
    assert not list(tmp_path.glob("seed-*/metrics.json"))
