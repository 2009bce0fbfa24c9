"""Average recall is that of pycocotools without classes, on the nodes of trees."""

import contextlib
import io

import numpy as np
import pytest
from hypothesis import given, settings
from metric_oracles import iou, node_masks
from trees import quadrants, random_tree, region_trees

from uhseg_jax.metrics import average_recall, states
from uhseg_jax.metrics.average_recall import (
    NUM_PROPOSALS,
    THRESHOLDS,
    AverageRecallState,
    recall,
    score_image,
)

# pycocotools 2.0 decodes masks through an array protocol that numpy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:pycocotools")

SMALL_SIZES = {"": (0, 1e10), "small": (0, 16), "medium": (16, 64), "large": (64, 1e10)}


def run_length(mask):
    from pycocotools import mask as coco_mask

    return coco_mask.encode(np.asfortranarray(mask, np.uint8))


def coco_scores(images):
    """Recall of pycocotools by budget and size, of [(proposals, objects, crowds)]."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truth = {"images": [], "annotations": [], "categories": [{"id": 1}]}
    results = []
    for image_id, (proposals, objects, crowds) in enumerate(images, start=1):
        height, width = proposals[0].shape
        truth["images"].append({"id": image_id, "height": height, "width": width})
        common = {"image_id": image_id, "category_id": 1}
        for crowd, masks in enumerate((objects, crowds)):
            for mask in masks:
                one = {"segmentation": run_length(mask), "area": int(mask.sum())}
                number = {"id": len(truth["annotations"]) + 1, "iscrowd": crowd}
                truth["annotations"].append(common | one | number)
        for rank, mask in enumerate(proposals):
            results.append(common | {"segmentation": run_length(mask), "score": -rank})
    with contextlib.redirect_stdout(io.StringIO()):
        dataset = COCO()
        dataset.dataset = truth
        dataset.createIndex()
        evaluation = COCOeval(dataset, dataset.loadRes(results), "segm")
        params = evaluation.params
        params.useCats, params.maxDets = 0, [*NUM_PROPOSALS, 10**6]
        params.areaRng = list(map(list, SMALL_SIZES.values()))
        params.areaRngLbl = list(SMALL_SIZES)
        evaluation.evaluate()
        evaluation.accumulate()
    recalls = np.where(evaluation.eval["recall"] < 0, np.nan, evaluation.eval["recall"])
    means = recalls[:, 0].mean(axis=0)  # [sizes, budgets]
    named = dict(zip(("ar_10", "ar_100", "ar_1000", "ar_all"), means[0], strict=True))
    return named | {
        f"ar_1000_{size}": x
        for size, x in zip(SMALL_SIZES, means[:, 2], strict=True)
        if size
    }


def in_order(tree):
    """Masks of all nodes but the root, in the order in which they enter."""
    masks = node_masks(tree, np.ones(tree.labels.shape, bool))
    ranks = np.asarray(tree.entry_ranks())[: len(masks)]
    nodes = sorted(range(1, len(masks)), key=lambda i: (ranks[i], i)) or [0]
    return masks[nodes]


@pytest.fixture
def small_sizes(monkeypatch):
    monkeypatch.setattr(average_recall, "SIZES", SMALL_SIZES)


@pytest.mark.parametrize("seed", range(3))
def test_trees_score_as_pycocotools_scores_their_masks(seed, small_sizes):
    rng = np.random.default_rng(seed)
    state, images = AverageRecallState.empty(), []
    for index in range(4):
        tree = random_tree(10 * seed + index, num_splits=30, padding=2)
        # Objects like those of the tree, with ragged borders; 1 is a crowd, 2 void.
        other = random_tree(10 * seed + index, num_splits=4 + 8 * index).labels
        shift = rng.integers(0, 2, other.shape)
        ids = np.where(shift, other, np.roll(other, 1, axis=1)) * 3
        instances = np.where(ids <= 6, -1, np.where(ids % 5 == 0, 0, ids))
        if index == 3:
            instances[:] = 0
        objects = [instances == i for i in np.unique(instances) if i > 0]
        state = state.update(score_image(tree, instances))
        crowds = [ids == i for i in (3, 6) if (ids == i).any()]
        images.append((in_order(tree), objects, crowds))
    expected = coco_scores(images)
    assert 0 < expected["ar_10"] < expected["ar_all"] < 1
    assert state.compute() == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_masks_that_overlap_and_tie_score_as_in_pycocotools(small_sizes):
    rng = np.random.default_rng(0)
    state, images = AverageRecallState.empty(), []
    for _ in range(6):
        # Rectangles on a coarse raster: many equal overlaps, many exact halves.
        corners = rng.integers(0, 4, (40, 2, 2)) * 4
        masks = np.zeros((40, 16, 16), bool)
        for mask, (top, left) in zip(masks, corners.min(axis=1), strict=True):
            height, width = 4 * rng.integers(1, 4, 2)
            mask[top : top + height, left : left + width] = True
        objects, proposals = masks[:6], masks[6:]
        overlaps = np.array([[iou(p, g) for g in objects] for p in proposals])
        state = state.update(recall(overlaps, objects.sum(axis=(1, 2))))
        images.append((proposals, objects, []))
    expected = coco_scores(images)
    assert 0 < expected["ar_10"] < expected["ar_100"] == expected["ar_all"] < 1
    assert state.compute() == pytest.approx(expected, abs=1e-12)


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(tree=region_trees())
def test_the_leaves_as_objects_are_all_found_and_more_proposals_find_no_less(tree):
    scores = score_image(tree, np.asarray(tree.labels) + 1)
    assert scores.row()["ar_all"] == 1
    assert (np.diff(scores.taken, axis=-1) >= 0).all()
    assert (np.diff(scores.taken, axis=1) <= 0).all()


def test_an_object_counts_at_the_thresholds_that_its_best_region_reaches():
    tree = quadrants(8, 12)
    instances = np.where(np.asarray(tree.labels) == 3, 7, 0)
    instances[0, :6] = -1  # 18 of the 24 pixels of its node; void counts against it
    row = score_image(tree, instances).row()
    assert row["ar_all"] == pytest.approx(np.mean(THRESHOLDS <= 18 / 24))
    state = AverageRecallState.empty()
    assert np.isnan(state.compute()["ar_10"])
    assert np.isnan(score_image(tree, np.zeros((8, 12), int)).row()["ar_10"])
    one = state.update(score_image(tree, instances))
    assert states.merge(one, one).compute()["ar_all"] == row["ar_all"]
    with pytest.raises(ValueError, match="same size"):
        score_image(tree, np.zeros((2, 2), int))
