"""Scores of images take clips too: those of the frames laid below each other."""

import dataclasses

import numpy as np
import pytest
from trees import clip_tree

from uhseg_jax.metrics import overlap, regions, tree_overlap
from uhseg_jax.metrics.instance_covering import nfcovering
from uhseg_jax.metrics.matching import DatasetMatchingState, match_image
from uhseg_jax.metrics.scales import cut_stack
from uhseg_jax.taxonomy import Taxonomy

SIDES = (36, 11)
CLASSES = Taxonomy.parse(
    "none = 0 background\nanimal\n  dog = 1\n  cat = 2\ncar = 3\nbus = 4\n"
)


def _region_scores(tree, truth):
    found = regions.score_tree(tree, [truth, truth // 2])
    return [found.covered, found.rand_index, found.variation, found.covered_best]


SCORES = {
    "overlap": lambda tree, truth: list(
        overlap.score_image(tree, truth, num_classes=5).row().values()
    ),
    "tree_overlap": lambda tree, truth: list(
        tree_overlap.score_image(tree, truth, CLASSES.hierarchy()).row().values()
    ),
    "regions": _region_scores,
    "instances": lambda tree, truth: nfcovering(tree.cut(num_regions=5), truth),
    "matching": lambda tree, truth: list(
        match_image(tree.cut(num_regions=5), truth, num_classes=5, background=0)
        .row()
        .values()
    ),
    "clusters": lambda tree, truth: list(
        DatasetMatchingState.empty(40, 5).update(tree.labels, truth).compute().values()
    ),
    "scales": lambda tree, truth: cut_stack(tree).reshape(-1, *SIDES),
}


@pytest.mark.parametrize("name", SCORES)
def test_a_clip_scores_as_its_frames_below_each_other(name):
    tree = clip_tree(0, padding=3)
    truth = clip_tree(1, num_splits=3).labels % 5
    truth[2, 3:5, 4:8] = -1
    below = dataclasses.replace(tree, labels=tree.labels.reshape(SIDES))
    found = SCORES[name](tree, truth)
    expected = SCORES[name](below, truth.reshape(SIDES))
    np.testing.assert_equal(found, expected)
