"""Scores against classes, flat and nested, on the patch grid and at full size."""

import numpy as np

from uhseg_jax.datasets.source import DatasetError, Example
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.metrics.overlap import OverlapState
from uhseg_jax.metrics.overlap import score_image as score_flat
from uhseg_jax.metrics.tree_overlap import TreeOverlapState
from uhseg_jax.metrics.tree_overlap import score_image as score_tree
from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.segmenter import at_size, resize_labels
from uhseg_jax.taxonomy import Taxonomy
from uhseg_jax.types import Int

__all__ = ["ClassScorer", "Scores"]

# Reported once for both sizes, because they do not depend on it.
_COUNTS = ("images", "skipped", "mean_nodes", "mean_leaves")


@pytree_dataclass
class Scores:
    """Scores over any number of images against flat and, if any, nested classes.

    Attributes:
      flat: against the flat view of the taxonomy.
      nested: against its hierarchy; None where the classes are flat.
    """

    flat: OverlapState
    nested: TreeOverlapState | None

    def compute(self) -> dict[str, float]:
        """Flat keys in fractions of 1; see the two states."""
        nested = {} if self.nested is None else self.nested.compute()
        return {**nested, **self.flat.compute()}


class ClassScorer:
    """Scores trees against the classes of a taxonomy, on the grid and at full size."""

    def __init__(self, taxonomy: Taxonomy):
        self._classes = taxonomy.flat()
        # Classes without groups are scored once: the hierarchy adds nothing.
        nested = bool((taxonomy.depths > 0).any())
        self._hierarchy = taxonomy.hierarchy() if nested else None

    def empty(self) -> dict[str, Scores]:
        """The scores of no image, on the grid and at full size."""
        return {place: self._nothing() for place in ("grid", "full")}

    def score(
        self, tree: RegionTree, example: Example
    ) -> tuple[dict[str, Scores], dict[str, float]]:
        """Scores one tree of the patch grid.

        On the grid, as published, the ground truth is resized by nearest neighbour; at
        full size the labels are.

        Raises:
          DatasetError: the labels hold ids that the taxonomy does not know.
        """
        try:
            classes = self._classes.encode(example.labels)
        except ValueError as error:
            raise DatasetError(f"{example.name}: {error}") from error
        pairs = {
            "grid": (tree, resize_labels(classes, tree.labels.shape)),
            "full": (at_size(tree, classes.shape), classes),
        }
        states: dict[str, Scores] = {}
        rows: dict[str, float] = {}
        for place, (resized, truth) in pairs.items():
            states[place], row = self._score_at(resized, truth)
            rows |= {f"{place}/{name}": value for name, value in row.items()}
        return states, rows

    def compute(self, state: dict[str, Scores]) -> dict[str, float]:
        """``grid/...`` and ``full/...`` in fractions of 1, then the counts."""
        computed = {place: scores.compute() for place, scores in state.items()}
        flat = {
            f"{place}/{name}": value
            for place, scores in computed.items()
            for name, value in scores.items()
            if name not in _COUNTS
        }
        return flat | {name: computed["full"][name] for name in _COUNTS}

    def _nothing(self) -> Scores:
        hierarchy = self._hierarchy
        return Scores(
            OverlapState.empty(self._classes.num_classes),
            None if hierarchy is None else TreeOverlapState.empty(len(hierarchy.names)),
        )

    def _score_at(
        self, tree: RegionTree, classes: Int[np.ndarray, "h w"]
    ) -> tuple[Scores, dict[str, float]]:
        image = score_flat(tree, classes, num_classes=self._classes.num_classes)
        nothing = self._nothing()
        flat, nested, row = nothing.flat.update(image), nothing.nested, image.row()
        if self._hierarchy is not None and nested is not None:
            nodes = score_tree(tree, classes, self._hierarchy)
            nested = nested.update(nodes)
            row |= nodes.row()
        return Scores(flat, nested), row
