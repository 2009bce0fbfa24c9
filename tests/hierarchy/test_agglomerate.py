"""Agglomeration against a plain search over all pairs, and against scipy's linkages."""

import itertools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.cluster.hierarchy
from merge_references import SIZE, merged_sets, random_problem, slow_merges

from uhseg_jax.hierarchy.agglomerate import agglomerate, squared_distances
from uhseg_jax.hierarchy.merges import APART, GROUPS, TOUCHING


def merge(problem):
    """All merges, with distances from the vectors."""
    arrays = dict(vars(problem))
    distances = squared_distances(arrays.pop("vectors"), problem.areas)
    return agglomerate(distances, **arrays)


@pytest.fixture(scope="module")
def program():
    """One compiled program for all problems of one size."""
    return jax.jit(merge).lower(random_problem(0)).compile()


@pytest.mark.parametrize("seed", range(12))
def test_merges_are_those_of_a_search_over_all_pairs(program, seed):
    problem = random_problem(seed, num_groups=1 + seed % 4)
    found, wanted = program(problem), slow_merges(problem)
    count = len(wanted)
    assert int(found.count) == count == np.count_nonzero(problem.areas) - 1
    np.testing.assert_array_equal(found.children[:count], [x[0] for x in wanted])
    np.testing.assert_allclose(found.heights[:count], [x[1] for x in wanted], 1e-5)
    np.testing.assert_array_equal(found.stages[:count], [x[2] for x in wanted])
    np.testing.assert_array_equal(found.children[count:], -1)
    assert np.isinf(found.heights[count:]).all()
    np.testing.assert_array_equal(found.members, problem.areas > 0)


def test_all_stages_come_and_heights_never_fall_within_one(program):
    found = program(random_problem(1, num_groups=3))
    count = int(found.count)
    stages, heights = np.asarray(found.stages)[:count], np.asarray(found.heights)
    assert set(stages) == {TOUCHING, APART, GROUPS}
    assert (np.diff(stages) >= 0).all()
    for stage in (TOUCHING, APART, GROUPS):
        assert (np.diff(heights[:count][stages == stage]) >= 0).all()


def test_ties_go_to_the_lowest_vertices(program):
    problem = random_problem(2)
    same = problem.replace(vectors=0 * problem.vectors, edge_weight=np.float32(0))
    found, wanted = program(same), slow_merges(same)
    np.testing.assert_array_equal(found.children[: len(wanted)], [x[0] for x in wanted])
    assert (np.asarray(found.heights)[np.asarray(found.stages) == TOUCHING] == 0).all()


def test_a_union_that_ties_with_the_nearest_goes_before_it(program):
    # 1 and 3 are alike and merge; 0 touches 2 and 3, and is as far from both.
    problem = random_problem(0)
    edges, lengths = 0 * problem.edges, 0 * problem.lengths
    edges[:3], lengths[:3] = [[0, 2], [0, 3], [1, 3]], 1
    found = program(
        problem.replace(
            vectors=np.float32(np.arange(SIZE)[:, None] == np.zeros(5)),
            areas=np.float32(np.arange(SIZE) < 4),
            edges=edges,
            lengths=lengths,
            edge_weight=np.float32(0),
            exponent=np.float32(0),
        )
    )
    wanted = [[1, 3], [0, SIZE], [SIZE + 1, 2]]
    np.testing.assert_array_equal(found.children[:3], wanted)


def test_a_permutation_changes_nothing_but_numbers(program):
    problem = random_problem(3, num_groups=3)
    order = np.random.default_rng(0).permutation(SIZE)  # new vertex: old vertex
    new = np.argsort(order)
    moved = problem.replace(
        vectors=problem.vectors[order],
        areas=problem.areas[order],
        edges=new[problem.edges].astype(np.int32),
        groups=problem.groups[order],
    )
    before, after = program(problem), program(moved)
    assert merged_sets(before) == [
        frozenset(map(frozenset, ([order[i] for i in side] for side in pair)))
        for pair in merged_sets(after)
    ]
    np.testing.assert_allclose(before.heights, after.heights, 1e-5)


def test_images_of_a_batch_are_merged_as_they_are_alone(program):
    problems = [random_problem(seed, num_groups=2) for seed in (4, 5)]
    batched = jax.jit(jax.vmap(merge))(jax.tree.map(lambda *x: np.stack(x), *problems))
    for i, problem in enumerate(problems):
        wanted = vars(program(problem))
        np.testing.assert_allclose(batched.heights[i], wanted.pop("heights"), 1e-5)
        for name, x in wanted.items():
            np.testing.assert_array_equal(getattr(batched, name)[i], x)


def test_no_matrix_is_copied_in_the_loop(program):
    copies = re.findall(r"= f32\[(\d+),\1\]\S* copy\(", program.as_text())
    large = [size for size in copies if int(size) >= SIZE]
    assert len(large) <= 3  # of the three before the loop


@pytest.mark.slow
@pytest.mark.parametrize(("method", "exponent"), [("ward", 1.0), ("centroid", 0.0)])
def test_on_a_complete_graph_and_not_compiled_it_is_the_linkage_of_scipy(
    method, exponent
):
    vectors = np.random.default_rng(7).normal(size=(SIZE, 5)).astype(np.float32)
    edges = jnp.array(list(itertools.combinations(range(SIZE), 2)), jnp.int32)
    ones, areas = jnp.ones((len(edges),)), jnp.ones((SIZE,))
    distances = squared_distances(jnp.asarray(vectors), areas)
    found = agglomerate(distances, areas, edges, ones, ones, exponent=exponent)
    linkage = scipy.cluster.hierarchy.linkage(vectors.astype(np.float64), method)
    np.testing.assert_array_equal(
        np.sort(found.children, axis=1), np.sort(linkage[:, :2].astype(int), axis=1)
    )
    heights = linkage[:, 2] ** 2 / (2 if method == "ward" else 1)
    np.testing.assert_allclose(found.heights, np.maximum.accumulate(heights), 1e-5)


def test_groups_whose_level_is_infinite_never_merge(program):
    problem = random_problem(8, num_groups=2)
    levels = np.full_like(problem.group_levels, np.inf)
    found = program(problem.replace(group_levels=levels))
    assert int(found.count) == np.count_nonzero(problem.areas) - 2
    assert GROUPS not in np.asarray(found.stages)[: int(found.count)]


def test_nothing_but_padding_merges_nothing(program):
    problem = random_problem(9)
    assert int(program(problem.replace(areas=0 * problem.areas)).count) == 0


def test_groups_without_levels_are_refused():
    line = jnp.ones((2,))
    arrays = jnp.ones((2, 2)), line, jnp.zeros((2, 2), jnp.int32), line, line
    with pytest.raises(ValueError, match="only groups came"):
        agglomerate(*arrays, groups=jnp.zeros((2,), jnp.int32))
    with pytest.raises(ValueError, match="only group_levels came"):
        agglomerate(*arrays, group_levels=jnp.zeros((1, 1)))


def test_distances_are_those_of_the_vectors_far_from_the_origin():
    rng = np.random.default_rng(3)
    vectors = (rng.normal(size=(SIZE, 6)) + 100).astype(np.float32)
    areas = np.append(np.ones(SIZE - 1), 0).astype(np.float32)
    found = np.asarray(squared_distances(jnp.asarray(vectors), jnp.asarray(areas)))
    exact = vectors.astype(np.float64)
    wanted = ((exact[:, None] - exact[None]) ** 2).sum(-1)
    np.testing.assert_allclose(found[:-1, :-1], wanted[:-1, :-1], 1e-4)
    np.testing.assert_array_equal(found, found.T)
    assert not found[-1].any()
    assert not np.diagonal(found).any()
