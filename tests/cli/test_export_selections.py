"""uhseg-export of regions that somebody selected."""

import json
import re

import numpy as np
import pytest
from finished_runs import finished_run, saved, select
from PIL import Image
from pycocotools.coco import COCO

from uhseg_jax.cli.export import main
from uhseg_jax.hierarchy.tree import RegionTree

# pycocotools
pytestmark = pytest.mark.filterwarnings("ignore:__array__ impl:DeprecationWarning")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The results of a run; not to be changed."""
    return finished_run(tmp_path_factory.mktemp("finished"))[1]


@pytest.fixture
def out(tmp_path):
    return tmp_path / "exports"


def export(run, selection, *flags, output):
    file = output.parent / "selection.json"
    file.write_text(json.dumps(selection))
    command = ["uhseg-export", str(run), f"--selection={file}", *flags]
    return main([*command, f"--output={output}"])


def dog_and_head(run):
    """A node selected as a dog, a leaf inside it as its head, and their masks."""
    result = saved(run, "one")
    parents = np.asarray(result.tree.parents)
    leaves = np.flatnonzero(result.tree.is_leaf())
    leaf = next(int(x) for x in leaves if parents[x] > 0)
    dog = int(parents[leaf])
    selection = select(result, ("dog", [dog]), ("head", [leaf]), name="one.png")
    masks = RegionTree.load(run / "one.npz").masks()
    return selection, (dog, leaf), (masks[dog], masks[leaf])


@pytest.mark.parametrize("step", [1, -1], ids=["outer first", "inner first"])
def test_a_region_selected_inside_another_is_held_by_all_that_can(step, run, out):
    selection, nodes, masks = dog_and_head(run)
    selection["images"][0]["regions"] = selection["images"][0]["regions"][::step]
    formats = "masks,cutouts,labelme,cvat,yolo,coco,csv"
    assert export(run, selection, f"--format={formats}", output=out) == 0
    for node, name, mask in zip(nodes, ("dog", "head"), masks, strict=True):
        with Image.open(out / f"one.masks/{node}-{name}.png") as image:
            np.testing.assert_array_equal(np.array(image) == 255, mask)
        assert (out / f"one.cutouts/{node}-{name}.png").exists()
    coco = COCO(out / "coco.json")
    assert [x["node"] for x in coco.loadAnns(coco.getAnnIds())] == [*nodes[::step]]
    shapes = json.loads((out / "one.json").read_text())["shapes"]
    assert [*dict.fromkeys(x["label"] for x in shapes)] == ["dog", "head"]  # above
    text = (out / "annotations.xml").read_text()
    levels = dict(re.findall(r'<polygon label="(\w+)".* z_order="(\d+)"', text))
    assert levels == {"dog": "0", "head": "1"}
    assert len((out / "yolo/labels/one.txt").read_text().splitlines()) >= 2


@pytest.mark.parametrize("flags", [("--format=labels",), ("--format=masks", "--flat")])
def test_disjoint_ones_are_asked_of_a_selection_only_where_need_be(
    flags, run, out, capsys
):
    selection, _, _ = dog_and_head(run)
    assert export(run, selection, *flags, output=out) == 1
    said = capsys.readouterr().err
    assert "of those selected dog, head overlap" in said
    assert "leave out --flat, or choose a format of nested regions" in said


@pytest.mark.parametrize(
    ("names", "classes"),
    [
        (("dog", "region"), ["dog", "region"]),
        (("dog", "cat"), ["dog", "cat"]),
        (("region", ""), ["region"]),
    ],
)
def test_the_class_of_the_nameless_is_there_once_and_only_where_some_are(
    names, classes, run, out
):
    result = saved(run, "one")
    leaves = np.flatnonzero(result.tree.is_leaf()).tolist()
    regions = [(name, [leaf]) for name, leaf in zip(names, leaves, strict=False)]
    selection = select(result, *regions, name="one.png")
    assert export(run, selection, "--format=coco,yolo", output=out) == 0
    coco = COCO(out / "coco.json")
    assert [x["name"] for x in coco.loadCats(coco.getCatIds())] == classes
    found = coco.loadAnns(coco.getAnnIds())
    shown = [coco.cats[x["category_id"]]["name"] for x in found]
    assert shown == [name or "region" for name in names]
    data = (out / "yolo/data.yaml").read_text()
    assert data.count(": ") - data.count("path: ") >= len(classes)
    assert data.count("region") == classes.count("region")
