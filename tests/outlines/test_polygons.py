"""Polygons of regions: exact where nothing is simplified, and else without gaps."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from label_maps import label_maps
from scipy import ndimage
from trees import random_tree

from uhseg_jax.outlines.polygons import outlines_of, outlines_of_strips

TOLERANCES = (0.6, 1.0, 3.0, 50.0)


def holds(polygon, points):
    """Whether points that lie on no line of it are in a polygon: by its crossings."""
    found = np.zeros(len(points), bool)
    for ring in polygon.rings:
        for (ax, ay), (bx, by) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
            between = (ay > points[:, 1]) != (by > points[:, 1])
            if ay != by:
                x = ax + (points[:, 1] - ay) * (bx - ax) / (by - ay)
                found ^= between & (points[:, 0] < x)
    return found


def of_regions(labels, tolerance):
    outlines = outlines_of(labels, tolerance)
    return [outlines.polygons(x) for x in np.eye(labels.max() + 1, dtype=bool)]


def random_points(labels, seed=0, count=400):
    return np.random.default_rng(seed).uniform(0, 1, (count, 2)) * labels.shape[::-1]


_LARGER_AROUND_A_HOLE = np.array([[1, 1, 1, 0, 1], [1, 0, 1, 0, 1], [1, 1, 1, 0, 1]])
_LARGER_AROUND_A_HOLE = np.hstack([_LARGER_AROUND_A_HOLE, np.ones((3, 2), int)])


@settings(max_examples=60, deadline=None)
@example(labels=_LARGER_AROUND_A_HOLE.astype(np.int32))
@given(labels=label_maps())
def test_without_tolerance_a_polygon_holds_its_pixels_and_no_others(labels):
    rows, columns = np.indices(labels.shape)
    middles = np.stack([columns.ravel(), rows.ravel()], axis=1) + 0.5
    for region, found in enumerate(of_regions(labels, 0.0)):
        mask = labels == region
        held = [holds(x, middles) for x in found]
        np.testing.assert_array_equal(np.sum(held, axis=0), mask.ravel())
        pieces, count = ndimage.label(mask)
        assert len(found) == count
        areas = [x.area() for x in found]
        assert areas == sorted(np.bincount(pieces.ravel())[1:].tolist(), reverse=True)


@settings(max_examples=40, deadline=None)
@given(labels=label_maps(), tolerance=st.sampled_from(TOLERANCES))
def test_simplified_neighbours_leave_no_gap_and_never_overlap(labels, tolerance):
    labels = np.maximum(labels, 0)
    points = random_points(labels)
    found = of_regions(labels, tolerance)
    held = sum(holds(x, points).astype(int) for region in found for x in region)
    assert (held == 1).all()
    areas = [sum(x.area() for x in region) for region in found]
    assert sum(areas) == labels.size
    assert min(x.area() for region in found for x in region) > 0


@settings(max_examples=40, deadline=None)
@given(labels=label_maps(), tolerance=st.sampled_from(TOLERANCES))
def test_no_piece_and_no_hole_is_lost(labels, tolerance):
    exact, simple = of_regions(labels, 0.0), of_regions(labels, tolerance)
    for one, other in zip(exact, simple, strict=True):
        assert sorted(len(x.holes) for x in one) == sorted(len(x.holes) for x in other)


@settings(max_examples=40, deadline=None)
@given(labels=label_maps(), tolerance=st.sampled_from(TOLERANCES))
def test_borders_stay_within_the_tolerance(labels, tolerance):
    outlines = outlines_of(labels, tolerance)
    borders = outlines.borders
    for arc, chain in enumerate(outlines.chains):
        was = borders.points[borders.starts[arc] : borders.starts[arc + 1]]
        assert distances(was, chain).max() <= tolerance + 1e-9
        steps = np.linspace(0, 1, 9)[:, None, None]
        along = (chain[:-1] * (1 - steps) + chain[1:] * steps).reshape(-1, 2)
        assert distances(along, was).max() <= tolerance + 1e-9


def distances(points, chain):
    """Of every point to the nearest of a chain."""
    a, b = chain[:-1], chain[1:]
    along = b - a
    share = ((points[:, None] - a) * along).sum(-1) / (along**2).sum(-1)
    nearest = a + share.clip(0, 1)[..., None] * along
    return np.linalg.norm(points[:, None] - nearest, axis=-1).min(1)


@settings(max_examples=30, deadline=None)
@given(
    labels=label_maps(), seed=st.integers(0, 9), tolerance=st.sampled_from(TOLERANCES)
)
def test_a_union_holds_what_its_regions_hold(labels, seed, tolerance):
    contains = np.random.default_rng(seed).random(labels.max() + 1) < 0.5
    outlines, points = outlines_of(labels, tolerance), random_points(labels)
    regions = [outlines.polygons(x) for x in np.eye(len(contains), dtype=bool)]
    of_parts = sum(
        holds(x, points).astype(int)
        for i in np.flatnonzero(contains)
        for x in regions[i]
    )
    union = outlines.polygons(contains)
    of_union = sum(holds(x, points).astype(int) for x in union)
    np.testing.assert_array_equal(of_union, of_parts)
    _, count = ndimage.label(np.append(contains, False)[labels])
    assert len(union) == count


def test_a_chequered_ring_in_a_ring_keeps_all_its_holes():
    mask = np.ones((21, 21), np.int32)
    mask[1::2, 1::2] = mask[6:15, 6:15] = 0
    mask[9:12, 9:12] = 1
    mask[10, 10] = 0
    (outer, inner) = of_regions(mask, 0.0)[1]
    assert len(inner.holes) == 1
    assert len(outer.holes) == ndimage.label(mask == 0)[1] - 1
    assert outer.area() + inner.area() == mask.sum()


def test_a_straight_border_needs_its_ends_only():
    labels = np.zeros((40, 60), np.int32)
    labels[:, 30:] = 1
    for region, left in enumerate((0, 30)):
        ((polygon,),) = [of_regions(labels, 0.0)[region]]
        right = left + 30
        assert polygon.outer.tolist() == [
            [left, 0],
            [right, 0],
            [right, 40],
            [left, 40],
        ]


def test_a_diagonal_takes_few_points():
    rows, columns = np.indices((50, 50))
    labels = (columns > rows).astype(np.int32)
    exact, simple = (of_regions(labels, x)[1][0] for x in (0.0, 1.0))
    assert len(exact.outer) > 95
    assert len(simple.outer) <= 4
    assert abs(simple.area() - labels.sum()) <= 0.5 * 50


@pytest.mark.parametrize("seed", range(3))
def test_polygons_of_a_tree_are_those_of_its_masks(seed):
    tree = random_tree(seed, num_splits=6, padding=2)
    for node, mask in enumerate(tree.masks()):
        assert sum(x.area() for x in tree.polygons(node)) == mask.sum()
    points = random_points(tree.labels)
    simple = [sum(holds(x, points) for x in tree.polygons(i, 2.0)) for i in range(9)]
    for node in range(1, 9):
        assert (simple[tree.parents[node]] >= simple[node]).all()
    of_all = tree.regions(root=True).polygons(2.0)
    for node in range(9):
        one, other = tree.polygons(node, 2.0), of_all[node]
        for ours, theirs in zip(one, other, strict=True):
            np.testing.assert_array_equal(ours.outer, theirs.outer)


def test_nothing_has_no_outline():
    assert outlines_of(np.full((3, 4), -1, np.int32)).chains == ()
    labels = np.array([[0, -1], [-1, -1]], np.int32)
    ((polygon,),) = of_regions(labels, 0.0)
    assert polygon.area() == 1


def test_what_is_no_node_and_no_tolerance_is_refused():
    tree = random_tree(0)
    count = int(tree.num_nodes)
    for node in (-1, count):
        with pytest.raises(ValueError, match=f"from 0 to {count - 1}.*got {node}"):
            tree.polygons(node)
    for tolerance in (-1.0, float("nan")):
        with pytest.raises(ValueError, match="tolerance must be"):
            tree.polygons(0, tolerance)


@settings(max_examples=20, deadline=None)
@given(
    labels=label_maps(), rows=st.integers(1, 7), tolerance=st.sampled_from((0.0, 1.0))
)
def test_strips_give_the_polygons_of_the_whole(labels, rows, tolerance):
    strips = np.array_split(labels, range(rows, len(labels), rows))
    found = outlines_of_strips(iter(strips), labels.shape[1], tolerance)
    for region, wanted in enumerate(of_regions(labels, tolerance)):
        polygons = found.polygons(np.arange(labels.max() + 1) == region)
        for one, other in zip(polygons, wanted, strict=True):
            for ring, same in zip(one.rings, other.rings, strict=True):
                np.testing.assert_array_equal(ring, same)
