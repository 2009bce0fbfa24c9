"""Exports of runs that found categories."""

import json

import numpy as np
import pytest
from finished_runs import finished_run, saved, select, with_categories
from PIL import Image

from uhseg_jax.cli.export import main
from uhseg_jax.export import ExportOptions, Folder, open_formats

NAME = "one"


def give_categories(run, names=("one", "sub/deep/three", "sub/two"), count=3):
    with open_formats(["npz"], Folder(run), ExportOptions()) as writer:
        for name in names:
            writer.add(with_categories(saved(run, name), count))


@pytest.fixture
def run(tmp_path):
    _, out = finished_run(tmp_path)
    give_categories(out)
    return out


@pytest.fixture
def out(tmp_path):
    return tmp_path / "exports"


def export(*arguments, output):
    return main(["uhseg-export", *map(str, arguments), f"--output={output}"])


def pixels(out, kind, name=NAME):
    with Image.open(out / f"{name}.{kind}.png") as image:
        return np.array(image.convert("RGB") if kind == "colors" else image)


def test_labels_are_categories_where_no_regions_are_asked_for(run, out):
    assert export(run, "--format=labels", output=out) == 0
    expected = saved(run, NAME).category_map()
    np.testing.assert_array_equal(pixels(out, "labels"), expected)


@pytest.mark.parametrize("flag", ["num_regions=3", "min_area=0.1", "no_background"])
def test_labels_and_colors_are_the_regions_that_are_asked_for(run, out, flag):
    assert export(run, "--format=labels,colors", f"--{flag}", output=out) == 0
    name, _, value = flag.partition("=")
    choice = {name: float(value)} if value else {"background": False}
    choice = {x: int(y) if x == "num_regions" else y for x, y in choice.items()}
    numbers = saved(run, NAME).tree.regions(**choice, flat=True).labels()
    np.testing.assert_array_equal(
        pixels(out, "labels"), np.where(numbers < 0, 255, numbers)
    )
    colors = pixels(out, "colors")
    for number in range(numbers.max() + 1):
        assert len(np.unique(colors[numbers == number], axis=0)) == 1


def test_labels_are_the_regions_that_are_selected(run, out, tmp_path):
    result = saved(run, NAME)
    file = tmp_path / "selection.json"
    file.write_text(json.dumps(select(result, ("dog", [1]))))
    assert export(run, "--format=labels", f"--selection={file}", output=out) == 0
    expected = np.where(result.tree.masks()[1], 0, 255)
    np.testing.assert_array_equal(pixels(out, "labels"), expected)


def test_results_with_categories_and_without_are_not_exported_together(
    tmp_path, out, capsys
):
    _, run = finished_run(tmp_path)
    give_categories(run, ["one"])
    assert export(run, "--format=coco", output=out) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "one has categories and sub/deep/three.png has none" in said
    assert not out.exists()
    assert export(run / "one.npz", "--format=coco", output=out) == 0


def test_labels_are_the_regions_to_which_names_are_given(run, out):
    named = ("--labels=dog, grass", "--labels_model=clip_test")
    named = (*named, f"--images={run.parent / 'photos'}")
    assert export(run, "--format=labels", *named, output=out) == 0
    numbers = saved(run, NAME).tree.regions(flat=True).labels()
    expected = np.where(numbers < 0, 255, numbers)
    np.testing.assert_array_equal(pixels(out, "labels"), expected)
