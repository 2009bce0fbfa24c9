"""Trees and flat regions of merges against sets of vertices joined one by one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from merge_references import SIZE, merged_sets, random_problem, slow_merges
from trees import on_device, random_tree

from uhseg_jax.hierarchy.agglomerate import agglomerate
from uhseg_jax.hierarchy.cuts import NO_PARENT
from uhseg_jax.hierarchy.merge_tree import levels_of, tree_of
from uhseg_jax.hierarchy.merges import GROUPS, Merges, flat_regions
from uhseg_jax.hierarchy.placement import on_nodes, visible_nodes

flat = jax.jit(flat_regions)
grown = jax.jit(tree_of, static_argnames="max_regions")


def merges_of(problem):
    """The merges of the plain search, as arrays."""
    found = slow_merges(problem)
    padding = SIZE - 1 - len(found)
    stages = [x[2] for x in found] + [GROUPS] * padding
    return Merges(
        children=jnp.array([x[0] for x in found] + [[-1, -1]] * padding, jnp.int32),
        heights=jnp.array([x[1] for x in found] + [np.inf] * padding, jnp.float32),
        stages=jnp.array(stages, jnp.int32),
        count=jnp.asarray(len(found), jnp.int32),
        members=jnp.asarray(problem.areas > 0),
    )


def partition(labels, members):
    """The sets of vertices of equal label, ordered by their lowest vertices."""
    sets = {}
    for vertex in np.flatnonzero(members):
        sets.setdefault(int(labels[vertex]), set()).add(int(vertex))
    return list(sets.values())


def joined(merges, num_regions):
    """The regions before the last merges, by joining sets."""
    sets = {frozenset([i]) for i in np.flatnonzero(merges.members)}
    for pair in merged_sets(merges)[: max(int(merges.count) + 1 - num_regions, 0)]:
        sets = sets - pair | {frozenset.union(*pair)}
    return sorted(map(set, sets), key=min)


@pytest.mark.parametrize("num_regions", [1, 2, 7, 20, 21, 40])
def test_flat_regions_are_those_before_the_last_merges(num_regions):
    merges = merges_of(random_problem(0))
    labels, count = flat(merges, num_regions)
    wanted = joined(merges, num_regions)
    assert partition(labels, merges.members) == wanted
    assert int(count) == len(wanted)
    first = [labels[min(x)] for x in wanted]
    np.testing.assert_array_equal(first, np.arange(len(wanted)))
    assert (np.asarray(labels)[~np.asarray(merges.members)] == NO_PARENT).all()


@pytest.mark.parametrize("max_regions", [1, 8, 40])
def test_cuts_of_the_tree_are_the_flat_regions(max_regions):
    merges = merges_of(random_problem(1))
    costs = jnp.exp(-merges.heights)
    found = grown(merges, costs, max_regions=max_regions)
    num_regions = min(max_regions, int(merges.count) + 1)
    count = 2 * num_regions - 1
    assert int(found.num_nodes) == count
    assert found.parents.shape == (2 * max_regions - 1,)
    parents = np.asarray(found.parents)
    assert (parents[:count] < np.arange(count)).all()
    assert (parents[count:] == NO_PARENT).all()
    depths = [0]
    for node in range(1, count):
        depths.append(depths[parents[node]] + 1)
    np.testing.assert_array_equal(np.asarray(found.depths)[:count], depths)
    assert (np.asarray(found.leaves)[~np.asarray(merges.members)] == NO_PARENT).all()

    # The split of nodes 2j + 1 and 2j + 2 undoes the j-th merge from the end.
    for of_nodes, of_merges in ((found.costs, costs), (found.stages, merges.stages)):
        undone = np.asarray(of_merges)[: int(merges.count)][::-1][: num_regions - 1]
        np.testing.assert_array_equal(of_nodes[1:count:2], undone)
        np.testing.assert_array_equal(of_nodes[2:count:2], undone)

    tree = found.tree(jnp.maximum(found.leaves, 0).reshape(4, 6))
    for k in {1, min(2, num_regions), min(5, num_regions), num_regions}:
        cut = np.asarray(tree.cut(num_regions=k)).ravel()
        assert partition(cut, merges.members) == joined(merges, k)


@pytest.mark.parametrize("present", [0, 1])
def test_without_merges_the_root_is_all(present):
    problem = random_problem(2)
    areas = np.where(np.arange(SIZE) < present, problem.areas + 1, 0)
    merges = merges_of(problem.replace(areas=areas.astype(np.float32)))
    found = grown(merges, jnp.zeros((SIZE - 1,)), max_regions=8)
    assert int(found.num_nodes) == 1
    np.testing.assert_array_equal(found.leaves[:present], 0)


def test_a_graph_of_one_vertex_is_a_tree_of_one_node():
    @jax.jit
    def segmented():
        line, none = jnp.ones((1,)), jnp.ones((0,))
        edges = jnp.zeros((0, 2), jnp.int32)
        merges = agglomerate(jnp.zeros((1, 1)), line, edges, none, none)
        tree = tree_of(merges, merges.heights, max_regions=4)
        return merges, tree, flat_regions(merges, 3)

    merges, tree, (labels, count) = segmented()
    assert int(merges.count) == 0
    assert merges.children.shape == (0, 2)
    assert int(tree.num_nodes) == int(count) == 1
    np.testing.assert_array_equal(tree.leaves, [0])
    np.testing.assert_array_equal(tree.parents, np.full(7, NO_PARENT))
    np.testing.assert_array_equal(labels, [0])


@pytest.mark.slow
def test_groups_merge_as_the_tree_above_them_divides():
    tree = on_device(random_tree(3, height=4, width=6, num_splits=6, max_children=2))
    groups = tree.labels.ravel()
    problem = random_problem(4)

    @jax.jit
    def merged(levels):
        x = problem.vectors[:, 0]
        return agglomerate(
            jnp.asarray((x[:, None] - x[None]) ** 2),
            jnp.ones((SIZE,)),
            *map(jnp.asarray, (problem.edges, problem.lengths, problem.evidence)),
            groups=groups,
            group_levels=levels,
        )

    merges = merged(on_nodes(tree, levels_of))
    for k in range(1, 8):
        visible = visible_nodes(tree, num_regions=k)[groups]
        labels, _ = flat(merges, k)
        assert partition(labels, merges.members) == partition(visible, merges.members)
