"""Boxes around labels and around the nodes of trees."""

import numpy as np
from trees import random_tree

from uhseg_jax.hierarchy.boxes import label_boxes, node_boxes


def test_boxes_are_the_ends_of_masks():
    tree = random_tree(3)
    boxes = node_boxes(tree.labels, tree.parents)
    for mask, (left, top, right, bottom) in zip(tree.masks(), boxes, strict=True):
        rows, columns = np.nonzero(mask)
        assert (columns.min(), rows.min()) == (left, top)
        assert (columns.max() + 1, rows.max() + 1) == (right, bottom)


def test_labels_without_pixels_change_no_union():
    labels = np.array([[-1, 2, 2], [0, -1, -1]], np.int32)
    boxes = label_boxes(labels, 4)
    assert boxes.tolist() == [[0, 1, 1, 2], [3, 2, 0, 0], [1, 0, 3, 1], [3, 2, 0, 0]]
    assert label_boxes(labels, 0).shape == (0, 4)
