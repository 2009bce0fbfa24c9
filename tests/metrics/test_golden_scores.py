"""Every figure of `golden/metrics.json` comes out: agreed with the authors' release."""

import functools
import json
from pathlib import Path

import numpy as np
import pytest
from trees import make_tree

from uhseg_jax.metrics import overlap, tree_overlap
from uhseg_jax.taxonomy import Taxonomy

GOLDEN = json.loads(
    (Path(__file__).parents[1] / "golden" / "metrics.json").read_text()
)["cases"]
NAMES = [case["name"] for case in GOLDEN]
CLOSE = functools.partial(pytest.approx, abs=1e-9, rel=0)


def _tree(image):
    depths = [0]
    for parent in image["parents"][1:]:
        depths.append(depths[parent] + 1)
    return make_tree(image["labels"], image["parents"], depths, np.zeros(len(depths)))


@pytest.mark.parametrize("case", GOLDEN, ids=NAMES)
def test_every_figure_of_the_release_comes_out(case):
    taxonomy = Taxonomy.from_rows([tuple(row) for row in case["taxonomy"]])
    flat, hierarchy = taxonomy.flat(), taxonomy.hierarchy()
    state = overlap.OverlapState.empty(flat.num_classes)
    tree_state = tree_overlap.TreeOverlapState.empty(len(hierarchy.names))
    for image in case["images"]:
        classes = flat.encode(np.array(image["ground_truth"]))
        tree = _tree(image)
        one = overlap.score_image(tree, classes, num_classes=flat.num_classes)
        assert one.nmcovering == CLOSE(image["class_nmcovering"])
        tree_one = tree_overlap.score_image(tree, classes, hierarchy)
        assert tree_one.nmcovering == CLOSE(image["tree_nmcovering"])
        assert tree_one.nhcovering == CLOSE(image["nhcovering"])
        state, tree_state = state.update(one), tree_state.update(tree_one)
    found = {**tree_state.compute(), **state.compute()}
    expected = case["dataset"]
    assert found["nmcovering"] == CLOSE(expected["class_nmcovering"])
    assert found["tree_nmcovering"] == CLOSE(expected["tree_nmcovering"])
    assert found["nhcovering"] == CLOSE(expected["nhcovering"])
    for ours, theirs in {
        **{k: k for k in ("miou", "pacc", "macc")},
        "fiou": "fwiou",
    }.items():
        assert found[ours] == CLOSE(expected["class"][theirs])
        assert found[f"tree_{ours}"] == CLOSE(expected["tree"][theirs])
