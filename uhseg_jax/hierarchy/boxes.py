"""Boxes around the labels of a map, and around the nodes of a tree."""

import numpy as np

from uhseg_jax.hierarchy import host_cuts
from uhseg_jax.types import Int

__all__ = ["label_boxes", "node_boxes"]


def label_boxes(labels: Int[np.ndarray, "..."], count: int) -> Int[np.ndarray, "n e"]:
    """Where the labels from 0 on begin along each axis, then where they end, outside.

    The last axis comes first: left, top, right and bottom on an image; on the frames of
    a clip left, top, the first frame, right, bottom and the frame behind the last.

    Those of a label without pixels are the ends of the map and zeros, so that the
    lowest and the highest of several boxes are those of their union.

    Args:
      labels: negative ones count for nothing.
      count: how many labels there are.
    """
    from scipy import ndimage

    nowhere = [*labels.shape[::-1], *np.zeros(labels.ndim, int)]
    boxes = np.tile(np.array(nowhere, np.int64), (count, 1))
    found = ndimage.find_objects(labels + 1, count) if count else []
    for label, box in enumerate(found):
        if box is not None:
            axes = box[::-1]
            boxes[label] = [*(x.start for x in axes), *(x.stop for x in axes)]
    return boxes


def node_boxes(
    labels: Int[np.ndarray, "..."], parents: Int[np.ndarray, " n"]
) -> Int[np.ndarray, "n e"]:
    """The same of the nodes of a tree, whose labels are leaves, without padding."""
    starts, ends = np.split(label_boxes(labels, parents.size), 2, axis=1)
    return np.concatenate(
        [
            host_cuts.gathered(parents, starts, np.minimum),
            host_cuts.gathered(parents, ends, np.maximum),
        ],
        axis=1,
    )
