"""The cut that agrees with known regions, against all cuts that there are."""

import itertools

import numpy as np
import pytest
from trees import random_tree

from uhseg_jax.hierarchy import host_cuts
from uhseg_jax.metrics.contingency import contingency_table
from uhseg_jax.video.agreement import agreeing_cut, agreements, cut_of_most


def table(tree, known):
    return contingency_table(tree.labels, known, num_rows=len(tree.parents))


def every_cut(parents):
    """All sets of nodes that divide the whole, as the node that holds each."""

    def below(node):
        children = np.flatnonzero(parents == node)
        yield [node]
        if children.size:
            for parts in itertools.product(*(list(below(x)) for x in children)):
                yield list(itertools.chain(*parts))

    return below(0)


def value(nodes, parents, costs, gains):
    opened = set()
    for node in nodes:
        while (node := parents[node]) >= 0:
            opened.add(node)
    lost = 0.0
    for node in opened:
        own = costs[parents == node]
        lost += own.mean() * (own.size - 1)
    return gains[nodes].sum() - lost


@pytest.mark.parametrize("seed", range(4))
def test_no_cut_has_more_gain_less_costs(seed):
    tree = random_tree(seed, num_splits=5)
    parents, costs = tree.parents, tree.costs
    gains = np.random.default_rng(seed).random(len(parents))
    cuts = list(every_cut(parents))
    leaves = max(map(len, cuts))
    for count in (1, 3, leaves, leaves + 4):
        held = cut_of_most(parents, costs, gains, count)
        found = np.unique(held[tree.labels])
        size = max(len(x) for x in cuts if len(x) <= count)
        values = [value(x, parents, costs, gains) for x in cuts if len(x) == size]
        assert len(found) == size
        np.testing.assert_allclose(
            value(found.tolist(), parents, costs, gains), max(values), rtol=1e-5
        )


def test_what_a_node_adds_is_its_share_times_its_best_intersection_over_union():
    tree = random_tree(1)
    known = np.random.default_rng(0).integers(-1, 3, tree.labels.shape)
    there = known >= 0
    for mask, found in zip(
        tree.masks(), agreements(tree, table(tree, known)), strict=True
    ):
        mask = mask & there
        best = max((mask & (known == x)).sum() / (mask | (known == x)).sum()
                   for x in range(3))  # fmt: skip
        np.testing.assert_allclose(found, best * mask.sum() / there.sum())


def test_where_nothing_is_known_splits_of_low_cost_open():
    tree = random_tree(3, num_splits=6, max_children=2)
    held = agreeing_cut(tree, np.zeros((len(tree.parents), 0), int), 4, weight=1.0)
    assert len(np.unique(held[tree.labels])) == 4
    costs = host_cuts.split_costs(tree.parents, tree.costs)
    totals = [
        sum(costs[x] for x in {int(tree.parents[y]) for y in _above(tree, cut)})
        for cut in every_cut(tree.parents)
        if len(cut) == 4
    ]
    opened = {int(tree.parents[y]) for y in _above(tree, np.unique(held[tree.labels]))}
    np.testing.assert_allclose(sum(costs[x] for x in opened), min(totals), rtol=1e-5)


def test_what_is_known_of_one_frame_is_found_again():
    tree = random_tree(5, num_splits=7)
    known = np.full(tree.labels.shape, -1)
    cut = tree.cut(num_regions=4)
    known[:12] = np.unique(cut, return_inverse=True)[1].reshape(cut.shape)[:12]
    held = agreeing_cut(tree, table(tree, known), len(np.unique(cut)), weight=100.0)
    one, other = held[tree.labels][:12], cut[:12]
    pairs = np.unique(np.stack([one.ravel(), other.ravel()]), axis=1)
    assert pairs.shape[1] == len(np.unique(other))


def _above(tree, nodes):
    """The nodes of a cut, and those above them but the root."""
    found = set()
    for node in nodes:
        while node > 0:
            found.add(int(node))
            node = tree.parents[node]
    return found
