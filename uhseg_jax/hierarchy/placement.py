"""Functions of nodes, called where the arrays of a tree are: on the host or a device.

A program is compiled for arrays of JAX alone, and for few lengths of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from uhseg_jax.derivatives import require_values
from uhseg_jax.entry import entry_point
from uhseg_jax.hierarchy import cuts, host_cuts
from uhseg_jax.hierarchy.cuts import NO_PARENT, Nodes
from uhseg_jax.types import Array, Int

__all__ = [
    "IntArray",
    "is_on_host",
    "on_nodes",
    "require_numbers",
    "require_single",
    "visible_nodes",
]

IntArray = Array | np.ndarray


def visible_nodes(tree: Any, **criterion: Any) -> Int[IntArray, " n"]:
    """The node as which every node is seen in a cut; padding as itself.

    A cut of the nodes instead of the cells, so it costs nothing on large images:
    ``visible_nodes(tree, num_regions=k)[tree.labels]`` is the cut itself.

    Args:
      tree: one tree.
      criterion: that of `RegionTree.cut`.

    Raises:
      ValueError: as of `RegionTree.cut`.
    """
    n = tree.parents.shape[0]
    kind, bound = cuts.resolve_criterion("cut", criterion, num_nodes=n)
    if is_on_host(tree) and not isinstance(bound, jax.core.Tracer):
        return host_cuts.visible_nodes(
            np.asarray(tree.parents),
            np.asarray(tree.depths),
            np.asarray(tree.costs),
            int(tree.num_nodes),
            bound,
            kind,
        )
    return on_nodes(tree, cuts.visible_nodes, bound, kind=kind)


@entry_point
def on_nodes(tree: Any, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Calls a function of `Nodes`, and returns its arrays as those of the tree are.

    The nodes are padded to a power of two, so that trees of many sizes share few
    compiled programs. Where the labels are numpy the result is numpy too, without a
    compilation for every size.

    Args:
      tree: one tree.
      function: takes the padded nodes first; every array that it returns has their
        length along each of its axes.
      args: further arguments; node arrays are padded with zeros as the nodes are.
      kwargs: further arguments.

    Raises:
      TypeError: the tree is a batch.
    """
    require_single(tree)
    if isinstance(tree.labels, np.ndarray):  # the result shall be numpy too
        require_values("A tree whose labels are numpy's", tree)
    n = tree.parents.shape[0]
    padding = (1 << (n - 1).bit_length()) - n
    pad = np.pad if isinstance(tree.parents, np.ndarray) else jnp.pad

    def padded(x: Any, fill: int = 0) -> Any:
        if np.ndim(x) == 0:
            return x
        return jnp.asarray(pad(x, (0, padding), constant_values=fill))

    def like_the_tree(x: Array) -> IntArray:
        whole = np.asarray(x) if isinstance(tree.labels, np.ndarray) else x
        index: Any = (..., *[slice(n)] * whole.ndim)  # dots keep numpy's rank 0
        return whole[index]

    nodes = Nodes(
        parents=padded(tree.parents, NO_PARENT),
        depths=padded(tree.depths),
        costs=padded(tree.costs),
        num_nodes=jnp.asarray(tree.num_nodes),
    )
    result = function(nodes, *map(padded, args), **kwargs)
    return jax.tree.map(like_the_tree, result)


def require_single(tree: Any) -> None:
    """Raises TypeError where a tree is a batch."""
    if tree.is_batched:
        raise TypeError(
            f"expected one tree, but this is a batch of {len(tree)}; index it "
            "(trees[0]) or map over it (jax.vmap)."
        )


def require_numbers(tree: Any, what: str) -> None:
    """Refuses a tree that is no arrays of numbers, for what works on the host.

    Args:
      tree: one tree.
      what: the name of what is called, for the message.

    Raises:
      TypeError: the tree is a batch.
      derivatives.NoDerivativeError: JAX is tracing it.
    """
    require_single(tree)
    require_values(what, tree)


def is_on_host(tree: Any) -> bool:
    """Whether all arrays of a tree are numpy, for which no program is compiled.

    Raises:
      TypeError: the tree is a batch.
    """
    require_single(tree)
    return all(isinstance(x, (np.ndarray, np.generic)) for x in jax.tree.leaves(tree))
