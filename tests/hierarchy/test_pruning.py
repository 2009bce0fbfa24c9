import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from trees import make_tree, random_tree

from uhseg_jax.hierarchy.cuts import NO_PARENT
from uhseg_jax.hierarchy.placement import on_nodes
from uhseg_jax.hierarchy.pruning import collapse_empty

N = 32  # one padded size, so that one program serves all examples


def closed(tree, areas):
    arrays = (tree.labels, tree.parents, tree.depths, tree.costs)
    padding = N - len(tree.parents)
    return on_nodes(
        make_tree(*arrays, padding=padding),
        collapse_empty,
        np.pad(np.asarray(areas, np.int32), (0, padding)),
    )


def regions(parents, leaf_sets):
    """The set of leaves under every node."""
    found = [set(x) for x in leaf_sets]
    for node in range(len(parents) - 1, 0, -1):
        found[parents[node]] |= found[node]
    return [frozenset(x) for x in found]


def survivors(tree, areas):
    """Distinct regions that have cells, by plain Python on sets of leaves."""
    leaves = [{i} if area else set() for i, area in enumerate(areas)]
    found = regions(tree.parents, leaves)
    kept = {}
    for node, region in enumerate(found):
        if region and region not in kept:  # parents come first: the outermost stays
            kept[region] = node
    return kept


@given(st.integers(0, 10**6), st.integers(0, 2**31))
@settings(max_examples=60, deadline=None)
def test_what_remains_are_the_distinct_regions_with_cells(seed, which):
    tree = random_tree(seed, num_splits=6)
    rng = np.random.default_rng(which)
    leaf = ~np.isin(np.arange(len(tree.parents)), tree.parents)
    areas = np.where(leaf, rng.integers(0, 3, leaf.size) * rng.integers(0, 2), 0)
    areas[np.flatnonzero(leaf)[rng.integers(leaf.sum())]] += 1  # cells lie somewhere
    found, numbers = closed(tree, areas)
    count = int(found.num_nodes)
    wanted = survivors(tree, areas)
    assert count == len(wanted)

    parents = np.asarray(found.parents)
    assert parents[0] == NO_PARENT
    assert (parents[count:] == NO_PARENT).all()
    assert all(0 <= parents[i] < i for i in range(1, count))
    assert (np.bincount(parents[1:count], minlength=1) != 1).all()
    leaves = [set() for _ in range(count)]
    for node, area in enumerate(areas):
        if area:
            leaves[numbers[node]].add(node)
    assert set(regions(parents[:count], leaves)) == set(wanted)

    # Order, costs and depths.
    old = list(wanted.values())
    assert [numbers[node] for node in old] == list(range(count))
    np.testing.assert_array_equal(np.asarray(found.costs)[:count], tree.costs[old])
    depths = [0] * count
    for node in range(1, count):
        depths[node] = depths[parents[node]] + 1
    np.testing.assert_array_equal(np.asarray(found.depths)[:count], depths)


def test_a_tree_that_lost_nothing_is_unchanged():
    tree = random_tree(3, num_splits=7)
    areas = np.bincount(tree.labels.ravel(), minlength=len(tree.parents))
    found, numbers = closed(tree, areas)
    n = int(tree.num_nodes)
    assert int(found.num_nodes) == n
    np.testing.assert_array_equal(numbers[:n], np.arange(n))
    np.testing.assert_array_equal(np.asarray(found.parents)[:n], tree.parents[:n])


def test_one_leaf_left_is_the_root():
    tree = random_tree(5, num_splits=5)
    leaf = int(tree.labels[0, 0])
    areas = np.zeros(len(tree.parents), int)
    areas[leaf] = 9
    found, numbers = closed(tree, areas)
    assert int(found.num_nodes) == 1
    assert int(numbers[leaf]) == 0
