"""The upper part of a tree as a diagram of its regions."""

import numpy as np
import pytest
from trees import quadrants, random_tree

from uhseg_jax.export.colors import node_colors
from uhseg_jax.export.tree_diagram import tree_diagram
from uhseg_jax.hierarchy.tree import stacked


def colors_in(image):
    return {tuple(x) for x in np.unique(np.asarray(image).reshape(-1, 3), axis=0)}


def test_the_nodes_down_to_a_cut_are_drawn_in_their_colors():
    tree = quadrants(32, 48)
    colors = [tuple(x) for x in node_colors(tree)[: int(tree.num_nodes)]]
    drawn = tree_diagram(tree, num_regions=int(tree.is_leaf().sum()))
    assert set(colors) <= colors_in(drawn)
    above = tree_diagram(tree, num_regions=2)
    shown = {colors[0], *(colors[i] for i in np.unique(tree.cut(num_regions=2)))}
    assert {x for x in colors if x in colors_in(above)} == shown
    assert above.size < drawn.size


def test_every_leaf_has_a_column_and_every_depth_a_row():
    tree = random_tree(5, height=20, width=30, num_splits=6)
    for k in (1, 3, 5):
        leaves = np.unique(tree.cut(num_regions=k))
        depth = tree.depths[leaves].max() + 1
        assert tree_diagram(tree, num_regions=k).size == (
            100 * len(leaves),
            120 * depth,
        )


def test_notes_are_one_for_each_node_and_trees_single():
    tree = quadrants()
    tree_diagram(tree, notes=[r"$\frac$"] * int(tree.num_nodes))  # read as no formula
    with pytest.raises(ValueError, match="expected a note for each"):
        tree_diagram(tree, notes=["one"])
    with pytest.raises(TypeError, match="batch"):
        tree_diagram(stacked([tree]))
