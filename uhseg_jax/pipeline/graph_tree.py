"""Trees of graphs whose vertices lie anywhere: the method alone, compiled here."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from uhseg_jax.entry import entry_point
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.methods import METHODS, Method
from uhseg_jax.methods.method import ImageMethod
from uhseg_jax.superpixels import RegionGraph, SuperpixelGraph
from uhseg_jax.types import Array, Float

__all__ = ["is_large_grid", "require_graphs", "tree_of_graph", "tree_of_patches"]

_MOST_PATCHES = 4096  # of one program, where a method has their square in memory


def require_graphs(method: Method) -> None:
    """Refuses a method that needs the patches of one image.

    Raises:
      ValueError: it is such; the message names those that are not.
    """
    if not _takes_graphs(method):
        known = " or ".join(x.name for x in METHODS.values() if _takes_graphs(x))
        raise ValueError(
            f"expected a method that works on superpixels of many images, {known}, "
            f"but got {method.name!r}, which needs the patches of one image."
        )


@entry_point
def tree_of_graph(graph: RegionGraph, method: Method, config: Any) -> RegionTree:
    """The tree of regions of a graph of any number of vertices.

    A large graph is condensed first where the method has the square of its vertices in
    memory; regions of that are the leaves at most.

    Args:
      graph: the vertices, with their features; one at least.
      method: one that takes graphs (`require_graphs`).
      config: its frozen config.

    Returns:
      A tree in numpy with labels ``[n]``, the leaf of every vertex. With the vertices
      of pixels, ``RegionTree.over`` makes it one of pixels.

    Raises:
      ValueError: the method needs the patches of one image.
    """
    require_graphs(method)
    assert isinstance(method, ImageMethod)
    assert method.graph_fn is not None
    regions = np.arange(len(graph), dtype=np.int32)
    if method.condense_fn is not None:
        regions = method.condense_fn(graph, config)
        graph = graph.condensed(regions)
    # Programs are compiled for few sizes.
    count = len(graph) if method.condense_fn is None else _enough(len(graph), 256)
    padded = graph.padded(count, _enough(len(graph.edges), 3 * count))
    vectors = np.pad(graph.vectors, ((0, count - len(graph)), (0, 0)))
    found = jax.device_get(
        _tree(vectors, padded, graph_fn=method.graph_fn, config=config)
    )
    leaves = np.asarray(found.labels).ravel()
    return dataclasses.replace(found, labels=leaves[regions])


def is_large_grid(method: Method, grid: tuple[int, int]) -> bool:
    """Whether a grid has more patches than the method's program can work on."""
    has_square = isinstance(method, ImageMethod) and method.condense_fn is not None
    return has_square and grid[0] * grid[1] > _MOST_PATCHES


def tree_of_patches(
    vectors: Float[np.ndarray, "h w d"], method: Method, config: Any
) -> RegionTree:
    """The tree of regions of a grid of any size, on that grid.

    Args:
      vectors: float32, of unit length.
      method: one that takes graphs (`require_graphs`).
      config: its frozen config.

    Raises:
      ValueError: the method needs the patches of one image.
    """
    h, w, _ = vectors.shape
    tree = tree_of_graph(RegionGraph.of_patches(vectors), method, config)
    return tree.over(np.arange(h * w).reshape(h, w))


def _takes_graphs(method: Method) -> bool:
    return isinstance(method, ImageMethod) and method.graph_fn is not None


def _enough(count: int, least: int) -> int:
    """The next of ``least``, twice as many and so on."""
    while least < count:
        least *= 2
    return least


@functools.partial(jax.jit, static_argnames=("graph_fn", "config"))
def _tree(
    vectors: Float[Array | np.ndarray, "n d"],
    graph: SuperpixelGraph,
    *,
    graph_fn: Callable[..., Any],
    config: Any,
) -> RegionTree:
    tree: RegionTree = graph_fn(vectors, graph, config).tree
    return tree
