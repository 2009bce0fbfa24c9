"""Boundary scores of BSDS500 against explicit grids and dense assignments."""

import itertools
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_oracles import class_maps
from scipy import sparse
from scipy.optimize import linear_sum_assignment
from scipy.sparse.csgraph import min_weight_full_bipartite_matching
from scipy.spatial import KDTree
from skimage.morphology import thin
from trees import quadrants, random_tree

from uhseg_jax.metrics.boundary import BoundaryState, score_stack
from uhseg_jax.metrics.boundary_matching import (
    boundary_map,
    boundary_maps,
    count_matches,
    match_boundaries,
)
from uhseg_jax.metrics.scales import cut_stack
from uhseg_jax.metrics.thinning import thin as thin_lines


def _doubled_grid(labels):
    """The benchmark's `seg2bdry`: edges between pixels on a grid of twice the size."""
    h, w = labels.shape
    grid = np.zeros((2 * h + 1, 2 * w + 1), bool)
    for i in range(h):
        for j in range(w):
            if i + 1 < h and labels[i, j] != labels[i + 1, j]:
                grid[2 * i + 2, 2 * j : 2 * j + 3] = True  # with both its ends
            if j + 1 < w and labels[i, j] != labels[i, j + 1]:
                grid[2 * i : 2 * i + 3, 2 * j + 2] = True
    return grid[2::2, 2::2]


@settings(max_examples=40, deadline=None)
@given(data=st.data(), shape=st.tuples(st.integers(1, 9), st.integers(1, 9)))
def test_boundaries_are_those_of_the_doubled_grid(data, shape):
    labels = data.draw(class_maps(shape, num_classes=3, dropped=False))
    np.testing.assert_array_equal(boundary_map(labels), thin(_doubled_grid(labels)))


def _dense_matching(first, second, radius):
    """Pairs and summed distance of the best assignment, from a dense matrix."""
    a, b = np.argwhere(first), np.argwhere(second)
    if not (len(a) and len(b)):
        return 0, 0.0
    distances = np.linalg.norm(a[:, None] - b[None], axis=2)
    costs = np.where(distances <= radius, distances, 1e6)
    rows, columns = linear_sum_assignment(costs)
    paired = costs[rows, columns] < 1e6
    return paired.sum(), costs[rows, columns][paired].sum()


@settings(max_examples=40, deadline=None)
@given(data=st.data(), radius=st.sampled_from([0.0, 1.0, 1.5, 2.9]))
def test_as_many_pixels_pair_as_can(data, radius):
    maps = [
        data.draw(class_maps((8, 9), num_classes=n, dropped=False)) == 0 for n in (2, 3)
    ]
    matched = match_boundaries(*maps, radius)
    expected, _ = _dense_matching(*maps, radius)
    for found, pixels in zip(matched, maps, strict=True):
        assert found.sum() == expected
        assert not np.any(found & ~pixels)


@settings(max_examples=60, deadline=None)
@given(st.data(), st.tuples(st.integers(1, 12), st.integers(1, 12)))
def test_shapes_are_thinned_as_scikit_image_thins_them(data, shape):
    drawn = data.draw(st.lists(st.booleans(), min_size=144, max_size=144))
    pixels = np.array(drawn).reshape(12, 12)[: shape[0], : shape[1]]
    np.testing.assert_array_equal(thin_lines(pixels), thin(pixels))
    thick = np.kron(pixels, np.ones((3, 4), bool))
    np.testing.assert_array_equal(thin_lines(thick), thin(thick))


def _undivided(first, second, radius):
    """The assignment of all pixels at once, by the same solver, from a KD tree."""
    a, b = np.argwhere(first), np.argwhere(second)
    near = KDTree(a).sparse_distance_matrix(KDTree(b), radius, output_type="ndarray")
    alone = np.arange(len(a))
    values = [near["v"] + 1, np.full(len(a), (radius + 2) * (len(a) + 1))]
    at = [near["i"], alone], [near["j"], len(b) + alone]
    costs = sparse.coo_matrix(
        (np.concatenate(values), [np.concatenate(x) for x in at])
    ).tocsr()
    rows, columns = min_weight_full_bipartite_matching(costs)
    paired = columns < len(b)
    matched = np.zeros_like(first), np.zeros_like(second)
    matched[0][tuple(a[rows[paired]].T)] = True
    matched[1][tuple(b[columns[paired]].T)] = True
    return matched


def test_components_that_maps_share_are_matched_as_all_pixels_at_once():
    """The same pixels, also where several are equally near."""
    humans = [boundary_map(random_tree(i, height=60, width=80).labels) for i in (1, 2)]
    tree = random_tree(3, height=60, width=80, num_splits=9)
    maps, shown = boundary_maps(cut_stack(tree, num_regions=(3, 3, 6, 9, 12)))
    assert shown.tolist() == [0, 0, 1, 2, 3]
    counts = count_matches(maps, np.stack(humans), 3.3)
    for one, count in zip(maps, counts, strict=True):
        found = [_undivided(one, human, 3.3) for human in humans]
        for human, expected in zip(humans, found, strict=True):
            np.testing.assert_array_equal(match_boundaries(one, human, 3.3), expected)
        mine, theirs = zip(*found, strict=True)
        assert count.tolist() == [np.sum(theirs), np.any(mine, axis=0).sum(), one.sum()]


def test_candidates_of_large_maps_are_looked_up_in_parts():
    """At once they would take 200 MB: 20,000 pixels with 1,257 neighbours each."""
    first = np.zeros((400, 400), bool)
    first[::8] = True
    second = np.zeros_like(first)
    second[::80, ::80] = True
    tracemalloc.start()
    try:
        mine, theirs = match_boundaries(first, second, 20.0)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert mine.sum() == theirs.sum() == second.sum()
    assert peak < 80e6


def test_among_equal_numbers_of_pairs_the_nearest_win():
    first = np.zeros((1, 12), bool)
    second = first.copy()
    first[0, [0, 3, 11]] = True
    second[0, 4] = True
    matched, _ = match_boundaries(first, second, 4.0)
    assert np.flatnonzero(matched[0]).tolist() == [3]


def _f(recall, precision):
    return 2 * recall * precision / (recall + precision) if recall + precision else 0.0


def _oracle(images, radius_share):
    """ODS, OIS and AP by the benchmark's own steps, one scale and image at a time."""
    scales = len(images[0][0])
    counts = np.zeros((len(images), scales, 4))  # matched human, human, machine ...
    for i, (stack, annotations) in enumerate(images):
        radius = radius_share * np.hypot(*stack[0].shape)
        humans = [thin(_doubled_grid(x)) for x in annotations]
        for t, labels in enumerate(stack):
            machine = thin(_doubled_grid(labels))
            any_match = np.zeros_like(machine)
            for human in humans:
                mine, theirs = match_boundaries(machine, human, radius)
                counts[i, t, 0] += theirs.sum()
                counts[i, t, 1] += human.sum()
                any_match |= mine
            counts[i, t, 2:] = any_match.sum(), machine.sum()

    def recall_precision(row):
        return row[0] / max(row[1], 1), row[2] / max(row[3], 1)

    curve = [recall_precision(row) for row in counts.sum(axis=0)]
    ods = max(_f(*point) for point in curve)
    for (r0, p0), (r1, p1) in itertools.pairwise(curve):
        for d in np.linspace(0, 1, 100):
            ods = max(ods, _f(r1 * d + r0 * (1 - d), p1 * d + p0 * (1 - d)))
    chosen = sum(
        max(rows, key=lambda row: _f(*recall_precision(row))) for rows in counts
    )
    by_recall = {}
    for r, p in curve:
        by_recall[r] = max(p, by_recall.get(r, 0.0))
    levels = sorted(by_recall)
    area = 0.0
    for at in np.linspace(0, 1, 101):
        if len(levels) > 1 and levels[0] <= at <= levels[-1]:
            area += 0.01 * np.interp(at, levels, [by_recall[r] for r in levels])
    return {
        "boundary_ods": ods,
        "boundary_ois": _f(*recall_precision(chosen)),
        "boundary_ap": area,
        "images": len(images),
    }


def _images(count, *, seed=0):
    for index in range(count):
        tree = random_tree(seed + index, height=20, width=26, num_splits=6)
        annotations = [
            random_tree(seed + 50 + 5 * index + k, height=20, width=26).labels
            for k in range(1 + index % 3)
        ]
        yield cut_stack(tree, num_regions=(1, 2, 4, 8, 30, 40)), annotations


def test_a_set_scores_as_the_benchmark_does_it():
    images = list(_images(4))
    state = merged = empty = BoundaryState.empty(6)
    for stack, annotations in images:
        image = score_stack(stack, annotations, max_distance=0.05)
        state = state.update(image)
        merged = empty.update(image).merge(merged)
    assert state.compute() == pytest.approx(_oracle(images, 0.05), abs=1e-12)
    assert state.compute() == merged.compute()


def test_equal_boundaries_score_one():
    tree = quadrants(20, 30)
    image = score_stack(cut_stack(tree, num_regions=(1, 2, 4)), [tree.labels] * 2)
    scores = BoundaryState.empty(3).update(image).compute()
    assert scores["boundary_ods"] == scores["boundary_ois"] == 1
    assert image.row() == {"boundary_f": 1}
    assert image.machine[0] == 0  # one region has no boundary


def test_nothing_to_find_scores_zero_without_a_warning():
    flat = np.zeros((1, 9, 9), int)
    state = BoundaryState.empty(1).update(score_stack(flat, [flat[0]]))
    assert state.compute() == {
        "boundary_ods": 0,
        "boundary_ois": 0,
        "boundary_ap": 0,
        "images": 1,
    }
