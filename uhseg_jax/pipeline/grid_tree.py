"""What a method's program finds of an image."""

from __future__ import annotations

import jax
import numpy as np

from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.refinement.labels import relabel, resize_labels
from uhseg_jax.types import Array, Int

__all__ = ["GridTree"]


@pytree_dataclass
class GridTree:
    """A tree of patches and, perhaps, of superpixels; of one image or of a batch.

    Attributes:
      tree: on the patch grid.
      leaves: int32 ``[n]``, the leaf of every superpixel of a prepared image; None
        where features were all there was.
    """

    tree: RegionTree
    leaves: Int[Array | np.ndarray, "*b n"] | None

    def __getitem__(self, index: int) -> GridTree:
        return jax.tree.map(lambda x: np.asarray(x[index]), self)

    def on_grid(self, grid: tuple[int, ...]) -> RegionTree:
        """The tree of patches (h, w), without leaves that lie between their centres."""
        labels = np.asarray(self.tree.labels)
        if self.leaves is None and labels.shape == grid:
            return self.tree
        return relabel(self.tree, resize_labels(labels, grid))
