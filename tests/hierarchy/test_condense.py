"""Merging in large sparse graphs, against the plain search over all pairs."""

import time

import numpy as np
import pytest
from merge_references import random_problem, slow_merges

from uhseg_jax.hierarchy import condense as condense_module
from uhseg_jax.hierarchy.condense import condense
from uhseg_jax.hierarchy.merges import TOUCHING


def problem_of(seed):
    """A graph whose vertices all count, with the borders that are there."""
    problem = random_problem(seed)
    kept = np.flatnonzero(problem.areas)
    numbers = np.full(len(problem.areas), -1)
    numbers[kept] = np.arange(kept.size)
    there = problem.lengths > 0
    return problem.replace(
        vectors=problem.vectors[kept],
        areas=problem.areas[kept],
        edges=numbers[problem.edges[there]].astype(np.int32),
        lengths=problem.lengths[there],
        evidence=problem.evidence[there],
        groups=problem.groups[kept],
    )


def condensed(problem, num_regions):
    return condense(
        problem.vectors,
        problem.areas,
        problem.edges,
        problem.lengths,
        problem.evidence,
        num_regions=num_regions,
        edge_weight=float(problem.edge_weight),
        exponent=float(problem.exponent),
    )


def regions_after(merges, n, count):
    """The region of every vertex after some merges, in the order of lowest vertices."""
    sets = {i: [i] for i in range(n)}
    for t, ((a, b), _, _) in enumerate(merges[:count]):
        sets[n + t] = sets.pop(a) + sets.pop(b)
    labels = np.empty(n, int)
    for number, members in enumerate(sorted(map(sorted, sets.values()))):
        labels[members] = number
    return labels


@pytest.mark.parametrize("seed", range(12))
def test_regions_are_those_of_a_search_over_all_pairs(seed):
    problem = problem_of(seed)
    n, wanted = len(problem.areas), slow_merges(problem)
    touching = sum(stage == TOUCHING for _, _, stage in wanted)
    for num_regions in range(1, n + 1):
        count = min(n - num_regions, touching)
        np.testing.assert_array_equal(
            condensed(problem, num_regions), regions_after(wanted, n, count)
        )


def test_ties_go_to_the_lowest_vertices():
    problem = problem_of(2)
    same = problem.replace(
        vectors=0 * problem.vectors,
        areas=np.ones_like(problem.areas),
        edge_weight=np.float32(0),
        exponent=np.float32(0),
    )
    n, wanted = len(same.areas), slow_merges(same)
    touching = sum(stage == TOUCHING for _, _, stage in wanted)
    for num_regions in range(n - touching, n + 1):
        np.testing.assert_array_equal(
            condensed(same, num_regions), regions_after(wanted, n, n - num_regions)
        )


def test_one_region_without_borders_stays():
    labels = condense(
        np.zeros((1, 3), np.float32),
        np.ones(1),
        np.zeros((0, 2), np.int32),
        np.zeros(0),
        np.zeros(0),
        num_regions=1,
    )
    np.testing.assert_array_equal(labels, [0])


@pytest.mark.parametrize("seed", range(8))
def test_looking_at_few_neighbours_changes_no_merge(seed, monkeypatch):
    monkeypatch.setattr(condense_module, "_MANY", (2, 4)[seed % 2])
    problem, rng = problem_of(seed), np.random.default_rng(seed)
    n = len(problem.areas)
    # So many borders that regions keep many neighbours, and vectors that are alike.
    pairs = np.stack(np.triu_indices(n, 1), axis=1)
    edges = pairs[rng.random(len(pairs)) < 0.4].astype(np.int32)
    dense = problem.replace(
        vectors=1 + np.float32(0.2) * problem.vectors,
        edges=edges,
        lengths=rng.integers(1, 9, len(edges)).astype(np.float32),
        evidence=rng.uniform(0, 0.1, len(edges)).astype(np.float32),
    )
    wanted = slow_merges(dense)
    for num_regions in range(1, n + 1):
        count = min(n - num_regions, sum(x == TOUCHING for *_, x in wanted))
        np.testing.assert_array_equal(
            condensed(dense, num_regions), regions_after(wanted, n, count)
        )


@pytest.mark.parametrize("seed", range(12))
def test_equal_vectors_merge_first_in_the_order_of_ties(seed):
    problem, rng = problem_of(seed), np.random.default_rng(seed)
    n, e = len(problem.areas), len(problem.edges)
    # Without evidence, with some of it between equal vectors, and with much.
    share = (0, 0.15, 0.5)[seed % 3]
    equal = problem.replace(
        vectors=rng.integers(0, 2, (n, 1)).astype(np.float32) * np.float32(seed % 4),
        areas=np.full(n, 1 / n, np.float32),
        evidence=(rng.random(e) < share).astype(np.float32),
    )
    wanted = slow_merges(equal)
    touching = sum(stage == TOUCHING for _, _, stage in wanted)
    for num_regions in range(1, n + 1):
        count = min(n - num_regions, touching)
        np.testing.assert_array_equal(
            condensed(equal, num_regions), regions_after(wanted, n, count)
        )


def test_a_hundred_thousand_equal_vectors_take_no_time():
    side = 320
    cells = np.arange(side**2).reshape(side, side)
    across = np.stack([cells[:, :-1].ravel(), cells[:, 1:].ravel()], axis=1)
    down = np.stack([cells[:-1].ravel(), cells[1:].ravel()], axis=1)
    edges = np.concatenate([across, down])
    begun = time.process_time()
    labels = condense(
        np.ones((side**2, 2), np.float32),
        np.full(side**2, 1.0),
        edges,
        np.ones(len(edges)),
        np.zeros(len(edges)),
        num_regions=3,
    )
    assert time.process_time() - begun < 5  # half a second; all pairs anew: 30
    # Ties go to the lowest vertices, so the first region takes all but the last two.
    np.testing.assert_array_equal(np.unique(labels, return_counts=True)[1][1:], 1)
