"""A tree as series of flat segmentations from coarse to fine, for the BSDS scores."""

from collections.abc import Iterable, Sequence

import numpy as np

from uhseg_jax.hierarchy.placement import visible_nodes
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.types import Int

__all__ = ["COSTS", "NUM_REGIONS", "by_number", "cut_maps", "cut_stack"]

NUM_REGIONS = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 64)
"""Numbers of regions, the first series of scales.

Our choice: fine steps where human segmentations lie (2 to 60 regions), then coarser.
"""

COSTS = (
    *(0.05, 0.10, 0.15, 0.20, 0.23, 0.26, 0.28, 0.30, 0.32, 0.34, 0.36, 0.38),
    *(0.40, 0.42, 0.44, 0.46, 0.48, 0.50, 0.52, 0.55, 0.60, 0.68, 0.80, 0.95),
)
"""Costs, one threshold for all images as the benchmark has it; the second series.

Our choice: fine steps where trees of our methods have 5 to 40 regions.
"""


def by_number(name: str, values: Iterable[float]) -> dict[str, float]:
    """Scores of the scales `NUM_REGIONS`, each under ``NAME_at_K``."""
    return {
        f"{name}_at_{k}": float(value)
        for k, value in zip(NUM_REGIONS, values, strict=True)
    }


def cut_maps(
    tree: RegionTree,
    num_regions: Sequence[int] = NUM_REGIONS,
    *,
    costs: Sequence[float] = (),
) -> Int[np.ndarray, "t n"]:
    """The region of every leaf at every scale.

    Args:
      tree: one tree.
      num_regions: scales as numbers of regions (`RegionTree.cut`).
      costs: scales as costs, which come after those.

    Returns:
      ``[t, n]``: for every node the one that it is seen as.
    """
    cuts = [visible_nodes(tree, num_regions=k) for k in num_regions]
    cuts += [visible_nodes(tree, cost=cost) for cost in costs]
    return np.stack([np.asarray(cut) for cut in cuts])


def cut_stack(
    tree: RegionTree,
    num_regions: Sequence[int] = NUM_REGIONS,
    *,
    costs: Sequence[float] = (),
) -> Int[np.ndarray, "t ..."]:
    """The flat segmentation of every scale; arguments as for `cut_maps`."""
    return cut_maps(tree, num_regions, costs=costs)[:, np.asarray(tree.labels)]
