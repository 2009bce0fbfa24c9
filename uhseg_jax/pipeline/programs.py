"""The program of a method, compiled once, and compiled ahead while weights are read.

This is where a method is compiled; a backbone's forward is (`backbones.Extractor`).
"""

import contextlib
import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from uhseg_jax import backbones, methods
from uhseg_jax.ahead import Arguments, Program, begin
from uhseg_jax.batches import map_images
from uhseg_jax.hierarchy.placement import visible_nodes
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.methods.method import ImageMethod
from uhseg_jax.pipeline.grid_tree import GridTree
from uhseg_jax.refinement.labels import relabel
from uhseg_jax.types import Array

__all__ = ["compile_soon", "jitted_trees"]


@Program
@functools.partial(jax.jit, static_argnames=("segment_fn", "config", "mesh", "at_once"))
def jitted_trees(
    features: Array | np.ndarray,
    graphs: Any = None,
    *,
    segment_fn: Callable[..., Any],
    config: Any,
    mesh: Mesh | None = None,
    at_once: int = 1,
) -> GridTree:
    """Batched trees of features ``[b, h, w, d]``; compiled once for each config."""

    def tree_fn(nothing: tuple[()], one: tuple[Array, Any]) -> GridTree:
        del nothing
        features, graph = one
        output = segment_fn(features, config, graph)
        return GridTree(output.tree, None if graph is None else output.leaves)

    return map_images(tree_fn, (), (features, graphs), mesh=mesh, at_once=at_once)


# Of this size, so that it is divided in no time.
_ANY_IMAGE = np.zeros((16, 16, 3), np.uint8)


def compile_soon(
    backbone: backbones.Backbone, method: methods.Method, config: Any
) -> None:
    """Begins to compile, in threads, what the smallest batches go through.

    Args:
      backbone: with its parameters or, before they are read, their shapes.
      method: whose program comes after the backbone's.
      config: that of the method.
    """
    extractor = backbones.Extractor(backbone, config.request)
    answers, at_once = extractor.compile_soon(), extractor.group

    def arguments() -> Arguments:
        features = answers.result()
        _, rows, columns, _ = features.shape
        prepared = method.prepare(_ANY_IMAGE, (rows, columns), config)
        graph = None
        if prepared is not None:
            graph = jax.tree.map(lambda x: np.stack([x] * at_once), prepared.graph)
        return features, graph

    if isinstance(method, ImageMethod):
        key = (backbone.module, method.name, config, at_once)
        statics = {"segment_fn": method.segment, "config": config, "mesh": None}
        statics |= {"at_once": at_once}
        trees = jitted_trees.compile_soon(key, arguments, statics)
        _warm_nodes_soon(trees)


_warmed: set[object] = set()


def _warm_nodes_soon(trees: Any) -> None:
    """Begins to compile what the nodes of a tree go through on the host.

    Args:
      trees: will be known as a `GridTree` of shapes.
    """
    if trees in _warmed:
        return
    _warmed.add(trees)

    def work() -> None:
        (length,) = trees.result().tree.parents.shape[1:]
        labels = np.zeros((1, 1), np.int32)
        tree = RegionTree.flat(labels, length)
        relabel(tree, labels)
        visible_nodes(tree, num_regions=2)
        tree.areas()
        tree.entry_ranks()

    with contextlib.suppress(RuntimeError):  # no thread can be started
        begin(work)
