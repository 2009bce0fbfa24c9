"""Files of proposals are results of the COCO file of the same run."""

import contextlib
import io
import json

import numpy as np
import pytest
from export_results import result_of
from hypothesis import given, settings
from hypothesis import strategies as st
from trees import make_tree, random_tree, region_trees

from uhseg_jax import export

# pycocotools 2.0 decodes masks through an array protocol that numpy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ impl:DeprecationWarning")


def write(folder, trees):
    """The opened results, and the proposals that they should hold."""
    from pycocotools.coco import COCO

    options, formats = export.ExportOptions(), ("coco", "proposals")
    with export.open_formats(formats, export.Folder(folder), options) as writer:
        for i, tree in enumerate(trees):
            writer.add(result_of(tree, f"{i}.jpg", name=str(i)))
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(folder / "coco.json"))
        return truth.loadRes(str(folder / "proposals.json"))


@settings(max_examples=20, deadline=None)
@given(trees=st.lists(region_trees(max_side=10), min_size=1, max_size=3))
def test_pycocotools_opens_every_proposal(tmp_path_factory, trees):
    found = write(tmp_path_factory.getbasetemp(), trees)
    assert sorted(found.imgs) == list(range(1, len(trees) + 1))
    for image_id, tree in enumerate(trees, start=1):
        entries = found.loadAnns(found.getAnnIds(imgIds=[image_id]))
        proposals = tree.proposals()
        assert [x["score"] for x in entries] == proposals.scores.tolist()
        assert [x["area"] for x in entries] == proposals.areas().tolist()
        assert {x["category_id"] for x in entries} == {1}
        masks = [found.annToMask(x).astype(bool) for x in entries]
        np.testing.assert_array_equal(masks, proposals.masks())


def test_results_have_no_more_than_a_result_has(tmp_path):
    write(tmp_path, [random_tree(0)])
    entries = json.loads((tmp_path / "proposals.json").read_text())
    fields = {"image_id", "category_id", "segmentation", "score"}
    assert all(set(x) == fields for x in entries)


def test_a_run_without_images_gives_an_empty_list(tmp_path):
    formats = ("proposals",)
    folder = export.Folder(tmp_path)
    with export.open_formats(formats, folder, export.ExportOptions()):
        pass
    assert json.loads((tmp_path / "proposals.json").read_text()) == []


def test_an_image_of_one_region_is_one_proposal(tmp_path):
    found = write(tmp_path, [make_tree([[0, 0]], [-1], [0], [0]), random_tree(1)])
    assert [x["area"] for x in found.loadAnns(found.getAnnIds(imgIds=[1]))] == [2]


@pytest.mark.parametrize(
    ("options", "category"),
    [
        ({"names": ("dog", "cat")}, 3),
        ({"names": ("dog", "cat"), "named": True}, 3),
        ({"names": ("region", "cat"), "named": True}, 1),
        ({"num_categories": 2}, 3),
    ],
)
def test_a_proposal_is_never_said_to_be_of_a_class_with_a_name(
    tmp_path, options, category
):
    options = export.ExportOptions(**options)
    with export.open_formats(["proposals"], export.Folder(tmp_path), options) as writer:
        writer.add(result_of(random_tree(0)))
    entries = json.loads((tmp_path / "proposals.json").read_text())
    assert {x["category_id"] for x in entries} == {category}
