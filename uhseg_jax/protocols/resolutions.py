"""The two sizes at which a segmentation meets its ground truth."""

import numpy as np

from uhseg_jax.datasets.source import DatasetError, Example
from uhseg_jax.hierarchy.segmentation import Segmentation
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.refinement.labels import at_size, resize_labels
from uhseg_jax.taxonomy import FlatClasses
from uhseg_jax.types import Int

__all__ = ["RESOLUTIONS", "at_both_resolutions", "encode_labels"]

RESOLUTIONS = ("grid", "full")
"""Names of the two sizes: the patch grid, and the image's own."""


def encode_labels(example: Example, classes: FlatClasses) -> Int[np.ndarray, "H W"]:
    """The class index of every pixel, negative where it does not count.

    Raises:
      DatasetError: the labels hold ids that the taxonomy does not know.
    """
    try:
        return classes.encode(example.labels)
    except ValueError as error:
        raise DatasetError(f"{example.name}: {error}") from error


def at_both_resolutions(
    result: Segmentation, truth: Int[np.ndarray, "H W"]
) -> dict[str, tuple[RegionTree, Int[np.ndarray, "_ _"]]]:
    """The tree and the ground truth, on the patch grid and at the size of the image.

    On the grid, as published, the ground truth is resized by nearest neighbour.
    """
    return {
        "grid": (result.grid, resize_labels(truth, result.grid.labels.shape)),
        "full": (at_size(result.tree, truth.shape), truth),
    }
