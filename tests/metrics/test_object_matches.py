"""Recall and precision of proposals are those of pycocotools, to the last object."""

import dataclasses
import math

import numpy as np
import pytest
from coco_evaluation import coco_scores, run_length
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trees import quadrants, random_tree, region_trees

from uhseg_jax.datasets.objects import Objects
from uhseg_jax.metrics import objects as metric
from uhseg_jax.metrics import states
from uhseg_jax.metrics.average_precision import RECALLS, PrecisionState
from uhseg_jax.metrics.objects import BUDGETS, THRESHOLDS, RecallState, match
from uhseg_jax.pytrees import pytree_dataclass

AREAS = {"all": (0, 1e10), "small": (0, 16), "medium": (16, 64), "large": (64, 1e10)}


@pytest.fixture(autouse=True, scope="module")
def _areas_of_small_images():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metric, "AREAS", AREAS)
        yield


@pytree_dataclass
class Both(states.Additive):
    """All that a set is scored by."""

    recall: RecallState
    precision: PrecisionState

    @classmethod
    def empty(cls):
        return cls(RecallState.empty(), PrecisionState.empty())

    def compute(self):
        return self.recall.compute() | self.precision.compute()


def state_of(image_id, proposals, objects):
    matches = match(proposals, objects)
    precision = PrecisionState.of_image(matches, proposals.scores, image_id)
    return Both(matches.recall(), precision)


def expected(images):
    return coco_scores(images, areas=metric.AREAS, budgets=BUDGETS)


def objects_of_masks(masks, *, crowd=None, areas=None):
    masks = np.asarray(masks, bool)
    crowd = np.zeros(len(masks), bool) if crowd is None else np.asarray(crowd)
    areas = masks.sum(axis=(1, 2)) if areas is None else areas
    rles = tuple(map(run_length, masks))
    return Objects(rles, np.asarray(areas, np.float64), crowd, image_id=1)


def random_objects(rng, tree):
    """Regions of the tree and blocks, some frayed, that overlap, tie and are crowds."""
    nodes = tree.masks()
    height, width = tree.labels.shape
    masks = []
    for _ in range(rng.integers(0, 9)):
        mask = nodes[rng.integers(len(nodes))].copy()
        if rng.random() < 0.4:
            mask[:] = False
            top, left = rng.integers(0, height), rng.integers(0, width)
            mask[top : top + 1 + height // 2, left : left + 1 + width // 2] = True
        if rng.random() < 0.5:
            mask ^= rng.random(mask.shape) < rng.choice([0.05, 0.2])
        if mask.any():
            masks.append(mask)
    masks = np.reshape(masks, (-1, height, width))
    crowd = rng.random(len(masks)) < rng.choice([0, 0.3, 1], p=[0.4, 0.5, 0.1])
    # The areas of polygons are not quite those of their pixels.
    areas = masks.sum(axis=(1, 2)) * rng.choice([1, 0.9, 1.1], len(masks))
    return objects_of_masks(masks, crowd=crowd, areas=areas)


def random_images(seed, count):
    rng = np.random.default_rng(seed)
    images = []
    for index in range(count):
        shape = rng.integers(4, 18, 2)
        tree = random_tree(
            int(rng.integers(2**31)),
            height=int(shape[0]),
            width=int(shape[1]),
            num_splits=int(rng.integers(0, 25)),
            padding=2,
        )
        proposals = tree.proposals(1000, max_iou=rng.choice([0.7, 1.0]))
        if rng.random() < 0.5:  # scores that tie, in images and between them
            scores = np.round(proposals.scores * 3) / 3
            proposals = dataclasses.replace(proposals, scores=scores)
        images.append((index + 1, proposals, random_objects(rng, tree)))
    return images


def without_ties(proposals):
    ranks = np.arange(len(proposals))
    return dataclasses.replace(proposals, scores=1 - np.float64(ranks) / 2000)


few = settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])


@few
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 5), data=st.data())
def test_random_trees_and_objects_score_as_in_pycocotools(seed, count, data):
    images = random_images(seed, count)
    parts = [state_of(*image) for image in images]
    shuffled = data.draw(st.permutations(parts))
    state = states.merge_all([Both.empty(), *shuffled])
    found = state.compute()
    assert found == pytest.approx(expected(images), abs=1e-12, nan_ok=True)
    again = states.from_words(states.to_words(state), Both.empty())
    assert again.compute() == pytest.approx(found, abs=0, nan_ok=True)
    rest = states.subtract(state, parts[0])
    others = states.merge_all([Both.empty(), *parts[1:]])
    np.testing.assert_array_equal(states.to_words(rest), states.to_words(others))


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32 - 1), data=st.data())
def test_images_of_a_weight_score_as_so_many_copies_in_pycocotools(seed, data):
    # Copies of proposals of one image that tie stand side by side here.
    images = [(i, without_ties(x), g) for i, x, g in random_images(seed, 4)]
    weights = data.draw(st.lists(st.integers(0, 3), min_size=4, max_size=4))
    stack = states.stack([state_of(*image) for image in images])
    copies = [
        (10 * image_id + copy, proposals, objects)
        for (image_id, proposals, objects), weight in zip(images, weights, strict=True)
        for copy in range(weight)
    ]
    found = stack.total(np.array(weights)).compute()
    if copies:
        assert found == pytest.approx(expected(copies), abs=1e-12, nan_ok=True)
    else:
        assert np.isnan(list(found.values())).all()


def test_the_scores_of_random_images_say_something():
    images = [x for seed in range(6) for x in random_images(seed, 4)]
    images = [(i, *rest) for i, (_, *rest) in enumerate(images, start=1)]
    total = states.merge_all(state_of(*image) for image in images)
    found = total.compute()
    assert found == pytest.approx(expected(images), abs=1e-12)
    assert 0 < found["ar_1"] < found["ar_10"] < found["ar_100"] < 1
    assert 0 < found["ap"] < found["ap_50"] < 1
    assert len({found[f"ar_1000_{name}"] for name in ("small", "medium", "large")}) == 3
    assert any(image.crowd.any() for *_, image in images)
    assert any(len(image) == 0 for *_, image in images)


def test_many_proposals_count_up_to_the_thousandth(monkeypatch):
    monkeypatch.setattr(metric, "MOST_PROPOSALS", 20)
    tree = random_tree(3, num_splits=40)
    proposals = tree.proposals(max_iou=1.0)
    assert len(proposals) > 40
    masks = proposals.masks()
    objects = objects_of_masks(masks[[3, 19, 20, 30]])
    assert match(proposals, objects).takes.shape[-1] == 20
    row = match(proposals, objects).recall().row()
    assert row["ar_10"] < row["ar_1000"] < 1


def test_what_is_in_a_crowd_does_not_count_and_a_crowd_takes_any_number():
    tree = quadrants(8, 12)
    proposals = tree.proposals(pairs=False)
    rows, columns = np.mgrid[:8, :12]
    left = columns < 6
    for crowd, missed in ((True, 0), (False, 1)):
        objects = objects_of_masks([left, ~left & (rows < 4)], crowd=[crowd, False])
        state = state_of(1, proposals, objects)
        matches = match(proposals, objects)
        assert state.recall.objects[0] == 1 + missed
        # The left half and its quarters lie in the crowd.
        assert matches.ignored[0, 0].sum() == (3 if crowd else 0)
    assert state.compute()["ar_10"] == 1


def test_an_object_counts_at_the_thresholds_that_its_best_region_reaches():
    tree = quadrants(8, 12)
    instances = np.where(np.asarray(tree.labels) == 3, 7, 0)
    instances[0, :6] = 0  # 18 of the 24 pixels of its node
    objects = Objects.from_map(instances, "one")
    state = state_of(1, tree.proposals(), objects)
    reached = np.mean(THRESHOLDS <= 18 / 24)
    assert state.compute()["ar_1000"] == pytest.approx(reached)
    assert states.merge(state, state).compute()["ar_1000"] == pytest.approx(reached)
    with pytest.raises(ValueError, match="same size"):
        match(tree.proposals(), Objects.from_map(instances[:2], "one"))


def test_nothing_to_find_is_no_score_but_proposals_there_are_wrong():
    tree = quadrants(8, 12)
    proposals, labels = tree.proposals(), np.asarray(tree.labels)
    without = state_of(1, proposals, Objects.from_map(0 * labels, "empty"))
    assert np.isnan(list(without.compute().values())).all()
    assert math.isnan(without.precision.curves()["objects_50"].y[0])
    found = state_of(2, proposals, Objects.from_map(labels, "regions"))
    both = states.merge(without, found)
    assert both.compute()["ar_1000"] == found.compute()["ar_1000"] == 1
    assert 0 < both.compute()["ap"] < found.compute()["ap"] < 1


def test_curves_are_those_whose_means_are_the_scores():
    tree = random_tree(0, num_splits=20)
    objects = Objects.from_map(np.asarray(random_tree(0, num_splits=8).labels), "a")
    state = state_of(1, tree.proposals(), objects).precision
    scores, curves = state.compute(), state.curves()
    for name in ("50", "75"):
        curve = curves[f"objects_{name}"]
        assert curve.x == tuple(RECALLS)
        assert np.mean(curve.y) == pytest.approx(scores[f"ap_{name}"])
        assert (np.diff(curve.y) <= 0).all()
    assert 0 < scores["ap_75"] < scores["ap_50"]


@few
@given(tree=region_trees())
def test_the_leaves_as_objects_are_all_found_where_all_regions_are_proposals(tree):
    proposals = tree.proposals(max_iou=1.0, connected=False)
    objects = Objects.from_map(np.asarray(tree.labels) + 1, "leaves")
    state = state_of(1, proposals, objects).recall
    assert state.compute()["ar_1000"] == 1
    assert (np.diff(state.taken, axis=-1) >= 0).all()


def test_scores_are_in_order_whatever_their_sign():
    scores = np.array([2.5, 1.0, 1e-300, 0.0, -0.0, -1e-9, -3.0])
    tree = random_tree(0, num_splits=6)
    proposals = tree.proposals(max_iou=1.0).first(7)
    assert len(proposals) == 7
    matches = match(proposals, objects_of_masks(proposals.masks()[:1]))
    rows = PrecisionState.of_image(matches, scores, 5).proposals.values
    assert (np.diff(rows[:, 0]) >= 0).all()
    assert [np.unique(rows[:, 0]).size, *np.unique(rows[:, 1])] == [6, 5]
    assert (np.diff(rows[:, 2] >> 20) == 1).all()
