"""The two sizes at which a tree meets its ground truth."""

import numpy as np

from uhseg_jax.datasets.source import DatasetError, Example
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.refinement.labels import at_size, resize_labels
from uhseg_jax.taxonomy import FlatClasses
from uhseg_jax.types import Int

__all__ = ["RESOLUTIONS", "at_both_resolutions"]

RESOLUTIONS = ("grid", "full")


def at_both_resolutions(
    grid: RegionTree, full: RegionTree, example: Example, classes: FlatClasses
) -> dict[str, tuple[RegionTree, Int[np.ndarray, "_ _"]]]:
    """The tree and the class of every cell, on the patch grid and at full size.

    On the grid, as published, the ground truth is resized by nearest neighbour.

    Args:
      grid: the tree on the patch grid.
      full: the same, refined to the size of the image.
      example: the image with its ground truth.
      classes: of the dataset; class indices are negative where a pixel does not count.

    Raises:
      DatasetError: the labels hold ids that the taxonomy does not know.
    """
    try:
        truth = classes.encode(example.labels)
    except ValueError as error:
        raise DatasetError(f"{example.name}: {error}") from error
    return {
        "grid": (grid, resize_labels(truth, grid.labels.shape)),
        "full": (at_size(full, truth.shape), truth),
    }
