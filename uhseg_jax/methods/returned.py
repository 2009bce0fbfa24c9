"""What a user's function returned, as a tree."""

from typing import Any

import numpy as np

from uhseg_jax.hierarchy import tree_file
from uhseg_jax.hierarchy.levels import tree_of_levels
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.types import Integer

__all__ = ["tree_of_returned"]

_MOST_NODES = 2**15  # beyond, they are hardly regions


def tree_of_returned(returned: Any, sizes: set[tuple[int, ...]]) -> RegionTree:
    """Labels, several label maps from coarse to fine, or a tree, as a tree in numpy.

    Args:
      returned: by a function.
      sizes: (height, width) that labels may have.

    Raises:
      ValueError: it is none; the message follows "the function returned".
    """
    expected = " or ".join(f"{h} x {w}" for h, w in sorted(sizes))
    if isinstance(returned, RegionTree):
        found = _checked(returned)
    else:
        found = tree_of_levels(_levels(returned))
    if found.parents.size > _MOST_NODES:
        raise ValueError(
            f"{found.parents.size} regions; expected at most {_MOST_NODES}."
        )
    if found.labels.shape not in sizes:
        h, w = found.labels.shape
        raise ValueError(f"labels of {h} x {w}; expected labels of {expected}.")
    return found


def _levels(returned: Any) -> Integer[np.ndarray, "l h w"]:
    """Label maps, of one level or of several."""
    try:
        labels = np.asarray(returned)
    except ValueError:
        labels = np.asarray(None)
    is_map = labels.ndim == 2 and labels.dtype == bool
    is_integer = labels.ndim in (2, 3) and np.issubdtype(labels.dtype, np.integer)
    if not (is_map or is_integer) or 0 in labels.shape:
        what = type(returned).__name__
        if isinstance(returned, np.ndarray):
            what = f"an array {returned.shape} of {returned.dtype}"
        raise ValueError(
            f"{what}; expected integer labels [h, w] or [H, W], several such maps from "
            "coarse to fine [l, h, w], or a RegionTree."
        )
    return (labels + 0)[(None,) * (3 - labels.ndim)]


def _checked(tree: RegionTree) -> RegionTree:
    """A tree in numpy without padding, if it is one."""
    if np.ndim(tree.labels) != 2:
        raise ValueError("a batch of trees; expected one RegionTree.")
    count = int(tree.num_nodes)
    arrays = {
        "labels": np.asarray(tree.labels),
        **{x: np.asarray(getattr(tree, x))[:count] for x in ("parents", "depths")},
        "costs": np.asarray(tree.costs)[:count],
    }
    if fault := tree_file.fault_of(**arrays):
        raise ValueError(f"a RegionTree in which {fault}.")
    return RegionTree(
        num_nodes=np.asarray(count, np.int32), **tree_file.as_kept(arrays)
    )
