"""Contour maps show the borders of cuts; means of them are contour maps again."""

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.measure import label
from trees import on_device, quadrants, random_tree, region_trees

from uhseg_jax.hierarchy.ultrametric import Ultrametric
from uhseg_jax.metrics.boundary import score_stack
from uhseg_jax.metrics.boundary_matching import boundary_map

few = settings(max_examples=40, deadline=None)
costs = st.sampled_from([0.0, 0.25, 0.5, 1.0]) | st.floats(2**-26, 1, width=32)


@st.composite
def priced_trees(draw, **sizes):
    """Trees with any costs: ties, 0, 1 and children cheaper than their parents."""
    tree = draw(region_trees(**sizes))
    count = len(tree.costs)
    found = draw(st.lists(costs, min_size=count, max_size=count))
    return dataclasses.replace(tree, costs=np.array(found, np.float32))


def borders(labels):
    """Edges between different labels, pixel by pixel, and vertices that touch one."""
    height, width = labels.shape
    drawn = np.zeros((2 * height + 1, 2 * width + 1), bool)
    for row, column in np.ndindex(height, width):
        for down, right in ((0, 1), (1, 0)):
            there = row + down, column + right
            if there[0] < height and there[1] < width:
                place = 2 * row + 1 + down, 2 * column + 1 + right
                drawn[place] = labels[row, column] != labels[there]
    edges = drawn.copy()
    for row, column in itertools.product(
        range(0, 2 * height + 1, 2), range(0, 2 * width + 1, 2)
    ):
        around = edges[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
        drawn[row, column] = around.any()  # pixels and vertices are clear there
    return drawn


def same_cut(contours, threshold, labels):
    np.testing.assert_array_equal(contours.edges > threshold, borders(labels))
    pieces = label(labels, connectivity=1, background=-1) - 1
    np.testing.assert_array_equal(contours.cut(threshold), pieces)
    drawn = boundary_map(labels)
    np.testing.assert_array_equal(boundary_map(contours.cut(threshold)), drawn)


@few
@given(priced_trees(), costs)
def test_above_one_less_a_cost_lie_the_borders_of_the_cut_of_that_cost(tree, cost):
    contours = tree.ultrametric()
    assert contours.edges.min() >= 0
    assert contours.edges.max() <= 1
    own = tree.costs[: int(tree.num_nodes)]
    near = np.concatenate([own, np.nextafter(own, np.float32(2)), [cost]])
    for c in {0.0, 1.0, *near[-12:].tolist()}:
        if c == 0 or 1e-8 <= c <= 1:
            same_cut(contours, 1 - c, tree.cut(cost=c))


@few
@given(priced_trees())
def test_above_one_over_a_number_lie_the_borders_of_the_cut_to_fewer(tree):
    contours = tree.ultrametric(scale="order")
    for k in (1, 2, 3, 4, 7, 30):
        same_cut(contours, 1 / (k + 1), tree.cut(num_regions=k))


@few
@given(priced_trees(max_side=9))
def test_the_image_thresholds_to_the_boundaries_of_the_cuts(tree):
    contours = tree.ultrametric()
    image = contours.image()
    assert image.shape == tree.labels.shape
    for c in (0.2, 0.5, 0.9):
        c = float(np.float32(c))
        drawn = borders(tree.cut(cost=c))[2::2, 2::2]
        np.testing.assert_array_equal(image > 1 - c, drawn)


def test_f_of_the_map_is_f_of_the_cuts():
    truths = [random_tree(seed, height=12, width=15).labels for seed in (7, 8)]
    levels = [float(np.float32(x)) for x in np.linspace(0, 1, 9)]
    for seed in range(3):
        tree = random_tree(seed, height=12, width=15)
        contours = tree.ultrametric()
        cuts = np.stack([tree.cut(cost=c) for c in levels])
        of_map = np.stack([contours.cut(1 - c) for c in levels])
        expected, found = (score_stack(x, truths) for x in (cuts, of_map))
        for field in ("matched_human", "matched_machine", "machine"):
            ours, theirs = getattr(found, field), getattr(expected, field)
            np.testing.assert_array_equal(ours, theirs)


def test_device_trees_and_padding_make_the_same_map():
    tree = random_tree(2, padding=3)
    for scale in ("cost", "order"):
        here, there = (x.ultrametric(scale) for x in (tree, on_device(tree)))
        np.testing.assert_array_equal(here.edges, there.edges)
        assert here.edges.dtype == there.edges.dtype == np.float64


def weakest_ways(edges):
    """Of all ways between neighbours that with the weakest strongest edge, by loops."""
    height, width = (side // 2 for side in edges.shape)
    count = height * width
    between = np.full((count, count), np.inf)
    np.fill_diagonal(between, 0)
    places = {}
    for row, column in np.ndindex(height, width):
        for down, right in ((0, 1), (1, 0)):
            there = row + down, column + right
            if there[0] < height and there[1] < width:
                one, other = row * width + column, there[0] * width + there[1]
                place = 2 * row + 1 + down, 2 * column + 1 + right
                places[place] = one, other
                between[one, other] = between[other, one] = edges[place]
    for middle in range(count):
        way = np.maximum(between[:, middle, None], between[middle, None, :])
        between = np.minimum(between, way)
    closed = np.zeros_like(edges)
    for place, pair in places.items():
        closed[place] = between[pair]
    return closed


@settings(max_examples=25, deadline=None)
@given(st.data(), st.integers(1, 6), st.integers(1, 6), st.integers(1, 4))
def test_a_mean_is_the_largest_ultrametric_below_the_mean_of_the_edges(
    data, height, width, count
):
    seeds = st.integers(0, 2**32 - 1)
    trees = [
        random_tree(data.draw(seeds), height=height, width=width, num_splits=5)
        for _ in range(count)
    ]
    maps = [
        tree.ultrametric(data.draw(st.sampled_from(["cost", "order"])))
        for tree in trees
    ]
    found = Ultrametric.mean(maps)
    plain = np.mean([x.edges for x in maps], axis=0)
    inside = np.arange(plain.shape[0])[:, None] + np.arange(plain.shape[1])
    is_edge = inside % 2 == 1
    np.testing.assert_allclose(
        found.edges[is_edge], weakest_ways(plain)[is_edge], rtol=1e-12, atol=0
    )
    again = Ultrametric.mean([found])
    np.testing.assert_array_equal(again.edges, found.edges)
    for threshold in np.unique(found.edges):  # contours are closed
        drawn = borders(found.cut(threshold))
        np.testing.assert_array_equal(found.edges > threshold, drawn)
    for others in itertools.permutations(maps):
        np.testing.assert_array_equal(Ultrametric.mean(others).edges, found.edges)
    alone = Ultrametric.mean(maps[:1])
    np.testing.assert_array_equal(alone.edges, maps[0].edges)


def test_bad_input_is_named():
    tree = quadrants()
    with pytest.raises(ValueError, match=r"unknown scale 'costs'.*mean 'cost'"):
        tree.ultrametric("costs")
    for shape in ((4, 5), (1, 3)):
        with pytest.raises(ValueError, match=r"\[2 H \+ 1, 2 W \+ 1\].*found shape"):
            Ultrametric(np.zeros(shape))
    with pytest.raises(ValueError, match="same size, but found none"):
        Ultrametric.mean([])
    other = quadrants(4, 6)
    with pytest.raises(ValueError, match=r"found \[9, 13\] and \[17, 25\]"):
        Ultrametric.mean([tree.ultrametric(), other.ultrametric()])
