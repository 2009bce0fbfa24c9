"""Labels of another size, and the trees that they make."""

import dataclasses

import jax
import numpy as np

from uhseg_jax.hierarchy.placement import on_nodes
from uhseg_jax.hierarchy.pruning import collapse_empty
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.refinement.components import label_components
from uhseg_jax.types import Array, Integer

__all__ = ["at_size", "divide_into_pieces", "relabel", "resize_labels"]

# Pieces of one leaf lie apart in the image; no cut told them from one another. The
# largest normalised cut there is, so that they are the last that a cut opens.
_PIECE_COST = 1.0


def resize_labels(
    labels: Integer[np.ndarray, "h w"], size: tuple[int, ...]
) -> Integer[np.ndarray, "H W"]:
    """Labels of another size: every cell takes the label that its centre lies in."""
    rows, columns = (
        ((np.arange(full) + 0.5) * cells / full).astype(np.intp)
        for full, cells in zip(size, labels.shape, strict=True)
    )
    return labels[rows[:, None], columns[None, :]]


def at_size(tree: RegionTree, size: tuple[int, ...]) -> RegionTree:
    """A tree with its labels at (height, width), numpy; the nodes stay as they are."""
    labels = resize_labels(np.asarray(tree.labels), size)
    return dataclasses.replace(tree, labels=labels)


def relabel(tree: RegionTree, labels: Integer[np.ndarray, "H W"]) -> RegionTree:
    """The tree over other cells, without the leaves that have lost all of theirs.

    Parents are the unions of their leaves, so regions are nested whatever the labels
    are; see `hierarchy.pruning.collapse_empty` for the nodes that go.

    Args:
      tree: one tree, numpy.
      labels: the leaf of ``tree`` that each cell belongs to.

    Returns:
      A tree with numpy arrays of the same padded length.
    """
    tree = jax.device_get(tree)
    areas = np.bincount(labels.ravel(), minlength=tree.parents.size).astype(np.int32)
    nodes, numbers = on_nodes(tree, collapse_empty, areas)
    return RegionTree(labels=numbers[labels], **vars(nodes))


def divide_into_pieces(tree: RegionTree) -> RegionTree:
    """Makes every leaf connected: one in several pieces becomes their parent.

    The pieces cost 1, the largest normalised cut, because none was computed: cuts open
    them last.

    Args:
      tree: one tree, numpy.

    Returns:
      The tree with the pieces behind its nodes, without padding.
    """
    labels, count = np.asarray(tree.labels), int(tree.num_nodes)
    pieces = label_components(labels)
    _, first = np.unique(pieces, return_index=True)
    leaf_of = labels.ravel()[first]
    divided = np.bincount(leaf_of, minlength=count)[leaf_of] > 1
    node_of = leaf_of.copy()
    node_of[divided] = count + np.arange(int(divided.sum()))
    parents = leaf_of[divided]
    costs = np.full(len(parents), _PIECE_COST, np.float32)

    def longer(nodes: Array | np.ndarray, more: np.ndarray) -> np.ndarray:
        return np.concatenate([np.asarray(nodes)[:count], more]).astype(nodes.dtype)

    return RegionTree(
        labels=node_of[pieces].astype(np.int32),
        parents=longer(tree.parents, parents),
        num_nodes=np.asarray(count + len(parents), np.int32),
        depths=longer(tree.depths, np.asarray(tree.depths)[parents] + 1),
        costs=longer(tree.costs, costs),
    )
