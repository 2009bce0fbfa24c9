"""From the foreground of an image to its regions, and what stands for each."""

import math

import numpy as np

from uhseg_jax.hierarchy.boxes import label_boxes
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.refinement.components import label_components
from uhseg_jax.types import Bool, Int, Integer, Pixels, UInt8

__all__ = ["boxes", "components", "crop", "flat_tree", "tree_regions"]


def components(
    foreground: Bool[np.ndarray, "H W"], *, min_area: float
) -> Int[np.ndarray, "H W"]:
    """Numbers the connected pieces of a mask from 1, row by row; 0 elsewhere.

    Args:
      foreground: the mask; pixels that touch at a corner belong together.
      min_area: share of the image below which a piece is dropped.
    """
    pieces = label_components(foreground.astype(np.int32))
    return _numbered(np.where(foreground, pieces + 1, 0), min_area)


def tree_regions(
    regions: Integer[np.ndarray, "H W"],
    foreground: Bool[np.ndarray, "H W"],
    *,
    majority: float,
    min_area: float,
) -> Int[np.ndarray, "H W"]:
    """Numbers the regions of a cut that lie in the foreground from 1; 0 elsewhere.

    Args:
      regions: the region of every pixel, not negative.
      foreground: the mask.
      majority: share of a region that must lie in it.
      min_area: share of the image below which a region is dropped.
    """
    areas = np.bincount(regions.ravel())
    inside = np.bincount(regions.ravel(), weights=foreground.ravel())
    kept = (areas > 0) & (inside >= majority * areas) & (inside > 0)
    return _numbered(np.where(kept[regions], regions + 1, 0), min_area)


def _numbered(
    labels: Integer[np.ndarray, "H W"], min_area: float
) -> Int[np.ndarray, "H W"]:
    """Labels above 0 that are large enough, without gaps."""
    areas = np.bincount(labels.ravel())
    kept = areas >= max(1, math.ceil(min_area * labels.size))
    kept[0] = False
    numbers = np.where(kept, np.cumsum(kept), 0)
    return numbers[labels].astype(np.int32)


def boxes(labels: Integer[np.ndarray, "H W"]) -> Int[np.ndarray, "r 4"]:
    """Top, left, bottom and right of the regions from 1 on; the ends lie outside."""
    found = label_boxes(labels - 1, int(labels.max(initial=0)))
    return found[:, [1, 0, 3, 2]]


def crop(pixels: UInt8[np.ndarray, "H W 3"], box: Int[np.ndarray, " 4"]) -> Pixels:
    """The pixels of a box."""
    top, left, bottom, right = box.tolist()
    return np.ascontiguousarray(pixels[top:bottom, left:right])


def flat_tree(
    labels: Integer[np.ndarray, "H W"],
) -> tuple[RegionTree, Int[np.ndarray, " n"]]:
    """A tree whose first level is the background and the regions.

    Args:
      labels: 0 for the background, regions from 1.

    Returns:
      The tree, with numpy arrays, and the label of every node, -1 for the root. An
      image that is one region, or all background, is a root alone with its label.
    """
    present, index = np.unique(labels, return_inverse=True)
    index = index.reshape(labels.shape)
    if present.size == 1:
        return RegionTree.flat(index, 1), present.astype(np.int64)
    tree = RegionTree.flat(index + 1, present.size + 1)
    return tree, np.concatenate([[-1], present]).astype(np.int64)
