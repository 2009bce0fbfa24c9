import json

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

import uhseg_jax
from uhseg_jax.cli.segment import main
from uhseg_jax.cli.segment_flags import parse

SMALL = (
    "--method=multilevel_clustering",
    "--model=dinov2_test",
    "--image_size=84x112",
    "--refine=upsample",
    "--config.crop_size=28",
    "--config.num_groups=2",
    "--config.num_categories=2",
    "--config.sample_size=400",
    "--config.kmeans_restarts=1",
)


def discover(*arguments, output):
    return main(["uhseg-segment", *map(str, arguments), f"--output={output}", *SMALL])


def times(folder):
    return {p: p.stat().st_mtime_ns for p in folder.rglob("*.*")}


def arrays(path):
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


@pytest.fixture
def photos(tmp_path):
    """Squares of two colours on green."""
    folder = tmp_path / "photos"
    for seed, name in enumerate(("one.png", "sub/two.png", "three.png")):
        rng = np.random.default_rng(seed)
        pixels = rng.integers(0, 20, (60, 80, 3)) + np.array([60, 120, 60])
        pixels[15:45, 20:50] = [[220, 30, 30], [30, 30, 220]][seed % 2]
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.astype(np.uint8)).save(path)
    return folder


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


@pytest.mark.filterwarnings("ignore:__array__ impl:DeprecationWarning")  # pycocotools
def test_a_folder_becomes_regions_with_categories(photos, out, capsys):
    assert discover(photos, "--format=npz,png,labels,coco,html", output=out) == 0
    said = capsys.readouterr()
    assert "3 segmented, 0 done before, 0 failed" in said.out
    coco = COCO(out / "coco.json")
    names = {x["file_name"]: x["id"] for x in coco.loadImgs(coco.getImgIds())}
    assert list(names) == ["one.png", "sub/two.png", "three.png"]
    categories = [x["name"] for x in coco.loadCats(coco.getCatIds())]
    assert categories == [f"category {i + 1:02d}" for i in range(len(categories))]
    for name, image in names.items():
        stem = name.removesuffix(".png")
        tree = uhseg_jax.RegionTree.load(out / f"{stem}.npz")
        of_node = arrays(out / f"{stem}.npz")["categories"]
        assert (np.asarray(tree.depths) <= 1).all()
        with Image.open(out / f"{stem}.labels.png") as picture:
            np.testing.assert_array_equal(np.array(picture), of_node[tree.labels])
        found = np.zeros((60, 80), int)
        for annotation in coco.loadAnns(coco.getAnnIds(imgIds=[image])):
            found += annotation["category_id"] * coco.annToMask(annotation)
            assert annotation["parent_id"] is None
        np.testing.assert_array_equal(found, of_node[tree.labels])
        with Image.open(out / f"{stem}.png") as picture:
            assert picture.width > 160
    page = (out / "index.html").read_text()
    assert page.count("<section>") == len(categories)
    assert page.count("<img ") == len(coco.anns)
    assert "http" not in page.replace("http-equiv", "")


def test_the_same_command_does_nothing_again_and_others_are_refused(
    photos, out, capsys
):
    (photos / "bad.jpg").write_bytes(b"no image")
    assert discover(photos, output=out) == 1
    said = capsys.readouterr()
    assert "3 segmented, 0 done before, 1 failed" in said.out
    assert said.err.count(f"{photos / 'bad.jpg'}: ") == 2  # at once and at the end
    before, coco = times(out), (out / "coco.json").read_bytes()
    assert discover(photos, output=out) == 1
    said = capsys.readouterr()
    assert "0 segmented, 3 done before, 1 failed" in said.out
    made_again = {p for p, t in times(out).items() if before[p] != t}
    assert made_again == {out / "coco.json", out / "index.html"}
    assert (out / "coco.json").read_bytes() == coco
    # One image more can change all categories.
    Image.new("RGB", (80, 60)).save(photos / "four.png")
    assert discover(photos, output=out) == 1
    assert "images 4 (" in capsys.readouterr().err
    assert discover(photos, "--overwrite", output=out) == 1
    assert "4 segmented" in capsys.readouterr().out
    settings = json.loads((out / "run.json").read_text())
    assert settings["method"] == "multilevel_clustering"
    assert "keep_features" not in settings["config"]


def test_a_folder_without_images_and_flags_of_trees_are_refused(
    tmp_path, out, photos, capsys
):
    (tmp_path / "empty").mkdir()
    assert discover(tmp_path / "empty", output=out) == 1
    assert "folder without images" in capsys.readouterr().err
    assert discover(photos, "--max_regions=3", output=out) == 2
    assert "--config.num_categories" in capsys.readouterr().err
    assert not out.exists()


def test_each_method_has_a_refinement_of_its_own():
    def refiner(*arguments):
        return parse(["uhseg-segment", "x.png", *arguments]).refinement.refiner

    assert refiner("--method=multilevel_clustering") == "upsample"
    assert refiner("--method=multilevel_clustering", "--refine=pamr") == "pamr"
    assert refiner() == "pamr_crf"
