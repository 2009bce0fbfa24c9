"""Hungarian matching finds the best assignment, as the two protocols count it."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_oracles import class_maps, iou

from uhseg_jax.metrics.matching import (
    DatasetMatchingState,
    ImageMatchingState,
    match_image,
)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), num_segments=st.integers(1, 5))
def test_no_assignment_shares_more_pixels(data, num_segments):
    segments = data.draw(class_maps((6, 8), num_classes=num_segments, dropped=False))
    classes = data.draw(class_maps((6, 8), num_classes=4))
    found = match_image(segments, classes, num_classes=4)
    ids = list(np.unique(segments)) + [None] * 4
    shared = max(
        sum(
            int(((segments == s) & (classes == c)).sum())
            for c, s in enumerate(chosen)
            if s is not None
        )
        for chosen in set(itertools.permutations(ids, 4))
    )
    tally = found.tally
    assert tally.true_positives.sum() == shared
    counted = classes >= 0
    for c, position in enumerate(found.segments):
        segment = (
            (segments == ids[position]) & counted
            if position < len(ids) - 4
            else np.zeros_like(counted)
        )
        region = classes == c
        assert tally.true_positives[c] == (segment & region).sum()
        assert tally.false_positives[c] == (segment & ~region).sum()
        assert tally.false_negatives[c] == (~segment & region).sum()


def test_a_spare_segment_is_a_false_positive_of_an_absent_class():
    segments = np.array([[0, 0, 0, 7, 7, 9]])
    found = match_image(segments, np.zeros((1, 6), int), num_classes=3)
    assert found.tally.true_positives.tolist() == [3, 0, 0]
    assert sorted(found.tally.false_positives.tolist()) == [0, 1, 2]
    scores = ImageMatchingState.empty(3).update(found).compute()
    assert scores["miou"] == pytest.approx((3 / 6 + 0 + 0) / 3)
    assert scores["pacc"] == 0.5
    # With more segments than classes, the rest belongs to nobody.
    found = match_image(segments, np.zeros((1, 6), int), num_classes=1)
    assert found.tally.false_positives.tolist() == [0]
    assert ImageMatchingState.empty(1).update(found).compute()["miou"] == 0.5


def test_images_are_summed_before_the_scores():
    rng = np.random.default_rng(1)
    images = [
        match_image(
            rng.integers(0, 6, (5, 5)), rng.integers(-1, 3, (5, 5)), num_classes=3
        )
        for _ in range(4)
    ] + [match_image(np.zeros((2, 2), int), np.full((2, 2), -1), num_classes=3)]
    assert images[-1].is_empty
    tp, fp, fn = (
        sum(getattr(image.tally, name) for image in images)
        for name in ("true_positives", "false_positives", "false_negatives")
    )
    whole = merged = ImageMatchingState.empty(3)
    for image in images:
        whole = whole.update(image)
        merged = ImageMatchingState.empty(3).update(image).merge(merged)
    assert whole.compute() == merged.compute()
    assert whole.compute() == {
        "miou": pytest.approx(np.mean(tp / (tp + fp + fn))),
        "pacc": pytest.approx(tp.sum() / (tp + fn).sum()),
        "images": 4,
        "skipped": 1,
    }


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_the_whole_set_has_one_assignment_of_the_largest_iou(data):
    clusters = data.draw(class_maps((2, 6, 8)[1:], num_classes=4, dropped=False))
    classes = data.draw(class_maps((6, 8), num_classes=4))
    state = DatasetMatchingState.empty(4, 4)
    for rows in (slice(0, 2), slice(2, 6)):  # two images
        state = state.update(clusters[rows], classes[rows])
    counted = classes >= 0
    ious = np.array(
        [
            [iou((clusters == k) & counted, classes == c) for c in range(4)]
            for k in range(4)
        ]
    )
    best = max(
        sum(ious[k, c] for k, c in enumerate(chosen))
        for chosen in itertools.permutations(range(4))
    )
    assigned = state.assignment()
    assert ious[range(4), assigned].sum() == pytest.approx(best)
    scores = state.compute()
    if not counted.any():
        assert np.isnan(scores["miou"])
        return
    predicted = assigned[clusters]
    shown = [
        c for c in range(4) if (counted & ((predicted == c) | (classes == c))).any()
    ]
    assert scores["miou"] == pytest.approx(
        np.mean([iou((predicted == c) & counted, classes == c) for c in shown])
    )
    assert scores["pacc"] == pytest.approx(np.mean((predicted == classes)[counted]))


def test_spare_clusters_and_classes_without_one():
    classes = np.array([[0, 0, 0, 1, 1, 1]])
    more = DatasetMatchingState.empty(3, 2).update(
        np.array([[0, 0, 2, 1, 1, 1]]), classes
    )
    assert more.assignment().tolist() == [0, 1, -1]
    assert more.compute()["miou"] == pytest.approx((2 / 3 + 1) / 2)
    fewer = DatasetMatchingState.empty(1, 2).update(np.zeros((1, 6), int), classes)
    assert fewer.compute()["miou"] == pytest.approx((3 / 6 + 0) / 2)
    assert fewer.compute()["pacc"] == 0.5


def test_clusters_merge_by_addition_and_fit_the_table():
    rng = np.random.default_rng(2)
    empty = DatasetMatchingState.empty(3, 3)
    states = [
        empty.update(rng.integers(0, 3, (4, 4)), rng.integers(-1, 3, (4, 4)))
        for _ in range(3)
    ]
    one = states[0].merge(states[1]).merge(states[2])
    other = states[2].merge(states[0].merge(states[1]))
    assert one.compute() == other.compute()
    nothing = empty.update(np.zeros((2, 2), int), np.full((2, 2), -1))
    assert (nothing.compute()["images"], nothing.compute()["skipped"]) == (0, 1)
    with pytest.raises(ValueError, match=r"below 3 for the rows .* found 3"):
        empty.update(np.full((2, 2), 3), np.zeros((2, 2), int))
