"""What a method found in one image."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.types import Array, Bool, Float, Int

__all__ = ["Segmentation"]


@dataclasses.dataclass(frozen=True)
class Segmentation:
    """What a method found in one image, in numpy arrays.

    Attributes:
      tree: the regions, with labels at the size of the image.
      grid: the same on the patch grid.
      categories: ``[n]``, category of every node of the tree, 0 for the background;
        None from methods without categories.
      distances: ``[n]``, of every node to the centroid of its category; None as well.
      features: of the patches, from which the method found them; None from methods
        that keep none.
      masks: named foreground masks ``[h, w]`` on the patch grid; none from methods that
        have no foreground.
    """

    tree: RegionTree
    grid: RegionTree
    categories: Int[np.ndarray, " n"] | None = None
    distances: Float[np.ndarray, " n"] | None = None
    features: Float[Array | np.ndarray, "h2 w2 d"] | None = None
    masks: Mapping[str, Bool[np.ndarray, "h w"]] = dataclasses.field(
        default_factory=dict
    )
