"""Region scores of BSDS500 against loops over masks and pairs of pixels."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_oracles import class_maps, iou, node_masks
from trees import quadrants, random_tree, region_trees

from uhseg_jax.metrics.boundary import score_stack
from uhseg_jax.metrics.regions import RegionState, score_tree
from uhseg_jax.metrics.scales import NUM_REGIONS, cut_stack

SCALES = (1, 2, 4, 7)


def _regions(labels):
    return [labels == value for value in np.unique(labels)]


def _pair_agreement(first, second):
    """Share of pairs of pixels that both keep together or both keep apart."""
    a, b = first.ravel(), second.ravel()
    pairs = list(itertools.combinations(range(a.size), 2))
    return np.mean([(a[i] == a[j]) == (b[i] == b[j]) for i, j in pairs])


def _bits(first, second):
    """H(first | second) + H(second | first), from joint probabilities."""
    total = 0.0
    for r, s in itertools.product(_regions(first), _regions(second)):
        joint = np.mean(r & s)
        if joint:
            total -= joint * (np.log2(joint / r.mean()) + np.log2(joint / s.mean()))
    return total


def _oracle(images, scales):
    """The benchmark's scores but for the best, from ``(stack, annotations)`` pairs."""
    covered = np.zeros((len(images), scales))
    pixels = np.zeros(len(images))
    rand, bits = np.zeros_like(covered), np.zeros_like(covered)
    for i, (stack, annotations) in enumerate(images):
        for truth in annotations:
            pixels[i] += truth.size
            for region in _regions(truth):
                at = [max(iou(s, region) for s in _regions(x)) for x in stack]
                covered[i] += region.sum() * np.array(at)
        for t, labels in enumerate(stack):
            rand[i, t] = np.mean([_pair_agreement(labels, a) for a in annotations])
            bits[i, t] = np.mean([_bits(labels, a) for a in annotations])
    return {
        "covering_ods": (covered.sum(axis=0) / pixels.sum()).max(),
        "covering_ois": covered.max(axis=1).sum() / pixels.sum(),
        "pri_ods": rand.mean(axis=0).max(),
        "pri_ois": rand.max(axis=1).mean(),
        "voi_ods": bits.mean(axis=0).min(),
        "voi_ois": bits.min(axis=1).mean(),
        "images": len(images),
    }


def _images(count, *, seed=0):
    for index in range(count):
        tree = random_tree(seed + index, height=5, width=6, num_splits=6)
        annotations = [
            random_tree(50 + seed + 5 * index + k, height=5, width=6).labels
            for k in range(1 + index % 3)
        ]
        yield tree, annotations


def test_a_set_scores_as_masks_and_pairs_do():
    images = list(_images(4))
    state = merged = empty = RegionState.empty(len(SCALES))
    for tree, annotations in images:
        image = score_tree(tree, annotations, num_regions=SCALES)
        state = state.update(image)
        merged = empty.update(image).merge(merged)
    assert state.compute() == merged.compute()  # to the last digit
    stacks = [(cut_stack(tree, SCALES), annotations) for tree, annotations in images]
    found = state.compute()
    assert found.pop("covering_best") >= found["covering_ois"]
    assert found == pytest.approx(_oracle(stacks, len(SCALES)), abs=1e-8)


@settings(max_examples=25, deadline=None)
@given(data=st.data(), tree=region_trees(max_side=8))
def test_best_takes_any_node_of_a_tree(data, tree):
    truth = data.draw(class_maps(tree.labels.shape, dropped=True))
    image = score_tree(tree, [truth], num_regions=(1,))
    masks = node_masks(tree, truth >= 0)
    expected = sum(
        (truth == r).sum() * max(iou(mask, truth == r) for mask in masks)
        for r in np.unique(truth[truth >= 0])
    )
    assert image.covered_best == pytest.approx(expected, abs=1e-9)
    assert image.pixels == (truth >= 0).sum()


def test_the_annotation_itself_scores_perfectly():
    tree = quadrants()
    state = RegionState.empty(len(NUM_REGIONS))
    for _ in range(2):
        state = state.update(score_tree(tree, [tree.labels] * 3))
    scores = state.compute()
    for name in ("covering_ods", "covering_ois", "covering_best", "pri_ods", "pri_ois"):
        assert scores[name] == 1, name
    assert scores["voi_ods"] == scores["voi_ois"] == 0
    row = score_tree(tree, [tree.labels]).row()
    assert row == {"covering": 1, "covering_best": 1, "pri": 1, "voi": 0}


@settings(max_examples=20, deadline=None)
@given(tree=region_trees(max_side=8))
def test_scales_are_the_cuts_of_the_tree(tree):
    stack = cut_stack(tree, num_regions=(1, 3, 8))
    for labels, k in zip(stack, (1, 3, 8), strict=True):
        np.testing.assert_array_equal(labels, tree.cut(num_regions=k))
    stack = cut_stack(tree, num_regions=(3,), costs=(0.3, 0.9))
    np.testing.assert_array_equal(stack[0], tree.cut(num_regions=3))
    for labels, cost in zip(stack[1:], (0.3, 0.9), strict=True):
        np.testing.assert_array_equal(labels, tree.cut(cost=cost))


@pytest.mark.parametrize(
    ("score", "found"),
    [(score_tree, quadrants()), (score_stack, np.zeros((1, 9, 9), int))],
    ids=["regions", "boundaries"],
)
def test_bad_input_is_named(score, found):
    with pytest.raises(ValueError, match="at least one annotator"):
        score(found, [])
    with pytest.raises(ValueError, match="same size"):
        score(found, [np.zeros((3, 3), int)])
