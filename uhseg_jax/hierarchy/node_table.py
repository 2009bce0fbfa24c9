"""What there is to say of the nodes of a tree: a table, a nest, a line for all."""

from typing import Any

import numpy as np

from uhseg_jax.hierarchy import host_cuts
from uhseg_jax.hierarchy.boxes import node_boxes
from uhseg_jax.hierarchy.cuts import NO_PARENT, ROOT
from uhseg_jax.hierarchy.lattice import sides_of, size_in_words
from uhseg_jax.types import Int

__all__ = [
    "as_table",
    "children_of",
    "columns_of",
    "nested_of",
    "summary",
    "table_of",
]


def summary(tree: Any) -> str:
    """A tree in a line, with the sizes that matter instead of its arrays."""
    try:
        return f"RegionTree({_sizes(tree)})"
    except Exception:  # within a transformation of JAX the fields may hold anything
        fields = (f"{name}={_kind(x)}" for name, x in vars(tree).items())
        return f"RegionTree({', '.join(fields)})"


def _sizes(tree: Any) -> str:
    shape = np.shape(tree.labels)
    counts = np.asarray(tree.num_nodes)
    if tree.is_batched:
        least, most = int(counts.min()), int(counts.max())
        nodes = f"{most} nodes" if least == most else f"{least} to {most} nodes"
        return f"batch of {shape[0]}, {size_in_words(shape[1:])}, {nodes}"
    count = int(counts)
    leaves = int(host_cuts.is_leaf(np.asarray(tree.parents), count).sum())
    deepest = int(np.asarray(tree.depths)[:count].max(initial=0))
    said = f"{_counted(count, 'node')}, {_counted(leaves, 'leaf')}, depth {deepest}"
    return f"{size_in_words(shape)}, {said}"


def _counted(count: int, what: str) -> str:
    plural = {"node": "nodes", "leaf": "leaves"}[what]
    return f"{count} {what if count == 1 else plural}"


def _kind(x: Any) -> str:
    if not hasattr(x, "dtype") or not hasattr(x, "shape"):
        return repr(x)
    return f"{x.dtype}[{','.join(map(str, x.shape))}]"


def table_of(tree: Any) -> Any:
    """The columns of all nodes as a table; see `RegionTree.nodes`."""
    return as_table(columns_of(tree))


def as_table(columns: dict[str, np.ndarray]) -> Any:
    """Columns of one length as a table: of pandas, or else a structured array."""
    try:
        import pandas
    except ImportError:
        kinds = [(name, x.dtype) for name, x in columns.items()]
        table = np.empty(len(next(iter(columns.values()))), kinds)
        for name, x in columns.items():
            table[name] = x
        return table
    return pandas.DataFrame(columns)


def nested_of(tree: Any) -> dict[str, Any]:
    """The nodes as dictionaries of dictionaries; see `RegionTree.to_dict`."""
    areas, count = tree.areas(), int(tree.num_nodes)
    nodes: list[dict[str, Any]] = [
        {
            "id": i,
            "depth": int(tree.depths[i]),
            "cost": float(tree.costs[i]),
            "area": int(areas[i]),
            "children": [],
        }
        for i in range(count)
    ]
    for i, parent in enumerate(np.asarray(tree.parents)[1:count], start=1):
        nodes[parent]["children"].append(nodes[i])
    return {**sides_of(tree.labels.shape), **nodes[ROOT]}


def columns_of(tree: Any) -> dict[str, np.ndarray]:
    """The columns of `RegionTree.nodes`, of numpy, in the order of the nodes."""
    count = int(tree.num_nodes)
    parents = np.asarray(tree.parents)[:count]
    children = children_of(parents)
    labels, areas = np.asarray(tree.labels), tree.areas()[:count]
    nested = np.empty(count, object)
    nested[:] = [tuple(x) for x in children]
    return {
        "id": np.arange(count),
        "parent": parents.astype(np.int64),
        "depth": np.asarray(tree.depths)[:count].astype(np.int64),
        "cost": np.asarray(tree.costs)[:count].astype(np.float32),
        "area": areas,
        **(_places(labels, parents, areas) if labels.ndim > 1 else {}),
        "is_leaf": np.array([not x for x in children]),
        "children": nested,
    }


def children_of(parents: Int[np.ndarray, " n"]) -> list[list[int]]:
    """The children of every node, by their numbers."""
    children: list[list[int]] = [[] for _ in range(parents.size)]
    for node, parent in enumerate(parents.tolist()):
        if parent != NO_PARENT:
            children[parent].append(node)
    return children


def _places(
    labels: Int[np.ndarray, "..."],
    parents: Int[np.ndarray, " n"],
    areas: Int[np.ndarray, " n"],
) -> dict[str, np.ndarray]:
    """Where the nodes lie on images, and in which frames where there are several.

    A node without pixels has the box 0, no centroid (NaN) and no frame (-1).
    """
    starts, ends = np.split(node_boxes(labels, parents), 2, axis=1)
    empty = areas == 0
    starts[empty], ends[empty] = 0, 0
    names = ("x", "y", "width", "height")
    sides = np.concatenate([starts[:, :2], (ends - starts)[:, :2]], axis=1)
    found = dict(zip(names, sides.T, strict=True))
    if labels.ndim == 3:
        found |= {
            "first": np.where(empty, -1, starts[:, 2]),
            "last": np.where(empty, -1, ends[:, 2] - 1),
        }
    for name, axis in (("centroid_x", -1), ("centroid_y", -2)):
        sums = host_cuts.gathered(parents, _sums_along(labels, axis, parents.size))
        with np.errstate(invalid="ignore"):
            found[name] = sums / areas
    return found


def _sums_along(
    labels: Int[np.ndarray, "..."], axis: int, count: int
) -> Int[np.ndarray, " n"]:
    """The places of all cells along an axis, summed for every label."""
    sums = np.zeros(count, np.int64)
    for place, cells in enumerate(np.moveaxis(labels, axis, 0)):
        sums += place * np.bincount(cells.ravel(), minlength=count)
    return sums
