"""The functions of `cuts` for trees in numpy arrays: the same results, no compilation.

A tree of some hundred nodes takes less time here than a compiled program takes to be
called, let alone to be compiled.
"""

import heapq

import numpy as np

from uhseg_jax.hierarchy.cuts import NO_PARENT, ROOT
from uhseg_jax.types import Bool, Float, Int

__all__ = [
    "ancestry",
    "entry_ranks",
    "gathered",
    "is_leaf",
    "opening_bounds",
    "split_costs",
    "visible_nodes",
]


def is_leaf(parents: Int[np.ndarray, " n"], num_nodes: int) -> Bool[np.ndarray, " n"]:
    """As `cuts.is_leaf`."""
    is_node = np.arange(parents.size) < num_nodes
    return is_node & (_num_children(parents) == 0)


def ancestry(parents: Int[np.ndarray, " n"]) -> Bool[np.ndarray, "n n"]:
    """As `cuts.ancestry`."""
    above = np.eye(parents.size, dtype=bool)
    for node, parent in enumerate(parents.tolist()):
        if parent != NO_PARENT:
            above[node] |= above[parent]
    return np.ascontiguousarray(above.T)


def entry_ranks(
    parents: Int[np.ndarray, " n"], costs: Float[np.ndarray, " n"], num_nodes: int
) -> Int[np.ndarray, " n"]:
    """As `cuts.entry_ranks`."""
    ranks = np.full(parents.size, parents.size, np.int32)
    if num_nodes == 0:
        return ranks
    children: list[list[int]] = [[] for _ in range(parents.size)]
    for node, parent in enumerate(parents.tolist()):
        if parent != NO_PARENT:
            children[parent].append(node)
    opening = split_costs(parents, costs).tolist()
    ranks[ROOT] = 0
    waiting = [(opening[ROOT], ROOT)] if children[ROOT] else []
    opened = 0
    while waiting:
        _, node = heapq.heappop(waiting)
        opened += 1
        ranks[children[node]] = opened
        for child in children[node]:
            if children[child]:
                heapq.heappush(waiting, (opening[child], child))
    return ranks


def gathered(
    parents: Int[np.ndarray, " n"],
    values: Int[np.ndarray, "n ..."] | Float[np.ndarray, "n ..."],
    operation: np.ufunc = np.add,
) -> np.ndarray:
    """Values of leaves, gathered in all the nodes around them.

    Args:
      parents: of the nodes, perhaps with padding.
      values: of every node without those below it: of an inner one what an empty set
        has.
      operation: joins those of two disjoint sets.
    """
    found = values.copy()
    for node in range(parents.size - 1, ROOT, -1):  # children come first
        parent = parents[node]
        if parent != NO_PARENT:
            found[parent] = operation(found[parent], found[node])
    return found


def visible_nodes(
    parents: Int[np.ndarray, " n"],
    depths: Int[np.ndarray, " n"],
    costs: Float[np.ndarray, " n"],
    num_nodes: int,
    bound: int | float,
    kind: str,
) -> Int[np.ndarray, " n"]:
    """As `cuts.visible_nodes`."""
    bounds = opening_bounds(parents, depths, costs, num_nodes, kind)
    divides = bounds < (np.float32(bound) if kind == "cost" else bound)
    seen_as = np.arange(parents.size, dtype=np.int32)
    whole = ~divides  # no more divided, nor is what lies below
    for node, parent in enumerate(parents.tolist()):
        if parent != NO_PARENT and whole[parent]:
            seen_as[node] = seen_as[parent]
    return seen_as


def opening_bounds(
    parents: Int[np.ndarray, " n"],
    depths: Int[np.ndarray, " n"],
    costs: Float[np.ndarray, " n"],
    num_nodes: int,
    kind: str,
) -> np.ndarray:
    """As `cuts.opening_bounds`."""
    if kind == "cost":
        bounds = split_costs(parents, costs)
        for node, parent in enumerate(parents.tolist()):
            if parent != NO_PARENT:
                bounds[node] = np.maximum(bounds[node], bounds[parent])
        return bounds
    if kind == "depth":
        bounds = depths
    else:
        n = parents.size
        ranks = entry_ranks(parents, costs, num_nodes)
        # After r splits, the nodes of rank <= r have entered and r of them are divided.
        entered = np.bincount(ranks, minlength=n + 1)[:n]
        regions = np.cumsum(entered) - np.arange(n)
        opened = np.full(n, n)
        is_child = parents != NO_PARENT
        np.minimum.at(opened, parents[is_child], ranks[is_child])
        bounds = np.where(opened < n, regions[np.minimum(opened, n - 1)] - 1, n)
    never = np.iinfo(bounds.dtype).max
    return np.where(_num_children(parents) > 0, bounds, never)


def _num_children(parents: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    return np.bincount(parents[parents != NO_PARENT], minlength=parents.size)


def split_costs(
    parents: Int[np.ndarray, " n"], costs: Float[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    """As `cuts.split_costs`, float32, and summed in the same order."""
    total = np.zeros(parents.size, np.float32)
    is_child = parents != NO_PARENT
    np.add.at(total, parents[is_child], costs[is_child].astype(np.float32))
    count = _num_children(parents)
    mean = total / np.maximum(count, 1).astype(np.float32)
    return np.where(count > 0, mean, np.float32(np.inf))
