"""Trees over frames and vertices say what those over images say, frame by frame."""

import dataclasses
import itertools
import json

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from trees import clip_tree, quadrants, random_tree, region_trees, still

from uhseg_jax.hierarchy import node_table
from uhseg_jax.hierarchy.levels import tree_of_levels
from uhseg_jax.hierarchy.pieces import find_pieces
from uhseg_jax.hierarchy.regions import VOID

few = settings(max_examples=15, deadline=None)
clips = st.builds(clip_tree, st.integers(0, 2**32 - 1), frames=st.integers(1, 4))
EVERYWHERE = np.ones((3, 3, 3))  # sides and corners, within frames and across


@few
@given(clips)
def test_the_columns_of_a_clip_are_those_of_its_masks(tree):
    table = node_table.columns_of(tree)
    for node, mask in enumerate(tree.masks()):
        frames, rows, columns = np.nonzero(mask)
        row = {name: column[node] for name, column in table.items()}
        assert (row["first"], row["last"]) == (frames.min(), frames.max())
        assert (row["x"], row["y"]) == (columns.min(), rows.min())
        assert row["width"] == np.ptp(columns) + 1
        assert row["height"] == np.ptp(rows) + 1
        assert row["area"] == len(rows)
        assert row["centroid_x"] == pytest.approx(columns.mean(), rel=1e-12)
        assert row["centroid_y"] == pytest.approx(rows.mean(), rel=1e-12)


@few
@given(region_trees(max_side=9))
def test_a_clip_of_one_frame_is_its_image(image):
    clip = still(image, 1)
    expected, found = node_table.columns_of(image), node_table.columns_of(clip)
    frames = [found.pop("first"), found.pop("last")]
    np.testing.assert_array_equal(frames, 0)
    np.testing.assert_equal(found, expected)
    edges = clip.ultrametric().edges
    np.testing.assert_array_equal(edges[1], image.ultrametric().edges)
    for choice in ({"connected": True}, {"num_regions": 4, "background": False}):
        one, other = image.regions(**choice), clip.regions(**choice).frame(0)
        for name, value in vars(one).items():
            np.testing.assert_array_equal(getattr(other, name), value)
    one, other = image.proposals(), clip.proposals()
    np.testing.assert_array_equal(other.masks()[:, 0], one.masks())
    np.testing.assert_array_equal(other.scores, one.scores)


def test_a_node_without_pixels_is_in_no_frame():
    tree = dataclasses.replace(quadrants(), labels=np.full((2, 3, 4), 4, np.int32))
    table = node_table.columns_of(tree)
    assert table["first"].tolist() == [0, 0, -1, -1, 0, -1, -1]
    assert table["last"].tolist() == [1, 1, -1, -1, 1, -1, -1]
    assert table["width"].tolist() == [4, 4, 0, 0, 4, 0, 0]
    regions = tree.regions(num_regions=3)
    assert regions.boxes().tolist() == [[0, 0, 0, 4, 3, 2]] * len(regions)


def test_a_frame_has_the_nodes_of_the_clip():
    tree = clip_tree(0, padding=2)
    regions = tree.regions(num_regions=5)
    for i in range(4):
        frame = tree.frame(i)
        assert frame.labels.shape == (9, 11)
        cut = tree.cut(num_regions=5)
        np.testing.assert_array_equal(frame.cut(num_regions=5), cut[i])
        inside = regions.frame(i)
        np.testing.assert_array_equal(inside.masks(), regions.masks()[:, i])
        np.testing.assert_array_equal(inside.nodes, regions.nodes)
        assert len(inside.rles()) == len(inside.polygons()) == len(regions)
        shown = [ndimage.find_objects(x.astype(int)) for x in inside.masks()]
        boxes = [
            [x[0][1].start, x[0][0].start, *(y.stop - y.start for y in x[0][::-1])]
            if x
            else [0] * 4
            for x in shown
        ]
        assert inside.boxes().tolist() == boxes
    for other in (quadrants(), jax.tree.map(lambda x: np.stack([x, x]), quadrants())):
        with pytest.raises(ValueError, match="expected the tree of a clip"):
            other.frame(0)
    with pytest.raises(ValueError, match="only a clip has frames"):
        quadrants().regions().frame(0)


def test_regions_of_a_clip_are_connected_through_its_frames():
    # A pixel that moves aslant, and one that jumps.
    labels = np.full((3, 4, 5), 1, np.int32)
    labels[[0, 1, 2], [0, 1, 2], [0, 1, 2]] = 2
    labels[[0, 1], [0, 0], [3, 4]] = 3
    labels[2, 3, 0] = 3
    tree = dataclasses.replace(quadrants(), labels=labels + 2)  # 4, 5 and 6 are leaves
    tree = dataclasses.replace(tree, labels=np.where(labels == 1, 3, labels + 2))
    found = tree.regions(flat=True, connected=True)
    assert found.nodes.tolist() == [3, 4, 5, 5]
    assert found.areas().tolist() == [54, 3, 2, 1]
    assert found.boxes()[1].tolist() == [0, 0, 0, 3, 3, 3]


@few
@given(clips)
def test_components_of_a_clip_are_those_of_scipy(tree):
    found = tree.regions(connected=True, root=True)
    expected = []
    for node, mask in enumerate(tree.masks()):
        labels, count = ndimage.label(mask, EVERYWHERE)
        expected += [(node, (labels == i + 1).tobytes()) for i in range(count)]
    masks = zip(found.nodes.tolist(), found.masks(), strict=True)
    assert sorted((node, x.tobytes()) for node, x in masks) == sorted(expected)
    np.testing.assert_array_equal(found.areas(), found.masks().sum((1, 2, 3)))


@few
@given(clips)
def test_pieces_touch_where_their_pixels_do(tree):
    found = find_pieces(tree.labels, connected=True)
    labels = found.labels
    sides, touching = {}, set()
    for here in np.ndindex(labels.shape):
        for step in itertools.product((-1, 0, 1), repeat=3):
            there = tuple(np.add(here, step))
            if min(there) < 0 or any(np.greater_equal(there, labels.shape)):
                continue
            if labels[here] < labels[there]:
                pair = labels[here], labels[there]
                touching.add(pair)
                sides[pair] = sides.get(pair, 0) + (np.abs(step).sum() == 1)
    pairs = [tuple(x) for x in found.edges.tolist()]
    assert set(pairs) == touching
    assert found.lengths.tolist() == [sides[x] for x in pairs]
    frame = np.zeros(labels.shape, int)
    for axis in (1, 2):
        for end in (0, -1):
            np.moveaxis(frame, axis, 0)[end] += 1
    assert found.frames.tolist() == [
        frame[labels == i].sum() for i in range(len(found.areas))
    ]


def test_contacts_of_many_pieces_are_counted_as_those_of_few(monkeypatch):
    labels = clip_tree(0).labels
    few_pieces = find_pieces(labels, connected=True)
    expected = few_pieces.edges, few_pieces.lengths
    monkeypatch.setattr("uhseg_jax.hierarchy.pieces._TABLE", 0)
    many = find_pieces(labels, connected=True)
    np.testing.assert_equal((many.edges, many.lengths), expected)


@few
@given(region_trees(max_side=9))
def test_a_clip_that_stands_still_has_the_proposals_of_its_image(image):
    one, clip = image.proposals(), still(image, 4).proposals()
    np.testing.assert_array_equal(clip.scores, one.scores)
    np.testing.assert_array_equal(clip.nodes, one.nodes)
    for i in range(4):
        np.testing.assert_array_equal(clip.masks()[:, i], one.masks())
    choice = {"num_regions": 3, "background": False}
    np.testing.assert_array_equal(
        still(image, 4).regions(**choice).masks()[:, 0], image.regions(**choice).masks()
    )


@few
@given(clips)
def test_contours_of_a_clip_are_those_of_its_frames_and_between_them(tree):
    contours = tree.ultrametric("order")
    strengths = contours.edges
    for i, labels in enumerate(tree.labels):
        frame = tree.frame(i).ultrametric("order").edges
        np.testing.assert_array_equal(strengths[2 * i + 1], frame)
        if i:
            across = strengths[2 * i, 1::2, 1::2]
            assert ((across > 0) == (labels != tree.labels[i - 1])).all()
    # A vertex is as strong as the strongest edge that ends there.
    is_even = [x % 2 == 0 for x in np.indices(strengths.shape)]
    edges = np.where(sum(is_even) == 1, strengths, 0)
    for even in itertools.product((False, True), repeat=3):
        if sum(even) > 1:
            around = ndimage.maximum_filter(edges, [3 if x else 1 for x in even])
            here = np.all([x == y for x, y in zip(is_even, even, strict=True)], axis=0)
            np.testing.assert_array_equal(strengths[here], around[here])
    np.testing.assert_array_equal(contours.image(), strengths[2::2, 2::2, 2::2])
    cut = tree.cut(num_regions=4)
    found, along = contours.cut(1 / 5), ndimage.generate_binary_structure(3, 1)
    parts = sum(ndimage.label(cut == x, along)[1] for x in np.unique(cut))
    assert len(np.unique(found)) == found.max() + 1 == parts
    assert len(np.unique(np.stack([found, cut]).reshape(2, -1), axis=1).T) == parts


def test_means_of_contours_of_clips_end_nowhere():
    maps = [clip_tree(i).ultrametric() for i in range(3)]
    mean = type(maps[0]).mean(maps)
    for threshold in np.unique(mean.edges)[:6]:
        labels = mean.cut(threshold)
        for axis in range(3):
            along = np.moveaxis(labels, axis, 0)
            walls = np.moveaxis(mean.edges, axis, 0)[2:-1:2, 1::2, 1::2]
            assert ((along[1:] != along[:-1]) == (walls > threshold)).all()


def test_descriptors_of_a_clip_are_means_over_its_frames():
    tree = clip_tree(1, padding=2)
    features = np.random.default_rng(0).normal(size=(4, 5, 6, 3))
    frames = [tree.frame(i) for i in range(4)]
    areas = np.stack([x.areas()[: int(x.num_nodes)] for x in frames], 1)[..., None]
    means = [x.describe(y) for x, y in zip(frames, features, strict=True)]
    expected = (np.stack(means, 1) * areas).sum(1) / areas.sum(1)
    np.testing.assert_allclose(tree.describe(features), expected, atol=1e-6)
    assert tree.describe(features).dtype == np.float32
    for wrong in (features[:3], features[0]):
        with pytest.raises(ValueError, match="of the 4 frames"):
            tree.describe(wrong)


def test_merges_are_those_of_nodes_whatever_the_cells():
    tree = clip_tree(2)
    linkage = tree.to_linkage()
    np.testing.assert_array_equal(tree.frame(1).to_linkage(), linkage)


def test_levels_of_clips_make_a_tree_of_tubes():
    levels = np.stack([clip_tree(i, num_splits=2).labels for i in range(2)])
    flat = tree_of_levels(levels.reshape(2, 36, 11))
    tree = tree_of_levels(levels)
    np.testing.assert_array_equal(tree.labels.reshape(36, 11), flat.labels)
    np.testing.assert_array_equal(tree.parents, flat.parents)


def test_trees_are_shown_with_the_sides_of_their_lattice():
    tree = clip_tree(0, num_splits=2, max_children=2)
    assert repr(tree) == "RegionTree(4 x 9 x 11, 5 nodes, 3 leaves, depth 2)"
    batch = jax.tree.map(lambda *x: np.stack(x), tree, tree)
    assert repr(batch) == "RegionTree(batch of 2, 4 x 9 x 11, 5 nodes)"
    graph = dataclasses.replace(tree, labels=tree.labels.ravel())
    assert repr(graph) == "RegionTree(396 vertices, 5 nodes, 3 leaves, depth 2)"
    found = json.loads(json.dumps(tree.to_dict()))
    assert [found[x] for x in ("frames", "height", "width", "area")] == [4, 9, 11, 396]
    assert graph.to_dict()["vertices"] == 396


def test_vertices_have_regions_but_no_places():
    tree = clip_tree(3)
    graph = dataclasses.replace(tree, labels=tree.labels.ravel())
    assert not {"x", "first", "centroid_x"} & set(node_table.columns_of(graph))
    assert graph.nodes["area"].tolist() == tree.nodes["area"].tolist()
    for choice in ({}, {"num_regions": 4, "flat": True}, {"min_area": 0.1}):
        found, expected = graph.regions(**choice), tree.regions(**choice)
        np.testing.assert_array_equal(found.nodes, expected.nodes)
        masks = expected.masks().reshape(len(expected), -1)
        np.testing.assert_array_equal(found.masks(), masks)
    for what in (
        graph.proposals,
        graph.ultrametric,
        lambda: graph.polygons(1),
        lambda: graph.describe(np.zeros((396, 1, 2))),
        lambda: graph.regions(connected=True),
        lambda: graph.regions(background=False),
        graph.regions().boxes,
        graph.regions().rles,
    ):
        with pytest.raises(ValueError, match=r"396 vertices.*tree\.over\(vertices\)"):
            what()


def test_what_is_of_one_image_says_to_take_a_frame():
    tree = clip_tree(4)
    regions = tree.regions(num_regions=3, flat=True)
    for what in (
        lambda: tree.polygons(1),
        tree.show,
        regions.polygons,
        regions.rles,
    ):
        with pytest.raises(ValueError, match=r"of 4 frames, \[4, 9, 11\].*frame\(i\)"):
            what()
    assert (regions.labels() != VOID).all()


@pytest.mark.readers
@pytest.mark.parametrize("name", ["higra", "supervision"])
def test_other_packages_take_a_frame(name):
    pytest.importorskip(name)
    with pytest.raises(ValueError, match=r"take one of them: `frame\(i\)`"):
        getattr(clip_tree(5), f"to_{name}")()
    assert getattr(random_tree(5), f"to_{name}")() is not None
