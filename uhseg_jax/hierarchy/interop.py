"""Trees as other packages have them: SciPy, Higra, Supervision.

SciPy and Higra count from the leaves up, and know a hierarchy by the height at which
regions join. That is the strength of the contour between them (`ultrametric`), so a
threshold on heights gives what `RegionTree.cut` gives.
"""

from typing import Any, NamedTuple

import numpy as np

from uhseg_jax.hierarchy.cuts import ROOT
from uhseg_jax.hierarchy.lattice import require_image
from uhseg_jax.hierarchy.node_table import children_of
from uhseg_jax.hierarchy.ultrametric import strengths
from uhseg_jax.optional import imported
from uhseg_jax.types import Float, Int

__all__ = ["HigraTree", "detections_of", "higra_of", "linkage_of"]


class HigraTree(NamedTuple):
    """A tree of Higra, its altitudes, and the nodes that its nodes are.

    Attributes:
      tree: ``higra.Tree``, over the region adjacency graph of the leaves.
      altitudes: float64 ``[n]``, 0 for leaves.
      nodes: int64 ``[n]``, the number of each in the arrays of the tree; those without
        pixels are left out.
    """

    tree: Any
    altitudes: Float[np.ndarray, " n"]
    nodes: Int[np.ndarray, " n"]


def linkage_of(tree: Any, scale: str) -> Float[np.ndarray, "merges 4"]:
    """The merges of a tree; see `RegionTree.to_linkage`."""
    count = int(tree.num_nodes)
    children = children_of(np.asarray(tree.parents)[:count])
    heights = strengths(tree, scale)[:count]
    leaves = [node for node in range(count) if not children[node]]
    cluster = {leaf: number for number, leaf in enumerate(leaves)}
    sizes = dict.fromkeys(range(len(leaves)), 1)
    merges: list[tuple[float, ...]] = []
    # Of equal heights the higher number first, since children follow their parents.
    for node in sorted(range(count), key=lambda node: (heights[node], -node)):
        if not children[node]:
            continue
        joined, *others = (cluster[child] for child in children[node])
        for other in others:
            union = len(leaves) + len(merges)
            sizes[union] = sizes[joined] + sizes[other]
            merges.append((*sorted((joined, other)), heights[node], sizes[union]))
            joined = union
        cluster[node] = joined
    return np.array(merges, np.float64).reshape(-1, 4)


def higra_of(tree: Any, scale: str) -> HigraTree:
    """See `RegionTree.to_higra`."""
    higra = imported("higra", "tree.to_higra")
    require_image(np.shape(tree.labels), "RegionTree.to_higra")
    parents, nodes = parents_last(tree)
    numbers = np.empty(int(tree.num_nodes), np.int64)
    numbers[nodes] = np.arange(nodes.size)
    hierarchy = higra.Tree(parents)
    labels = numbers[np.asarray(tree.labels)]
    graph = _adjacency(higra, labels, len(np.unique(labels)))
    higra.CptHierarchy.link(hierarchy, graph)
    return HigraTree(hierarchy, strengths(tree, scale)[nodes], nodes)


def parents_last(tree: Any) -> tuple[Int[np.ndarray, " m"], Int[np.ndarray, " m"]]:
    """The nodes that have pixels as Higra counts them, leaves first and the root last.

    Returns:
      The parent of each, counted so, which for the root is itself; and the node of the
      tree that it is.
    """
    count = int(tree.num_nodes)
    parents = np.asarray(tree.parents)[:count]
    is_leaf = np.array([not x for x in children_of(parents)])
    has_pixels = tree.areas()[:count] > 0  # Higra knows no empty regions
    leaves = np.flatnonzero(is_leaf & has_pixels)
    inner = np.flatnonzero(~is_leaf & has_pixels)
    nodes = np.concatenate([leaves, inner[::-1]])  # parents last
    numbers = np.empty(count, np.int64)
    numbers[nodes] = np.arange(nodes.size)
    above = parents.astype(np.int64)
    above[ROOT] = ROOT
    return numbers[above[nodes]], nodes


def _adjacency(higra: Any, labels: Int[np.ndarray, "h w"], count: int) -> Any:
    """Higra's graph of the regions of a label map, which may lie in several pieces."""
    pixels = higra.get_4_adjacency_graph(labels.shape)
    one, other = (labels.ravel()[x] for x in pixels.edge_list()[:2])
    between = np.flatnonzero(one != other)
    low = np.minimum(one, other)[between]
    high = np.maximum(one, other)[between]
    keys, places = np.unique(low * count + high, return_inverse=True)
    edges = np.full(one.size, -1)
    edges[between] = places
    regions = higra.UndirectedGraph(count)
    regions.add_edges(*np.divmod(keys, count))
    higra.CptRegionAdjacencyGraph.link(regions, pixels, labels.ravel(), edges)
    return regions


def detections_of(tree: Any, choice: dict[str, Any]) -> Any:
    """See `RegionTree.to_supervision`."""
    supervision = imported("supervision", "tree.to_supervision")
    require_image(np.shape(tree.labels), "RegionTree.to_supervision")
    regions = tree.regions(**choice)
    boxes = regions.boxes().astype(np.float32).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    return supervision.Detections(
        xyxy=boxes,
        mask=regions.masks(),
        class_id=np.zeros(len(regions), np.int64),
        data={
            "class_name": np.full(len(regions), "region"),
            "node": np.asarray(regions.nodes),
            "area": regions.areas(),
        },
    )
