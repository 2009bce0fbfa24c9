"""Everything that one tree is scored on, at one resolution; mergeable."""

import dataclasses

import numpy as np

from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.metrics.overlap import OverlapState
from uhseg_jax.metrics.overlap import score_image as score_flat
from uhseg_jax.metrics.tree_overlap import TreeOverlapState
from uhseg_jax.metrics.tree_overlap import score_image as score_tree
from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.taxonomy import Taxonomy
from uhseg_jax.types import Int, Integer

__all__ = ["ImageScores", "Scorer", "Scores"]

# Reported once for both resolutions, because they do not depend on it.
COUNTS = ("images", "skipped", "mean_nodes", "mean_leaves")


@pytree_dataclass
class Scores:
    """Scores over any number of images against flat and, if any, nested classes.

    Attributes:
      flat: against the flat view of the taxonomy.
      nested: against its hierarchy; None where the classes are flat.
    """

    flat: OverlapState
    nested: TreeOverlapState | None

    def merge(self, other: "Scores") -> "Scores":
        """The scores over the images of both."""
        if self.nested is None or other.nested is None:
            return Scores(self.flat.merge(other.flat), None)
        return Scores(self.flat.merge(other.flat), self.nested.merge(other.nested))

    def compute(self) -> dict[str, float]:
        """Flat keys in fractions of 1; see the two states."""
        nested = {} if self.nested is None else self.nested.compute()
        return {**nested, **self.flat.compute()}


@dataclasses.dataclass(frozen=True)
class ImageScores:
    """The scores of one image.

    Attributes:
      scores: the state of this image alone.
      row: the same in words for a table of images.
    """

    scores: Scores
    row: dict[str, float]


class Scorer:
    """Scores trees against the ground truth of one taxonomy."""

    def __init__(self, taxonomy: Taxonomy):
        self._classes = taxonomy.flat()
        # Classes without groups are scored once: the hierarchy adds nothing.
        nested = bool((taxonomy.depths > 0).any())
        self._hierarchy = taxonomy.hierarchy() if nested else None

    def empty(self) -> Scores:
        """The scores of no image."""
        hierarchy = self._hierarchy
        return Scores(
            OverlapState.empty(self._classes.num_classes),
            None if hierarchy is None else TreeOverlapState.empty(len(hierarchy.names)),
        )

    def encode(self, raw: Integer[np.ndarray, "H W"]) -> Int[np.ndarray, "H W"]:
        """Class indices of raw ids; negative where a pixel does not count."""
        return self._classes.encode(raw)

    def score(self, tree: RegionTree, classes: Int[np.ndarray, "h w"]) -> ImageScores:
        """Scores one tree against class indices of its labels' size."""
        image = score_flat(tree, classes, num_classes=self._classes.num_classes)
        scores, row = self.empty(), image.row()
        flat, nested = scores.flat.update(image), scores.nested
        if self._hierarchy is not None and nested is not None:
            nodes = score_tree(tree, classes, self._hierarchy)
            nested = nested.update(nodes)
            row |= {"tree_nmcovering": nodes.nmcovering, "nhcovering": nodes.nhcovering}
        return ImageScores(Scores(flat, nested), row)
