"""Regions out of a tree: which, how they are numbered, what they look like."""

import dataclasses

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from scipy import ndimage
from trees import make_tree, on_device, quadrants, random_tree

from uhseg_jax.hierarchy.region_choice import RegionChoice, choose, pruned, united
from uhseg_jax.hierarchy.regions import NO_NODE, NO_PARENT, VOID

_ALL = [
    RegionChoice(),
    RegionChoice(num_regions=5),
    RegionChoice(num_regions=5, flat=True),
    RegionChoice(cost=0.4, root=True),
    RegionChoice(depth=2, connected=True),
    RegionChoice(flat=True, connected=True, min_area=0.01),
    RegionChoice(num_regions=6, min_area=0.05, max_area=0.5),
    RegionChoice(num_regions=6, background=False),
]


def scattered_tree(seed):
    """A tree some of whose leaves lie in several pieces."""
    tree = random_tree(seed, num_splits=9)
    labels = np.array(tree.labels)
    rng = np.random.default_rng(seed)
    leaves = np.unique(labels)
    for row, column in rng.integers(0, (22, 30), (4, 2)):
        labels[row : row + 2, column : column + 2] = rng.choice(leaves)
    return dataclasses.replace(tree, labels=labels)


@pytest.mark.parametrize("choice", _ALL)
@pytest.mark.parametrize("seed", range(4))
def test_regions_are_those_that_a_loop_over_masks_finds(seed, choice):
    tree = scattered_tree(seed)
    expected = _expected(tree, choice)
    found = choose(tree, choice)
    masks = found.masks()
    assert found.nodes.tolist() == [node for node, _ in expected]
    np.testing.assert_array_equal(masks, [mask for _, mask in expected])
    np.testing.assert_array_equal(found.areas(), masks.sum((1, 2)))
    np.testing.assert_array_equal(found.mask(0), masks[0])
    held = np.unique(found.pieces[found.pieces != VOID])
    np.testing.assert_array_equal(held, np.arange(found.contains.shape[1]))
    assert ((found.pieces == VOID) == ~masks.any(0)).all()
    for index, parent in enumerate(found.parents.tolist()):
        around = [
            other
            for other in range(len(found))
            if found.nodes[other] < found.nodes[index]
            and (masks[index] <= masks[other]).all()
        ]
        assert parent == (around[-1] if around else NO_PARENT)


def _expected(tree, choice):
    """Node and mask of every region, pixel by pixel."""
    criterion = choice.criterion or {"depth": int(tree.num_nodes)}
    visible = np.unique(tree.cut(**criterion))
    masks = tree.masks()
    contains = np.asarray(tree.contains())
    nodes = visible
    if not choice.flat:
        nodes = [i for i in range(int(tree.num_nodes)) if contains[i, visible].any()]
        if not choice.root and len(nodes) > 1:
            nodes = nodes[1:]
    if not choice.background:
        two = tree.cut(**(choice.criterion or {"num_regions": 2}))
        frame = np.concatenate([two[0], two[-1], two[1:-1, 0], two[1:-1, -1]])
        worst = np.bincount(frame).argmax()
        nodes = [i for i in nodes if not (contains[i, worst] or contains[worst, i])]
    found = []
    for node in nodes:
        parts = [masks[node]]
        if choice.connected:
            numbers, count = ndimage.label(masks[node], np.ones((3, 3)))
            parts = [numbers == i for i in range(1, count + 1)]
            parts.sort(key=lambda x: (-x.sum(), np.flatnonzero(x)[0]))
        found += [(node, x) for x in parts]
    size = tree.labels.size
    bounds = choice.min_area * size, choice.max_area * size
    return [(i, x) for i, x in found if bounds[0] <= x.sum() <= bounds[1]]


def test_boxes_and_rles_are_those_of_pycocotools():
    found = choose(scattered_tree(1), RegionChoice(connected=True))
    encoded = coco_mask.encode(
        np.asfortranarray(found.masks().transpose(1, 2, 0), "u1")
    )
    np.testing.assert_array_equal(found.boxes(), coco_mask.toBbox(encoded))
    assert found.rles() == encoded


def test_flat_regions_are_numbered_in_one_map_and_nested_ones_are_not():
    tree = quadrants()
    found = tree.regions(num_regions=3, flat=True, max_area=0.4)
    assert found.nodes.tolist() == [3, 4]
    labels = found.labels()
    assert labels.dtype == np.int32
    np.testing.assert_array_equal(np.unique(labels), [VOID, 0, 1])
    np.testing.assert_array_equal(labels == 1, tree.masks()[4])
    with pytest.raises(ValueError, match="flat=True"):
        tree.regions().labels()


def test_a_root_alone_is_a_region_and_no_region_is_none():
    alone = make_tree(np.zeros((3, 4)), [NO_PARENT], [0], [0])
    assert alone.regions().nodes.tolist() == [0]
    assert quadrants().regions(num_regions=1).nodes.tolist() == [0]
    none = quadrants().regions(min_area=0.9)
    assert len(none) == 0
    assert none.masks().shape == (0, 8, 12)
    assert none.boxes().shape == (0, 4)
    assert none.rles() == []
    assert (none.labels() == VOID).all()


@pytest.mark.parametrize("criterion", [{}, {"num_regions": 4}, {"cost": 0.3}])
def test_a_pruned_tree_has_the_nodes_of_the_whole_one(criterion):
    tree = on_device(random_tree(3, padding=3))
    smaller, nodes = pruned(tree, RegionChoice(**criterion))
    whole = criterion or {"depth": int(tree.num_nodes)}
    np.testing.assert_array_equal(nodes[smaller.labels], tree.cut(**whole))
    expected = tree.prune(**whole)
    np.testing.assert_array_equal(smaller.labels, expected.labels)
    assert int(smaller.num_nodes) == int(expected.num_nodes) == len(nodes)
    for name in ("parents", "depths", "costs"):
        wanted = np.asarray(getattr(expected, name))[: len(nodes)]
        np.testing.assert_array_equal(getattr(smaller, name), wanted)
    np.testing.assert_array_equal(smaller.masks(), tree.masks()[nodes])


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"num_regions": 2, "cost": 0.1}, "at most one of .* num_regions and cost"),
        ({"num_regions": 0}, "num_regions must be an integer of at least 1"),
        ({"min_area": 0.5, "max_area": 0.1}, "min_area must be at most max_area"),
        ({"max_area": 2.0}, "max_area must be a share"),
    ],
)
def test_choices_that_make_no_sense_are_refused(fields, sentence):
    with pytest.raises(ValueError, match=sentence):
        RegionChoice(**fields)


def test_unions_of_nodes_are_regions_in_the_order_asked_for():
    tree = scattered_tree(0)
    masks, leaves = tree.masks(), np.flatnonzero(tree.is_leaf())
    a, b, c = leaves[:3].tolist()
    groups = [(a, b), (c,), (0,), (b,), (b, b)]
    found = united(tree, groups)
    expected = [masks[list(nodes)].any(0) for nodes in groups]
    np.testing.assert_array_equal(found.masks(), expected)
    assert found.nodes.tolist() == [NO_NODE, c, 0, b, b]
    assert found.parents.tolist() == [2, 2, NO_PARENT, 0, 0]
    assert len(united(tree, [])) == 0


def test_a_selected_node_without_pixels_is_told():
    tree = make_tree(np.ones((3, 4)), [NO_PARENT, 0, 0], [0, 1, 1], [0, 0.1, 0.1])
    assert united(tree, [[1, 2]]).areas().tolist() == [12]
    with pytest.raises(ValueError, match="there are none in node 2"):
        united(tree, [[1], [2]])
