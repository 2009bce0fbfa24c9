"""Trees for SciPy, Higra and Supervision: cuts there are the cuts here.

Neither Higra nor Supervision is a dependency: what they are handed is checked without
them too.
"""

import sys
import types

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import cophenet, fcluster, is_valid_linkage
from scipy.spatial.distance import squareform
from trees import make_tree, on_device, quadrants, random_tree, region_trees

from uhseg_jax.hierarchy.interop import parents_last

few = settings(max_examples=20, deadline=None)

# Its second node has one child, its root three and its last node none of the pixels.
ODD = make_tree(
    [[2, 2, 6], [5, 7, 6]],
    [-1, 0, 0, 0, 1, 4, 4, 3, 3],
    [0, 1, 1, 1, 2, 3, 3, 2, 2],
    [0, 0.2, 0.2, 0.5, 0.1, 0.6, 0.8, 0.7, 0.7],
)


def same_regions(one, other):
    pairs = set(zip(one.ravel().tolist(), other.ravel().tolist(), strict=True))
    return len(pairs) == len(np.unique(one)) == len(np.unique(other))


def lowest_common_ancestors(tree, leaves):
    """For every two leaves, by walking up from both."""
    parents = tree.parents.tolist()

    def ways_up(node):
        return [node] if parents[node] < 0 else [node, *ways_up(parents[node])]

    ways = {leaf: ways_up(leaf) for leaf in leaves}
    return [
        [max(set(ways[one]) & set(ways[other])) for other in leaves] for one in leaves
    ]


def opening_cost(tree, node):
    """The costliest split, by its mean cost, of a node and those above it."""
    costs = []
    while node >= 0:
        children = np.flatnonzero(tree.parents[: int(tree.num_nodes)] == node)
        costs.append(np.float64(tree.costs[children].mean(dtype=np.float32)))
        node = tree.parents[node]
    return max(costs)


def pixels_of(tree, clusters):
    """The cluster of every pixel, from that of every leaf."""
    leaves = np.flatnonzero(tree.is_leaf())
    return clusters[np.searchsorted(leaves, tree.labels)]


@few
@given(
    region_trees(max_side=12), st.floats(0.0625, 0.9375, width=32), st.integers(1, 9)
)
def test_clusters_of_the_linkage_matrix_are_cuts(tree, cost, number):
    leaves = np.flatnonzero(tree.is_leaf())
    merges = tree.to_linkage()
    assert merges.shape == (len(leaves) - 1, 4)
    if len(leaves) == 1:
        return
    assert is_valid_linkage(merges, throw=True)
    clusters = fcluster(merges, 1 - np.float64(cost), "distance")
    assert same_regions(pixels_of(tree, clusters), tree.cut(cost=cost))
    clusters = fcluster(tree.to_linkage("order"), number, "maxclust")
    assert same_regions(pixels_of(tree, clusters), tree.cut(num_regions=number))


@pytest.mark.parametrize("tree", [ODD, random_tree(5, tied_costs=True, padding=3)])
def test_leaves_join_at_the_height_of_the_split_between_them(tree):
    leaves = np.flatnonzero(tree.is_leaf()).tolist()
    heights = squareform(cophenet(tree.to_linkage()))
    common = lowest_common_ancestors(tree, leaves)
    for i, row in enumerate(common):
        for j, node in enumerate(row):
            wanted = 0 if i == j else 1 - opening_cost(tree, node)
            assert heights[i, j] == pytest.approx(wanted, abs=1e-6)


def test_a_linkage_matrix_counts_leaves_and_joins_them_from_low_to_high():
    merges = quadrants().to_linkage()
    np.testing.assert_array_equal(
        merges[:, [0, 1, 3]], [[2, 3, 2], [0, 1, 2], [4, 5, 4]]
    )
    np.testing.assert_allclose(merges[:, 2], [0.4, 0.6, 0.9], rtol=1e-6)
    np.testing.assert_array_equal(on_device(quadrants()).to_linkage(), merges)


def test_unknown_scales_and_batches_are_refused():
    batch = jax.tree.map(lambda x: np.stack([x, x]), quadrants())
    with pytest.raises(ValueError, match=r"unknown scale 'costs'.*Did you mean 'cost'"):
        quadrants().to_linkage("costs")
    for call in (batch.to_linkage, batch.to_higra, batch.to_supervision):
        with pytest.raises(TypeError, match=r"expected one tree.*batch of 2"):
            call()


@pytest.mark.parametrize("package", ["higra", "supervision"])
def test_a_package_that_is_not_installed_is_named(monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(
        ImportError, match=rf"to_{package} needs.*pip install {package}"
    ):
        getattr(quadrants(), f"to_{package}")()


@few
@given(region_trees(max_side=9))
def test_nodes_are_counted_leaves_first_and_the_root_last(tree):
    parents, nodes = parents_last(tree)
    root = int(tree.num_nodes) - 1
    assert sorted(nodes.tolist()) == list(range(root + 1))
    assert parents[root] == root
    assert (parents[:root] > np.arange(root)).all()
    np.testing.assert_array_equal(nodes[parents[:root]], tree.parents[nodes[:root]])
    assert tree.is_leaf()[nodes[: int(tree.is_leaf().sum())]].all()


def test_nodes_without_pixels_are_not_counted():
    parents, nodes = parents_last(ODD)
    assert set(nodes.tolist()) == set(np.flatnonzero(ODD.areas()).tolist())
    np.testing.assert_array_equal(nodes[parents[:-1]], ODD.parents[nodes[:-1]])


@pytest.mark.readers
@pytest.mark.parametrize("tree", [ODD, random_tree(4, num_splits=12, padding=2)])
def test_higra_finds_the_same_cuts_and_contours(tree):
    higra = pytest.importorskip("higra", reason="no higra: pip install '.[readers]'")
    hierarchy, altitudes, nodes = tree.to_higra()
    cuts = higra.HorizontalCutExplorer(hierarchy, altitudes)
    for cost in np.float32([0.05, 0.3, 0.5, 0.75]).astype(np.float64):
        cut = cuts.horizontal_cut_from_altitude(1 - cost)
        found = cut.labelisation_leaves(hierarchy)
        assert found.shape == tree.labels.shape
        assert same_regions(found, tree.cut(cost=cost))
    np.testing.assert_array_equal(higra.attribute_area(hierarchy), tree.areas()[nodes])
    strengths = higra.saliency(hierarchy, altitudes)
    pixels = higra.CptRegionAdjacencyGraph.get_pre_graph(
        higra.CptHierarchy.get_leaf_graph(hierarchy)
    )
    ends = (np.divmod(x, tree.labels.shape[1]) for x in pixels.edge_list()[:2])
    (one_y, one_x), (other_y, other_x) = ends
    contours = tree.ultrametric().edges[one_y + other_y + 1, one_x + other_x + 1]
    np.testing.assert_array_equal(contours, strengths)
    by_order = tree.to_higra("order")
    cuts = higra.HorizontalCutExplorer(by_order.tree, by_order.altitudes)
    for number in (1, 3, 5):
        cut = cuts.horizontal_cut_from_num_regions(number, at_least=False)
        found = cut.labelisation_leaves(by_order.tree)
        assert same_regions(found, tree.cut(num_regions=number))


class Detections:
    """What is handed to Supervision."""

    def __init__(self, **fields):
        vars(self).update(fields)


def check_detections(found, tree, **choice):
    wanted = tree.regions(**choice)
    np.testing.assert_array_equal(found.mask, wanted.masks())
    for mask, box in zip(found.mask, found.xyxy, strict=True):
        ys, xs = np.nonzero(mask)
        assert box.tolist() == [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
    assert found.class_id.tolist() == [0] * len(wanted)
    assert found.data["class_name"].tolist() == ["region"] * len(wanted)
    assert found.data["node"].tolist() == wanted.nodes.tolist()
    assert found.data["area"].tolist() == found.mask.sum((1, 2)).tolist()


CHOICES = [{}, {"num_regions": 3, "flat": True}, {"min_area": 1.0}]


@pytest.mark.parametrize("choice", CHOICES)
def test_supervision_is_handed_the_chosen_regions(monkeypatch, choice):
    package = types.ModuleType("supervision")
    package.Detections = Detections
    monkeypatch.setitem(sys.modules, "supervision", package)
    tree = random_tree(4)
    check_detections(tree.to_supervision(**choice), tree, **choice)


@pytest.mark.readers
@pytest.mark.filterwarnings("ignore")  # of packages that it does without
@pytest.mark.parametrize("choice", CHOICES)
def test_supervision_takes_the_chosen_regions(choice):
    package = pytest.importorskip(
        "supervision", reason="no supervision: pip install '.[readers]'"
    )
    tree = random_tree(4)
    found = tree.to_supervision(**choice)
    assert isinstance(found, package.Detections)
    check_detections(found, tree, **choice)
    if len(found):
        boxes = package.mask_to_xyxy(found.mask)
        boxes[:, 2:] += 1
        np.testing.assert_array_equal(found.xyxy, boxes)
        large = found.data["area"] > 50
        assert len(found[large]) == large.sum()
