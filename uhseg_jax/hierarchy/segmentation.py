"""What a method finds in one image."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.types import Bool, Int

__all__ = ["Segmentation"]


@dataclasses.dataclass(frozen=True)
class Segmentation:
    """The regions of one image, with numpy arrays.

    Attributes:
      tree: the regions, its labels at the size of the image.
      grid: the regions on the patch grid.
      categories: int32 ``[n]``, the category of every node of ``tree``, from 1; 0 for
        the background and for nodes without one. None if the method names no regions.
      masks: named foregrounds, bool ``[h, w]`` on the patch grid; empty if the method
        finds none.
    """

    tree: RegionTree
    grid: RegionTree
    categories: Int[np.ndarray, " n"] | None = None
    masks: Mapping[str, Bool[np.ndarray, "h w"]] = dataclasses.field(
        default_factory=dict
    )
