"""A tree as a series of flat segmentations from coarse to fine, for the BSDS scores."""

from collections.abc import Sequence

import numpy as np

from uhseg_jax.hierarchy.tree import RegionTree, visible_nodes
from uhseg_jax.types import Int

__all__ = ["NUM_REGIONS", "cut_maps", "cut_stack"]

# Our choice: fine steps where human segmentations lie (2 to 60 regions), then coarser.
NUM_REGIONS = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 64)


def cut_maps(
    tree: RegionTree, num_regions: Sequence[int] = NUM_REGIONS
) -> Int[np.ndarray, "t n"]:
    """The region of every leaf at every scale.

    Args:
      tree: one tree.
      num_regions: the scales, as numbers of regions (`RegionTree.cut`).

    Returns:
      ``[t, n]``: for every node the one that it is seen as.
    """
    cuts = [visible_nodes(tree, num_regions=k) for k in num_regions]
    return np.stack([np.asarray(cut) for cut in cuts])


def cut_stack(
    tree: RegionTree, num_regions: Sequence[int] = NUM_REGIONS
) -> Int[np.ndarray, "t h w"]:
    """The flat segmentation of every scale; arguments as for `cut_maps`."""
    return cut_maps(tree, num_regions)[:, np.asarray(tree.labels)]
