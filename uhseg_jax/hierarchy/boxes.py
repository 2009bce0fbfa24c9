"""Boxes around the labels of a map, and around the nodes of a tree."""

import numpy as np

from uhseg_jax.hierarchy.cuts import ROOT
from uhseg_jax.types import Int

__all__ = ["label_boxes", "node_boxes"]


def label_boxes(labels: Int[np.ndarray, "h w"], count: int) -> Int[np.ndarray, "n 4"]:
    """Left, top, right and bottom of the labels from 0 on; the ends lie outside.

    Those of a label without pixels are the width, the height, 0 and 0, so that the
    lowest and the highest of several boxes are those of their union.

    Args:
      labels: negative ones count for nothing.
      count: how many labels there are.
    """
    from scipy import ndimage

    height, width = labels.shape
    boxes = np.tile(np.array([width, height, 0, 0], np.int64), (count, 1))
    found = ndimage.find_objects(labels + 1, count) if count else []
    for label, box in enumerate(found):
        if box is not None:
            rows, columns = box
            boxes[label] = columns.start, rows.start, columns.stop, rows.stop
    return boxes


def node_boxes(
    labels: Int[np.ndarray, "h w"], parents: Int[np.ndarray, " n"]
) -> Int[np.ndarray, "n 4"]:
    """The same of the nodes of a tree, whose labels are leaves, without padding."""
    boxes = label_boxes(labels, parents.size)
    for node in range(parents.size - 1, ROOT, -1):  # children come first
        own, around = boxes[node], boxes[parents[node]]
        around[:2] = np.minimum(around[:2], own[:2])
        around[2:] = np.maximum(around[2:], own[2:])
    return boxes
