"""regions.csv says of every region what its mask and its image say."""

import csv
import dataclasses
import math

import numpy as np
import pytest
from export_results import result_of
from trees import quadrants, random_tree

from uhseg_jax.export import ExportOptions, Folder, open_formats
from uhseg_jax.export.result import Selected
from uhseg_jax.hierarchy.region_choice import RegionChoice

COLUMNS = (
    *("image", "id", "parent", "node", "name", "depth", "cost", "area", "x", "y"),
    *("width", "height", "centroid_x", "centroid_y", "red", "green", "blue"),
)


def table(folder, *results, options=None):
    with open_formats(["csv"], Folder(folder), options or ExportOptions()) as writer:
        for result in results:
            writer.add(result)
    with open(folder / "regions.csv", newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
    assert tuple(reader.fieldnames) == COLUMNS
    return rows


@pytest.mark.parametrize("flat", [False, True])
def test_the_rows_say_what_masks_and_images_say(tmp_path, flat):
    results = [result_of(random_tree(x), f"{x}.jpg") for x in range(2)]
    choice = RegionChoice(min_area=0.01, background=False, connected=True)
    rows = table(tmp_path, *results, options=ExportOptions(choice=choice, flat=flat))
    for result in results:
        tree = result.tree
        regions = tree.regions(**vars(dataclasses.replace(choice, flat=flat)))
        own = [x for x in rows if x["image"] == result.title]
        masks = regions.masks()
        assert [int(x["id"]) for x in own] == list(range(len(masks)))
        for row, mask, node in zip(own, masks, regions.nodes.tolist(), strict=True):
            ys, xs = np.nonzero(mask)
            number = {name: float(row[name]) for name in COLUMNS[7:]}
            assert number["area"] == len(xs)
            assert (number["x"], number["y"]) == (xs.min(), ys.min())
            assert number["width"] == np.ptp(xs) + 1
            assert number["height"] == np.ptp(ys) + 1
            assert math.isclose(number["centroid_x"], xs.mean(), abs_tol=0.006)
            assert math.isclose(number["centroid_y"], ys.mean(), abs_tol=0.006)
            mean = [number[name] for name in ("red", "green", "blue")]
            np.testing.assert_allclose(mean, result.pixels[mask].mean(0), atol=0.051)
            assert (int(row["node"]), row["name"]) == (node, "region")
            assert int(row["depth"]) == tree.depths[node]
            assert np.float32(row["cost"]) == tree.costs[node]
            around = [
                (other.sum(), i)
                for i, other in enumerate(masks)
                if (other >= mask).all() and other.sum() > mask.sum()
            ]
            assert row["parent"] == (str(min(around)[1]) if around else "")


def test_names_and_unions_are_told(tmp_path):
    result = result_of(
        quadrants(), 'a "b",\n=1.jpg', names=np.array([-1, -1, -1, 1, -1, -1, 0])
    )
    options = ExportOptions(names=("cat, dog", 'say "hi"'), flat=True)
    rows = table(tmp_path, result, options=options)
    assert {x["image"] for x in rows} == {result.title}
    assert [x["name"] for x in rows] == ['say "hi"', "region", "region", "cat, dog"]
    chosen = Selected("pair", (3, 6)), Selected("", (4,)), Selected("all", (0,))
    selected = dataclasses.replace(result, selected=chosen)
    pair, other, whole = table(tmp_path, selected)
    assert [pair[x] for x in ("node", "depth", "cost")] == [""] * 3
    assert (pair["name"], pair["area"], pair["parent"]) == ("pair", "48", "2")
    assert (other["name"], other["node"]) == ("region", "4")
    assert (whole["name"], whole["parent"]) == ("all", "")


def test_rows_of_the_background_are_left_out_and_none_is_a_parent(tmp_path):
    categories = np.array([0, 1, 0, 1, 2, 2, 1], np.int32)
    result = result_of(quadrants(), categories=categories)
    rows = table(tmp_path, result, options=ExportOptions(num_categories=2))
    found = [(x["id"], x["parent"], x["name"]) for x in rows]
    one, two = "category 01", "category 02"
    assert found == [
        ("1", "", one), ("3", "1", one), ("4", "1", two), ("5", "", two), ("6", "", one)
    ]  # fmt: skip


def test_names_that_are_no_text_are_written_with_question_marks(tmp_path):
    (row, *_) = table(tmp_path, result_of(quadrants(), "a\udcff.jpg"))
    assert row["image"] == "a?.jpg"
