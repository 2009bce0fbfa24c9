"""What there is to say of the nodes of a tree: a table, a nest, a line for all."""

from typing import Any

import numpy as np

from uhseg_jax.hierarchy import host_cuts
from uhseg_jax.hierarchy.boxes import node_boxes
from uhseg_jax.hierarchy.cuts import NO_PARENT, ROOT
from uhseg_jax.types import Float, Int

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
    *batch, height, width = np.shape(tree.labels)
    counts = np.asarray(tree.num_nodes)
    if batch:
        least, most = int(counts.min()), int(counts.max())
        nodes = f"{most} nodes" if least == most else f"{least} to {most} nodes"
        return f"batch of {batch[0]}, {height} x {width}, {nodes}"
    count = int(counts)
    leaves = int(host_cuts.is_leaf(np.asarray(tree.parents), count).sum())
    deepest = int(np.asarray(tree.depths)[:count].max(initial=0))
    return (
        f"{height} x {width}, {_counted(count, 'node')}, {_counted(leaves, 'leaf')}, "
        f"depth {deepest}"
    )


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
    height, width = tree.labels.shape
    return {"height": height, "width": width, **nodes[ROOT]}


def columns_of(tree: Any) -> dict[str, np.ndarray]:
    """The columns of `RegionTree.nodes`, of numpy, in the order of the nodes."""
    count = int(tree.num_nodes)
    parents = np.asarray(tree.parents)[:count]
    children = children_of(parents)
    areas, boxes, centroids = _places(np.asarray(tree.labels), parents)
    nested = np.empty(count, object)
    nested[:] = [tuple(x) for x in children]
    return {
        "id": np.arange(count),
        "parent": parents.astype(np.int64),
        "depth": np.asarray(tree.depths)[:count].astype(np.int64),
        "cost": np.asarray(tree.costs)[:count].astype(np.float32),
        "area": areas,
        **dict(zip(("x", "y", "width", "height"), boxes.T, strict=True)),
        **dict(zip(("centroid_x", "centroid_y"), centroids.T, strict=True)),
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
    labels: Int[np.ndarray, "h w"], parents: Int[np.ndarray, " n"]
) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, "n 4"], Float[np.ndarray, "n 2"]]:
    """Area, box (x, y, width, height) and centroid (x, y) of every node.

    Of a node without pixels the box is 0 and the centroid NaN.
    """
    n, flat = parents.size, labels.ravel()
    rows, columns = np.indices(labels.shape)
    sums = np.stack(
        [
            np.bincount(flat, minlength=n),
            np.bincount(flat, columns.ravel(), n),
            np.bincount(flat, rows.ravel(), n),
        ],
        axis=1,
    )
    for node in range(n - 1, ROOT, -1):  # children come first
        sums[parents[node]] += sums[node]
    areas = sums[:, 0].astype(np.int64)
    boxes = node_boxes(labels, parents)
    boxes[areas == 0] = 0
    boxes[:, 2:] -= boxes[:, :2]
    with np.errstate(invalid="ignore"):
        return areas, boxes, sums[:, 1:] / sums[:, :1]
