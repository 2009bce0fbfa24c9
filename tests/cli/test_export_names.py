"""uhseg-export with labels: names for the regions of finished results."""

import csv
import json

import numpy as np
import pytest
from finished_runs import finished_run
from PIL import Image
from pycocotools.coco import COCO

import uhseg_jax
from uhseg_jax.cli.export import main
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.naming.namer import Namer

# pycocotools
pytestmark = pytest.mark.filterwarnings("ignore:__array__ impl:DeprecationWarning")

NAMED = (
    *("--labels=dog, wet grass", "--labels_model=clip_test"),
    "--labels_threshold=0.8",
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Photographs and the results of a run; not to be changed."""
    return finished_run(tmp_path_factory.mktemp("finished"))


@pytest.fixture
def run(finished):
    return finished[1]


def export(*arguments, output):
    return main(["uhseg-export", *map(str, arguments), f"--output={output}"])


def names_of(finished, name, title):
    photos, run = finished
    tree = RegionTree.load(run / f"{name}.npz")
    labels = ["dog", "wet grass"]
    names = uhseg_jax.name_regions(
        tree, photos / title, labels, model="clip_test", threshold=0.8
    )
    return tree, names


def test_names_are_classes_of_annotations_and_of_the_table(
    finished, run, tmp_path, capsys
):
    out = tmp_path / "exports"
    assert export(run, *NAMED, "--format=coco,csv", output=out) == 0
    coco = COCO(out / "coco.json")
    categories = coco.loadCats(coco.getCatIds())
    assert [x["name"] for x in categories] == ["dog", "wet grass", "region"]
    tree, names = names_of(finished, "one", "one.png")
    found = coco.loadAnns(coco.getAnnIds(imgIds=[1]))
    assert len(found) == int(tree.num_nodes) - 1
    for one in found:
        expected = names[one["node"]] or "region"
        assert categories[one["category_id"] - 1]["name"] == expected
    with open(out / "regions.csv", encoding="utf-8", newline="") as stream:
        rows = [x for x in csv.DictReader(stream) if x["image"] == "one.png"]
    assert [x["name"] for x in rows] == [
        names[int(x["node"])] or "region" for x in rows
    ]
    assert capsys.readouterr().out.count("regions have a name.\n") == 1
    said = json.loads((out / "export.json").read_text())
    assert (said["labels"], said["labels_model"]) == ("dog, wet grass", "clip_test")


def test_regions_without_a_name_are_left_out_if_asked(finished, run, tmp_path):
    out = tmp_path / "exports"
    flags = ("--format=coco,labels", "--named", "--num_regions=6")
    assert export(run, *NAMED, *flags, output=out) == 0
    coco = COCO(out / "coco.json")
    counts = []
    for image, (name, title) in enumerate(
        (("one", "one.png"), ("sub/deep/three", "sub/deep/three.png")), start=1
    ):
        tree, names = names_of(finished, name, title)
        found = {x["node"] for x in coco.loadAnns(coco.getAnnIds(imgIds=[image]))}
        cut = tree.cut(num_regions=6)
        shown = set(np.unique(cut).tolist())
        for node in [*shown]:
            while tree.parents[node] > 0:
                node = int(tree.parents[node])
                shown.add(node)
        assert found == {x for x in shown if names[x] is not None}
        counts.append((len(found), len(shown)))
        nodes = [x for x in np.unique(cut) if names[int(x)] is not None]
        with Image.open(out / f"{name}.labels.png") as opened:
            labels = np.array(opened)
        for number, node in enumerate(nodes):
            np.testing.assert_array_equal(labels == number, cut == node)
        assert ((labels == 255) == ~np.isin(cut, nodes)).all()
    assert any(0 < few < all_ for few, all_ in counts), counts


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--labels=,"], "--labels: expected labels such as dog, grass, sky"),
        (["--named"], "--named goes with --labels"),
        (["--labels_model=clip_test"], "--labels_model goes with --labels"),
        (["--labels=dog", "--selection=x.json"], "--labels does not go with --selec"),
    ],
)
def test_labels_that_make_no_sense_are_refused_first(
    flags, sentence, run, tmp_path, capsys
):
    out = tmp_path / "exports"
    assert export(run, "--format=labels", *flags, output=out) == 2
    assert sentence in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize("formats", ["nodes", "png,ucm", "proposals"])
def test_labels_are_refused_where_no_format_holds_names(formats, run, tmp_path, capsys):
    out = tmp_path / "exports"
    assert export(run, *NAMED, f"--format={formats}", output=out) == 2
    said = capsys.readouterr().err
    assert "--labels goes with formats that hold names, such as coco, csv and h" in said
    assert not out.exists()


def test_no_model_is_loaded_for_a_folder_that_is_taken(
    run, tmp_path, capsys, monkeypatch
):
    def load(*arguments, **named):
        raise AssertionError("a model was loaded")

    monkeypatch.setattr(Namer, "create", load)
    (tmp_path / "export.json").write_text("{}")
    assert export(run, *NAMED, "--format=coco", output=tmp_path) == 1
    assert "an export is there" in capsys.readouterr().err


def test_an_image_that_is_not_there_cannot_be_named(finished, tmp_path, capsys):
    _, run = finished_run(tmp_path)
    (tmp_path / "photos" / "one.png").unlink()
    out = tmp_path / "exports"
    assert export(run, *NAMED, "--format=labels", output=out) == 1
    said = capsys.readouterr()
    assert "one.png: expected its image where" in said.err
    assert "2 exported, 1 failed" in said.out
