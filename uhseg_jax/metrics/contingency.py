"""Contingency tables: how many pixels each pair of labels shares.

One pass over the pixels; everything else is arithmetic on the small table.
"""

import numpy as np

from uhseg_jax.hierarchy import host_cuts
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.types import Bool, Float, Int, Integer

__all__ = ["compact", "contingency_table", "ious", "node_counts", "require_same_size"]


def contingency_table(
    rows: Integer[np.ndarray, "*s"],
    columns: Integer[np.ndarray, "*t"],
    *,
    num_rows: int | None = None,
    num_columns: int | None = None,
) -> Int[np.ndarray, "r c"]:
    """Counts the pixels of every pair of labels, with one bincount.

    Args:
      rows: labels of any shape; a negative label drops its pixel.
      columns: labels of the same shape; a negative label drops its pixel.
      num_rows: rows of the table; one more than the largest label if None.
      num_columns: columns of the table; one more than the largest label if None.

    Returns:
      int64 ``[num_rows, num_columns]``, pixels.

    Raises:
      ValueError: the shapes differ, or a label does not fit into the table.
    """
    rows, columns = np.asarray(rows), np.asarray(columns)
    require_same_size(rows.shape, columns.shape)
    counts = (rows >= 0) & (columns >= 0)
    r, c = rows[counts].astype(np.int64), columns[counts].astype(np.int64)
    num_rows = _table_side("rows", r, num_rows)
    num_columns = _table_side("columns", c, num_columns)
    table = np.bincount(r * num_columns + c, minlength=num_rows * num_columns)
    return table.reshape(num_rows, num_columns)


def compact(labels: Integer[np.ndarray, "*s"]) -> Int[np.ndarray, "*s"]:
    """Labels numbered from 0 without gaps, in their order, so tables have no gaps."""
    return np.unique(labels, return_inverse=True)[1].reshape(np.shape(labels))


def ious(
    table: Int[np.ndarray, "r c"],
    row_sizes: Int[np.ndarray, " r"],
    column_sizes: Int[np.ndarray, " c"],
) -> Float[np.ndarray, "r c"]:
    """Intersection over union, float64, of every row and column; 0 for empty unions.

    Args:
      table: pixels that they share.
      row_sizes: pixels of each row's region (rows may overlap, as nodes do).
      column_sizes: pixels of each column's region.
    """
    unions = row_sizes[:, None] + column_sizes[None, :] - table
    return table / np.maximum(unions, 1)


def node_counts(
    tree: RegionTree, table: Int[np.ndarray, "n c"]
) -> tuple[Int[np.ndarray, "num_nodes c"], Bool[np.ndarray, "num_nodes num_nodes"]]:
    """Pixels of every class in every node, from those in the leaves.

    Args:
      tree: one tree.
      table: pixels of leaf (row, by node id) and class; rows of padding are ignored.

    Returns:
      int64 ``[num_nodes, c]``, pixels, without padding; and ``[i, j]``: node i is node
      j or one of its ancestors.
    """
    count = int(tree.num_nodes)
    if not count <= table.shape[0] <= tree.parents.shape[0]:
        raise ValueError(
            f"expected a table with a row for each of the tree's {count} nodes, but "
            f"found {table.shape[0]} rows; build it with num_rows=len(tree.parents)."
        )
    contains = np.asarray(tree.contains())[:count, :count]
    return host_cuts.gathered(np.asarray(tree.parents)[:count], table[:count]), contains


def require_same_size(found: tuple[int, ...], expected: tuple[int, ...]) -> None:
    """Raises ValueError unless labels and ground truth cover the same pixels."""
    if found != expected:
        raise ValueError(
            "labels and ground truth must be of the same size, but the labels are "
            f"{list(found)} and the ground truth {list(expected)}; resize one of them "
            "by nearest neighbour, or refine the labels to the image's size."
        )


def _table_side(what: str, labels: Int[np.ndarray, " p"], size: int | None) -> int:
    largest = int(labels.max(initial=-1))
    if size is None:
        return largest + 1
    if largest >= size:
        raise ValueError(
            f"expected labels below {size} for the {what} of the table, but found "
            f"{largest}; map raw ids to class indices first (a taxonomy's "
            "`flat().encode`), with negative ones for pixels that do not count."
        )
    return size
