import dataclasses

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import ndimage
from trees import make_tree, on_device, quadrants, random_tree, region_trees

from uhseg_jax.hierarchy.proposals import NO_NODE
from uhseg_jax.hierarchy.tree import NO_PARENT, ROOT

few = settings(max_examples=40, deadline=None)
choices = st.fixed_dictionaries(
    {},
    optional={
        "k": st.integers(1, 12),
        "max_iou": st.floats(0.2, 1),
        "connected": st.booleans(),
        "min_area": st.floats(0, 0.3),
        "pairs": st.booleans(),
    },
)


def ious(masks):
    flat = masks.reshape(len(masks), -1).astype(np.int64)
    shared = flat @ flat.T
    return shared / (np.diag(shared)[:, None] + np.diag(shared) - shared)


def expected_score(tree, mask, node):
    """The score of a set of pixels of a node, from its definition."""
    cuts = [tree.cut(num_regions=n) for n in range(1, int(tree.num_nodes) + 2)]
    shown = [n for n, cut in enumerate(cuts, start=1) if (cut == node).any()]
    most = len(np.unique(cuts[-1]))
    last = max(n for n in shown if n <= most)
    outline = inside = 0
    for axis in (0, 1):
        padded = np.pad(mask, 1)
        sides = np.diff(padded.astype(int), axis=axis) != 0
        within = [slice(1, -1), slice(1, -1)]
        within[axis] = slice(None)
        sides = sides[tuple(within)]
        outline += sides.sum()
        within = [slice(None), slice(None)]
        within[axis] = slice(1, -1)
        inside += sides[tuple(within)].sum()
    share = mask.mean()
    labels, count = ndimage.label(mask, np.ones((3, 3)))
    largest = max((labels == i).sum() for i in range(1, count + 1)) / mask.sum()
    persistence = 1 / min(shown) - 1 / (last + 1)
    return persistence * 2 * np.sqrt(share * (1 - share)) * inside / outline * largest


@few
@given(region_trees(max_side=10), st.booleans())
def test_scores_are_as_defined(tree, connected):
    found = tree.proposals(connected=connected, pairs=False)
    masks = found.masks()
    expected = [
        expected_score(tree, mask, node)
        for mask, node in zip(masks, found.nodes[:, 0], strict=True)
    ]
    np.testing.assert_allclose(found.scores, expected, rtol=1e-9, atol=1e-12)


def num_components(mask):
    return ndimage.label(mask, np.ones((3, 3)))[1]


def renumbered(tree, rng):
    """The same tree with its nodes in another order, parents before children."""
    count = int(tree.num_nodes)
    keys = np.asarray(tree.depths)[:count] + rng.uniform(0, 1, count)
    order = np.argsort(keys)
    number = np.argsort(order)
    parents = np.asarray(tree.parents)[:count][order]
    return make_tree(
        number[tree.labels],
        np.where(parents == NO_PARENT, NO_PARENT, number[parents]),
        np.asarray(tree.depths)[:count][order],
        np.asarray(tree.costs)[:count][order],
    )


@few
@given(region_trees(), choices)
def test_proposals_are_what_they_are_said_to_be(tree, chosen):
    found = tree.proposals(**chosen)
    masks, nodes = found.masks(), tree.masks()
    assert len(found) or chosen.get("min_area")
    assert len(found) <= chosen.get("k", 1000)
    assert found.nodes.dtype == np.int32
    assert (found.scores >= 0).all()
    assert (found.scores <= 1).all()
    assert (np.diff(found.scores) <= 0).all()
    np.testing.assert_array_equal(found.areas(), masks.sum((1, 2)))
    assert (found.areas() >= max(1, chosen.get("min_area", 0) * tree.labels.size)).all()
    if int(tree.num_nodes) > 1:
        assert (found.nodes != ROOT).all()
    for mask, (one, other) in zip(masks, found.nodes, strict=True):
        whole = nodes[one] | nodes[other] if other != NO_NODE else nodes[one]
        assert (mask <= whole).all()
        if not chosen.get("connected", True):
            assert (mask == whole).all()
        if not chosen.get("pairs", True):
            assert other == NO_NODE
        if other != NO_NODE:
            assert not (nodes[one] & nodes[other]).any()


@few
@given(region_trees(), choices)
def test_no_two_proposals_overlap_more_than_they_may(tree, chosen):
    found = tree.proposals(**chosen)
    overlaps = ious(found.masks())[np.triu_indices(len(found), 1)]
    assert (overlaps <= chosen.get("max_iou", 0.95) + 1e-12).all()
    assert (overlaps < 1).all()


@few
@given(region_trees(max_side=10), st.booleans())
def test_every_node_overlaps_a_proposal_more_than_those_left_out(tree, connected):
    masks = tree.masks()[1:]
    found = tree.proposals(max_iou=0.8, connected=connected).masks()
    for mask in masks:
        pieces, count = ndimage.label(mask, np.ones((3, 3)))
        wanted = [pieces == i + 1 for i in range(count)] if connected else [mask]
        for piece in wanted:
            both = (found & piece).sum((1, 2)) / (found | piece).sum((1, 2))
            assert both.max() > 0.8


@few
@given(region_trees(), st.booleans())
def test_connected_proposals_are_in_one_piece(tree, pairs):
    masks = tree.proposals(connected=True, pairs=pairs).masks()
    assert all(num_components(mask) == 1 for mask in masks)


def test_a_region_in_pieces_is_proposed_piece_by_piece():
    labels = [[1, 2, 1, 2, 1]]
    tree = make_tree(labels, [NO_PARENT, 0, 0], [0, 1, 1], [0, 0.5, 0.5])
    assert len(tree.proposals(connected=False)) == 2
    found = tree.proposals(pairs=False)
    assert found.areas().tolist() == [1] * 5
    assert sorted(found.nodes[:, 0].tolist()) == [1, 1, 1, 2, 2]


@few
@given(region_trees(), choices, st.integers(0, 2**32 - 1))
def test_the_numbers_of_nodes_do_not_matter(tree, chosen, seed):
    parents, costs = tree.parents[: int(tree.num_nodes)], np.asarray(tree.costs)
    splits = [costs[np.flatnonzero(parents == p)].mean() for p in set(parents[1:])]
    assume(len(set(np.round(splits, 5))) == len(splits))  # ties open by number
    other = renumbered(tree, np.random.default_rng(seed))
    one, two = tree.proposals(**chosen), other.proposals(**chosen)
    for name in ("pieces", "contains", "scores"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))


@few
@given(region_trees(), choices)
def test_proposals_are_the_same_every_time_and_on_a_device(tree, chosen):
    one, two = tree.proposals(**chosen), on_device(tree).proposals(**chosen)
    for field in dataclasses.fields(one):
        x, y = getattr(one, field.name), getattr(two, field.name)
        assert x.dtype == y.dtype
        np.testing.assert_array_equal(x, y)


@few
@given(region_trees(), choices, st.integers(1, 8))
def test_fewer_proposals_are_the_first_of_more(tree, chosen, k):
    chosen.pop("k", None)
    fewer, more = tree.proposals(k, **chosen), tree.proposals(**chosen)
    np.testing.assert_array_equal(fewer.masks(), more.first(k).masks())
    np.testing.assert_array_equal(fewer.scores, more.first(k).scores)
    np.testing.assert_array_equal(fewer.nodes, more.first(k).nodes)


def test_the_root_is_proposed_only_where_it_is_alone():
    alone = random_tree(0, num_splits=0).proposals()
    assert alone.nodes.tolist() == [[ROOT, NO_NODE]]
    assert alone.masks().all()
    assert ROOT not in quadrants().proposals(pairs=True).nodes


def test_a_batch_has_no_proposals():
    tree = quadrants()
    with pytest.raises(TypeError, match="index it"):
        dataclasses.replace(
            tree, **{n: x[None] for n, x in vars(tree).items()}
        ).proposals()


@pytest.mark.parametrize(
    "wrong",
    [{"k": 0}, {"max_iou": 0.0}, {"max_iou": 1.5}, {"min_area": 2.0}],
)
def test_arguments_out_of_range_are_named(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        quadrants().proposals(**wrong)
