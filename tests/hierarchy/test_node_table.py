import dataclasses
import sys

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from skimage import measure
from trees import make_tree, on_device, quadrants, random_tree, region_trees

from uhseg_jax.hierarchy import node_table

COLUMNS = (
    *("id", "parent", "depth", "cost", "area", "x", "y", "width", "height"),
    *("centroid_x", "centroid_y", "is_leaf", "children"),
)


@settings(max_examples=20, deadline=None)
@given(region_trees())
def test_the_columns_say_of_every_node_what_its_mask_says(tree):
    columns = node_table.columns_of(tree)
    masks = tree.masks()
    assert tuple(columns) == COLUMNS
    assert all(len(x) == len(masks) for x in columns.values())
    for node, mask in enumerate(masks):
        (seen,) = measure.regionprops(mask.astype(np.uint8))
        y, x, bottom, right = seen.bbox
        row = {name: column[node] for name, column in columns.items()}
        box = [row[name] for name in ("x", "y", "width", "height")]
        assert box == [x, y, right - x, bottom - y]
        assert row["area"] == mask.sum()
        np.testing.assert_allclose(
            (row["centroid_y"], row["centroid_x"]), seen.centroid, rtol=1e-12
        )
        assert (row["id"], row["parent"]) == (node, tree.parents[node])
        assert (row["depth"], row["cost"]) == (tree.depths[node], tree.costs[node])
        children = np.flatnonzero(tree.parents[: len(masks)] == node).tolist()
        assert row["children"] == tuple(children)
        assert row["is_leaf"] == (not children)


def test_a_node_without_pixels_has_no_place():
    tree = make_tree([[1, 1]], [-1, 0, 0, 2], [0, 1, 1, 2], [0, 0.5, 0.5, 0.5])
    columns = node_table.columns_of(tree)
    assert columns["area"].tolist() == [2, 2, 0, 0]
    assert columns["width"].tolist() == [2, 2, 0, 0]
    assert columns["x"].tolist() == [0] * 4
    assert np.isnan(columns["centroid_x"]).tolist() == [False, False, True, True]


def test_the_table_is_an_array_where_there_is_no_pandas(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    for tree in (quadrants(), on_device(quadrants())):
        table = tree.nodes
        assert table.dtype.names == COLUMNS
        assert table["area"].tolist() == [96, 48, 48, 24, 24, 24, 24]
        assert table[1]["children"] == (3, 4)
        assert table["parent"].tolist() == [-1, 0, 0, 1, 1, 2, 2]


@pytest.mark.readers
def test_the_table_is_a_data_frame_where_pandas_is():
    pandas = pytest.importorskip("pandas", reason="no pandas: pip install '.[readers]'")
    tree = random_tree(3, padding=2)
    table = tree.nodes
    assert isinstance(table, pandas.DataFrame)
    assert tuple(table.columns) == COLUMNS
    assert len(table) == int(tree.num_nodes)
    for name, column in node_table.columns_of(tree).items():
        assert table[name].tolist() == column.tolist()
    assert table.loc[table.is_leaf, "area"].sum() == tree.labels.size


def test_trees_are_shown_in_a_line():
    tree = random_tree(3, num_splits=2, max_children=2, padding=4)
    said = "RegionTree(24 x 32, 5 nodes, 3 leaves, depth 2)"
    assert repr(tree) == repr(on_device(tree)) == said
    root = make_tree([[0]], [-1], [0], [0])
    assert repr(root) == "RegionTree(1 x 1, 1 node, 1 leaf, depth 0)"
    batch = jax.tree.map(lambda *x: np.stack(x), tree, tree)
    assert repr(batch) == "RegionTree(batch of 2, 24 x 32, 5 nodes)"
    counts = np.array([5, 3], np.int32)
    unequal = dataclasses.replace(batch, num_nodes=counts)
    assert repr(unequal) == "RegionTree(batch of 2, 24 x 32, 3 to 5 nodes)"


def test_within_transformations_trees_are_shown_by_their_fields():
    tree = random_tree(3)
    said = []
    jax.eval_shape(lambda x: said.append(repr(x)), tree)
    assert "labels=int32[24,32]" in said[0]
    holes = jax.tree.map(lambda x: None, tree)
    assert repr(holes).startswith("RegionTree(labels=None, ")


def test_a_batch_has_no_table():
    batch = jax.tree.map(lambda x: np.stack([x, x]), quadrants())
    with pytest.raises(TypeError, match=r"expected one tree.*batch of 2"):
        batch.nodes  # noqa: B018
