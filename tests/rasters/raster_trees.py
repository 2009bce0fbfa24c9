"""Trees of rasters whose superpixels are blocks of pixels, in tiles on disk."""

import numpy as np
from trees import random_tree

from uhseg_jax.rasters import NO_DATA, LabelRaster, RasterTree
from uhseg_jax.rasters.windows import cores

UTM = (10.0, 0.0, 500_000.0, 0.0, -10.0, 5_000_000.0)


def random_raster(folder, *, height=40, width=50, side=16, block=2, seed=0, **more):
    """A tree of random regions with a corner and a hole without data.

    Returns:
      The tree, and the labels of its leaves.
    """
    grid = random_tree(seed, height=height // block, width=width // block)
    superpixels = np.arange(grid.labels.size).reshape(grid.labels.shape)
    superpixels = superpixels.repeat(block, 0).repeat(block, 1).astype(np.int32)
    superpixels[: height // 4, : width // 5] = NO_DATA
    superpixels[height // 2 : height // 2 + 4, width // 2 : width // 2 + 4] = NO_DATA
    raster = LabelRaster(folder, superpixels.shape, side)
    for at, window in cores(superpixels.shape, side):
        raster.put(at, superpixels[window.slices])
    raster.save()
    tree = grid.__class__(**{**vars(grid), "labels": grid.labels.ravel()})
    leaves = np.where(superpixels < 0, NO_DATA, tree.labels[superpixels])
    return RasterTree(tree, raster, **more), leaves
