"""Finished results in, files of other formats out; nothing is computed or lost."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from export_command import NAMES, export, files, labels
from finished_runs import TITLES, finished_run, saved, select
from pycocotools.coco import COCO

from uhseg_jax.cli.export import main
from uhseg_jax.export import EXPORTERS, Writer
from uhseg_jax.hierarchy.tree import RegionTree

# pycocotools
pytestmark = pytest.mark.filterwarnings("ignore:__array__ impl:DeprecationWarning")


@pytest.fixture
def run(tmp_path):
    """The results of a run; photographs lie beside them."""
    _, out = finished_run(tmp_path)
    return out


@pytest.fixture
def out(tmp_path):
    return tmp_path / "exports"


def test_label_maps_of_a_cut_count_its_regions_from_0(run, out, capsys):
    assert export(run, "--format=labels", "--num_regions=5", output=out) == 0
    assert files(out) == ["export.json", *(f"{x}.labels.png" for x in NAMES)]
    for name in NAMES:
        found = labels(out / f"{name}.labels.png")
        cut = RegionTree.load(run / f"{name}.npz").cut(num_regions=5)
        nodes, expected = np.unique(cut, return_inverse=True)
        assert 2 <= nodes.size <= 5
        np.testing.assert_array_equal(found, expected.reshape(cut.shape))
    said = capsys.readouterr()
    assert f"3 exported, 0 failed. They are in {out}." in said.out


def test_annotations_are_nested_without_the_whole_image(run, out):
    assert export(run, "--format=coco", "--num_regions=5", output=out) == 0
    coco = COCO(out / "coco.json")
    assert [x["file_name"] for x in coco.loadImgs(coco.getImgIds())] == [*TITLES]
    tree = RegionTree.load(run / "one.npz")
    masks = tree.masks()
    found = coco.loadAnns(coco.getAnnIds(imgIds=[1]))
    assert len(found) > 5
    for one in found:
        assert one["node"] != 0
        np.testing.assert_array_equal(coco.annToMask(one), masks[one["node"]])
    flat = out.parent / "flat"
    flags = ("--format=coco", "--num_regions=5", "--flat")
    assert export(run, *flags, output=flat) == 0
    coco = COCO(flat / "coco.json")
    cut = np.unique(tree.cut(num_regions=5)).tolist()
    assert [x["node"] for x in coco.loadAnns(coco.getAnnIds(imgIds=[1]))] == cut


def test_the_whole_image_is_a_nested_region_if_asked_for(run, out):
    flags = ("--format=masks", "--num_regions=3", "--root")
    assert export(run, *flags, "--nested", output=out) == 0
    assert (labels(out / "one.masks/0.png") == 255).all()
    assert export(run, "--format=coco,labels", *flags[1:], output=out / "two") == 0


def test_no_model_is_imported_nor_a_device_started(run, out):
    formats = ",".join(x for x in EXPORTERS if x not in ("npz", "descriptors"))
    code = (
        "import sys\n"
        "from uhseg_jax.cli.export import main\n"
        "status = main(sys.argv)\n"
        "from jax._src import xla_bridge\n"
        "names = ('flax', 'optax', 'orbax', 'uhseg_jax.backbones', "
        "'uhseg_jax.methods', 'uhseg_jax.pipeline', 'uhseg_jax.superpixels')\n"
        "print(status, [x for x in sys.modules if x.startswith(names)], "
        "xla_bridge.backends_are_initialized())"
    )
    command = [sys.executable, "-c", code, str(run), f"--format={formats}"]
    done = subprocess.run(
        [*command, f"--output={out}"], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "0 [] False"


def test_formats_of_the_whole_tree_beside_others_are_named(run, out, capsys):
    flags = ("--format=nodes,labels,ucm", "--min_area=0.01", "--connected")
    assert export(run, *flags, output=out) == 0
    sentence = (
        "nodes, ucm hold the tree itself, whatever --min_area and --connected say."
    )
    assert capsys.readouterr().err.count(sentence) == 1
    assert export(run, "--format=nodes", "--num_regions=3", output=out / "cut") == 0
    assert "the tree itself" not in capsys.readouterr().err


def test_images_without_any_region_are_counted(run, out, capsys):
    flags = ("--format=labels,masks", "--min_area=0.9999")
    assert export(run, *flags, output=out) == 0
    said = capsys.readouterr().err
    assert said.count("no region is left in 3 images, such as one.png") == 1
    assert export(run, "--format=labels,nodes", output=out.parent / "all") == 0
    assert "no region" not in capsys.readouterr().err


def test_images_are_read_only_where_a_format_shows_them(run, out, capsys):
    (run.parent / "photos").rename(run.parent / "away")
    assert export(run, "--format=labels,coco,ucm", output=out) == 0
    assert export(run, "--format=png", output=out.parent / "drawn") == 1
    said = capsys.readouterr()
    assert said.err.count("name the folder of the images with --images") == 3
    assert "0 exported, 3 failed" in said.out
    assert "or leave out" not in said.err
    assert export(run, "--format=labels,csv,png", output=out.parent / "some") == 1
    said = capsys.readouterr().err
    assert said.count("with --images, or leave out csv and png.") == 3
    away = f"--images={run.parent / 'away'}"
    assert export(run, "--format=png", away, output=out.parent / "found") == 0


def test_files_of_one_name_are_not_written_over_each_other(tmp_path, out, capsys):
    _, run = finished_run(tmp_path, titles=["coco.png", "export.png", "a*b.png"])
    assert export(run, "--format=coco,labelme", output=out) == 1
    said = capsys.readouterr()
    assert said.err.count("two files of the export would have this name") == 2
    assert "1 exported, 2 failed" in said.out
    assert [x["file_name"] for x in COCO(out / "coco.json").imgs.values()] == [
        "a*b.png"
    ]
    other = out.parent / "other"
    other.mkdir()
    (other / "aXb.masks").mkdir()
    (other / "aXb.masks/1.png").touch()
    assert export(run, "--format=masks", output=other) == 0
    assert export(run, "--format=masks", "--overwrite", output=other) == 0
    (other / "a*b.masks/mine.png").touch()
    (other / "export.json").unlink()
    assert export(run, "--format=masks", output=other) == 1
    assert "a*b.masks/" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_named(run, out, capsys):
    out.write_text("a file")
    assert export(run, "--format=labels", output=out) == 1
    assert f"{out}: expected a folder for the exports" in capsys.readouterr().err
    assert export(run, "--format=labels", output=out / "below") == 1
    assert f"{out / 'below'}: expected to write it, but" in capsys.readouterr().err
    (out.parent / "odd/export.json").mkdir(parents=True)
    assert export(run, "--format=labels", output=out.parent / "odd") == 1
    assert "an export is there" in capsys.readouterr().err


def test_what_fails_is_told_once_and_others_come_out(run, out, capsys):
    (run.parent / "photos/one.png").unlink()
    (run / "sub/two.npz").write_bytes(b"PK\3\4")
    assert export(run, "--format=png,coco", output=out) == 1
    said = capsys.readouterr()
    assert said.err.count("one.png: expected its image") == 1
    assert said.err.count("two.npz: expected a saved tree") == 1
    assert "1 exported, 2 failed" in said.out
    assert files(out) == ["coco.json", "export.json", "sub/deep/three.png"]
    (told,) = json.loads((out / "export.json").read_text())["failures"]
    assert told["image"] == "one.png"
    assert "expected its image" in told["reason"]


def test_a_failure_names_its_image(run, out, capsys, monkeypatch):
    def odd(self, rendered):
        raise ValueError("something odd.")

    monkeypatch.setattr(Writer, "render", odd)
    assert export(run, "--format=labels", output=out) == 1
    assert capsys.readouterr().err.count("one.png: something odd.") == 1


def test_selected_regions_are_exported_by_their_names(run, out):
    result = saved(run, "one")
    named = RegionTree.load(run / "one.npz")
    leaves = np.flatnonzero(named.is_leaf()).tolist()
    content = select(
        result, ("dog", leaves[:2]), ("", leaves[2:3]), ("grass, wet", leaves[3:4]),
        name="one.png",
    )  # fmt: skip
    selection = run.parent / "selection.json"
    selection.write_text(json.dumps(content))
    flags = (f"--selection={selection}", "--format=coco,labels")
    assert export(run, *flags, output=out) == 0
    assert files(out) == ["coco.json", "export.json", "one.labels.png"]
    coco = COCO(out / "coco.json")
    found = coco.loadAnns(coco.getAnnIds())
    names = [coco.cats[x["category_id"]]["name"] for x in found]
    assert names == ["dog", "region", "grass, wet"]
    masks = [np.isin(named.labels, x) for x in (leaves[:2], leaves[2:3], leaves[3:4])]
    np.testing.assert_array_equal([coco.annToMask(x) for x in found], masks)
    expected = np.full(named.labels.shape, 255)
    for number, mask in enumerate(masks):
        expected[mask] = number
    np.testing.assert_array_equal(labels(out / "one.labels.png"), expected)


def test_a_selection_of_something_else_is_one_sentence(run, out, capsys):
    result = saved(run, "one")
    selection = run.parent / "selection.json"
    flags = (f"--selection={selection}", "--format=coco")
    leaf = int(result.tree.labels[0, 0])
    good = select(result, ("dog", [leaf]), name="one.png")
    overlapping = select(result, ("dog", [leaf]), ("all", [0]), name="one.png")
    for content, sentence in (
        (b"no JSON", "holds something else"),
        ({"images": []}, "holds something else"),
        ({**good, "version": 2}, "expected a selection of version 1, but it is of"),
        ({**good, "images": []}, "there are none"),
        ({**good, "images": [{}]}, "changed or damaged"),
        ({**good, "images": good["images"] * 2}, "one.png is there again"),
        (select(result, ("dog", [leaf, 999]), name="one.png"), "changed or damaged"),
        (select(result, ("dog", [leaf]), name="x.png"), "only others, such as one"),
        (
            select(result, ("a", [0]), name="sub/two.jpg"),
            "but the results hold another",
        ),
        (overlapping, "dog, all overlap"),
    ):
        text = content if isinstance(content, bytes) else json.dumps(content).encode()
        selection.write_bytes(text)
        also = ("--flat", "--overwrite")
        assert export(run, *flags, *also, output=out) == 1, sentence
        said = capsys.readouterr().err
        assert said.count(sentence) == 1, said
    selection.unlink()
    assert export(run, *flags, output=out) == 1
    assert "selection.json: expected regions selected" in capsys.readouterr().err
    assert export(run, *flags, "--depth=2", output=out) == 2
    assert "--depth does not go with --selection" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "expected the results of uhseg-segment"),
        (["x"], "--format expects some of png,labels"),
        (["x", "--format=npz"], "but got 'npz'"),
        (["x", "--format=lables"], "Did you mean 'labels'?"),
        (["x", "--format=labels", "--num_regions=0"], "num_regions"),
        (["x", "--format=labels", "--num_regions=4", "--cost=0.5"], "at most one of"),
        (["x", "--format=labels", "--min_area=0.5", "--max_area=0.1"], "min_area must"),
        (["x", "--format=labels", "--flat", "--nested"], "--flat does not go with"),
        (["x", "--format=csv,davis", "--nested"], "not go with --format=davis, in"),
        (["x", "--format=png,nodes", "--min_area=0.1"], "--min_area goes with formats"),
        (["x", "--format=html", "--selection=y"], "html holds the tree itself."),
        (["x", "--format=ucm", "--no_background"], "--no_background goes with form"),
        (["x", "--format=proposals", "--root"], "--root goes with formats of reg"),
        (
            ["x", "--format=masks,yolo", "--root"],
            "--root goes with nested regions: giv",
        ),
        (["x", "--format=coco", "--flat", "--root"], "--root goes with nested region"),
        (["x", "--format=davis,ucm", "--root"], "leave out --root"),
        (["x", "--format=labels", "--image_memory=nan"], "--image_memory expects"),
        (["x", "--format=labels", "--min_area=nan"], "--min_area expects"),
        (["x", "--format=labels", "--levels=none"], "--levels expects"),
        (["x", "--format=labels", "--output="], "--output expects a folder"),
        (["x", "--format=yolo", "--tolerance=-1"], "is not a non-negative number"),
        (["x", "--format=labels", "--cut=3"], "Unknown command line flag 'cut'"),
    ],
)
def test_mistakes_are_one_sentence(arguments, sentence, capsys):
    assert main(["uhseg-export", *arguments]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert sentence in said.err
    assert not os.path.exists("exports")
