"""Best-overlap scores are those of the definitions, however images are combined."""

import functools

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_oracles import (
    all_candidates,
    class_maps,
    covering_by_best,
    first_nodes,
    tallies,
)
from trees import make_tree, quadrants, random_tree, region_trees

from uhseg_jax.metrics import states
from uhseg_jax.metrics.overlap import OverlapState, score_image
from uhseg_jax.metrics.scales import NUM_REGIONS

CLASSES = 5
score = functools.partial(score_image, num_classes=CLASSES)


def _images(count, *, seed=0, drop=0.1):
    rng = np.random.default_rng(seed)
    for index in range(count):
        tree = random_tree(seed + index, num_splits=6, padding=index % 3)
        classes = random_tree(seed + 100 + index, num_splits=3).labels % CLASSES
        yield tree, np.where(rng.random(classes.shape) < drop, -1, classes)


def _state(images):
    state = OverlapState.empty(CLASSES)
    for tree, classes in images:
        state = state.update(score(tree, classes))
    return state


@settings(max_examples=40, deadline=None)
@given(data=st.data(), tree=region_trees(max_side=12, max_splits=6))
def test_an_image_scores_as_its_masks_do(data, tree):
    classes = data.draw(class_maps(tree.labels.shape, num_classes=CLASSES))
    found = score(tree, classes)
    nodes = all_candidates(tree)
    if not (classes >= 0).any():
        assert found.is_empty
        return
    expected, matches = covering_by_best(tree, classes, nodes)
    assert found.nmcovering == pytest.approx(expected, abs=1e-12)
    for region, (node, _) in matches.items():
        assert found.matches.nodes[region] == node
    tally = tallies(tree, classes, CLASSES)
    np.testing.assert_array_equal(jax.tree.leaves(found.matches.tally), tally)
    for budget, at in zip(NUM_REGIONS, found.nmcovering_at, strict=True):
        expected, _ = covering_by_best(tree, classes, first_nodes(tree, budget))
        assert at == pytest.approx(expected, abs=1e-12)
    assert found.num_nodes == int(tree.num_nodes) - 1
    assert found.num_leaves == np.unique(tree.labels).size


def test_the_scores_of_a_set_are_those_of_the_summed_tallies():
    images = list(_images(6))
    tp, fp, fn = sum(tallies(tree, classes, CLASSES) for tree, classes in images)
    shown = tp + fn > 0
    expected = {
        "miou": np.mean((tp / (tp + fp + fn))[shown]),
        "pacc": tp.sum() / (tp + fn).sum(),
        "macc": np.mean((tp / (tp + fn))[shown]),
        "fiou": (((tp + fn) / (tp + fn).sum()) * (tp / (tp + fp + fn)))[shown].sum(),
        "nmcovering": np.mean(
            [covering_by_best(t, c, all_candidates(t))[0] for t, c in images]
        ),
        "mean_nodes": np.mean([int(tree.num_nodes) - 1 for tree, _ in images]),
        "mean_leaves": np.mean([np.unique(tree.labels).size for tree, _ in images]),
        "images": 6,
        "skipped": 0,
    }
    state = _state(images)
    found = state.compute()
    np.testing.assert_array_equal(np.isnan(state.tally.ious()), ~shown)
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-11), name
    assert set(found) == {*expected, *(f"nmcovering_at_{n}" for n in NUM_REGIONS)}


@settings(max_examples=30, deadline=None)
@given(tree=region_trees(max_side=12))
def test_leaves_as_ground_truth_score_one(tree):
    leaves, classes = np.unique(tree.labels, return_inverse=True)
    classes = classes.reshape(tree.labels.shape)
    image = score(tree, classes, num_classes=leaves.size)
    scores = OverlapState.empty(leaves.size).update(image).compute()
    for name in ("miou", "pacc", "macc", "fiou", "nmcovering"):
        assert scores[name] == 1, name


@settings(max_examples=40, deadline=None)
@given(data=st.data(), tree=region_trees(max_side=12))
def test_larger_budgets_score_no_less_and_end_at_the_full_score(data, tree):
    classes = data.draw(class_maps(tree.labels.shape, dropped=False))
    # From the first split on: before it, the root stands in, and may cover better.
    first_split = int(np.sum(np.asarray(tree.parents) == 0))
    found = score(tree, classes)
    assert np.all(
        np.diff(found.nmcovering_at[np.array(NUM_REGIONS) >= first_split]) >= 0
    )
    assert found.num_nodes <= NUM_REGIONS[-1]
    assert found.nmcovering_at[-1] == found.nmcovering


def test_a_split_that_does_not_fit_ends_the_sequence():
    # Three children of the root at a high cost; below the first a pair at a low one.
    labels = np.array([[4, 5, 2, 2, 3, 3]])
    tree = make_tree(
        labels, [-1, 0, 0, 0, 1, 1], [0, 1, 1, 1, 2, 2], [0, 0.5, 0.5, 0.5, 0.1, 0.1]
    )
    classes = np.array([[0, 1, 1, 1, 1, 1]])
    at = score(tree, classes).nmcovering_at[:5]
    root, all_five = (1 / 6 + 5 / 6) / 2, (1 + 2 / 5) / 2
    three = (1 / 2 + 2 / 5) / 2  # node 1 for class 0, node 2 for class 1
    assert at == pytest.approx([root] * 2 + [three] * 2 + [all_five])


def test_ties_go_to_the_lowest_node_and_a_root_by_itself_is_a_candidate():
    # Nodes 1 and 3 hold the same pixels: a chain.
    labels = np.array([[3, 3, 2, 2]])
    tree = make_tree(labels, [-1, 0, 0, 1], [0, 1, 1, 2], [0, 0.1, 0.1, 0.2])
    assert score(tree, np.array([[0, 0, 1, 1]])).matches.nodes[:2].tolist() == [1, 2]
    image = score(make_tree(labels * 0, [-1], [0], [0]), np.array([[0, 0, 0, 1]]))
    assert image.nmcovering == pytest.approx((3 / 4 + 1 / 4) / 2)
    assert (image.num_nodes, image.num_leaves) == (0, 1)
    empty = OverlapState.empty(CLASSES).compute()
    assert np.isnan([empty["miou"], empty["nmcovering"]]).all()


@functools.cache
def _parts():
    """States of six images, one of them without ground truth."""
    images = list(_images(6, seed=3))
    images[4] = (images[4][0], np.full((24, 32), -1))
    return tuple(_state([image]) for image in images)


@settings(max_examples=20, deadline=None)
@given(order=st.permutations(range(6)), cut=st.integers(0, 6))
def test_no_order_of_merging_changes_a_digit(order, cut):
    parts, empty = _parts(), OverlapState.empty(CLASSES)
    whole = states.merge_all(parts).compute()
    first = states.merge_all([empty, *(parts[i] for i in order[:cut])])
    second = states.merge_all([empty, *(parts[i] for i in order[cut:])])
    assert second.merge(first).compute() == whole
    scored = states.merge_all(parts[:4] + parts[5:]).compute()
    assert whole == {**scored, "skipped": 1}  # and counts nowhere else


def test_what_does_not_fit_is_named():
    with pytest.raises(ValueError, match=r"labels are \[8, 12\] and .* \[4, 6\]"):
        score(quadrants(), np.zeros((4, 6), int))
    with pytest.raises(ValueError, match=r"below 5 for the columns .* found 255"):
        score(quadrants(), np.full((8, 12), 255))  # raw ids
    with pytest.raises(ValueError, match="same classes and settings"):
        OverlapState.empty(5).merge(OverlapState.empty(6))
