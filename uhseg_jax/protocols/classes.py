"""Scores against classes, flat and nested, on the patch grid and at full size."""

import itertools

import numpy as np
from scipy import ndimage

from uhseg_jax.datasets.source import Example
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.metrics import boundary
from uhseg_jax.metrics.boundary import BoundaryState
from uhseg_jax.metrics.overlap import OverlapState
from uhseg_jax.metrics.overlap import score_image as score_flat
from uhseg_jax.metrics.scales import NUM_REGIONS, cut_stack
from uhseg_jax.metrics.tree_overlap import TreeOverlapState
from uhseg_jax.metrics.tree_overlap import score_image as score_tree
from uhseg_jax.protocols.resolutions import RESOLUTIONS, at_both_resolutions
from uhseg_jax.pytrees import pytree_dataclass
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
      boundaries: of cuts of the trees against those between classes; None where that
        was not asked for.
    """

    flat: OverlapState
    nested: TreeOverlapState | None
    boundaries: BoundaryState | None

    def compute(self) -> dict[str, float]:
        """Flat keys in fractions of 1; see the two states."""
        others = (x.compute() for x in (self.nested, self.boundaries) if x is not None)
        found = dict(itertools.chain.from_iterable(x.items() for x in others))
        return {**found, **self.flat.compute()}


class ClassScorer:
    """Scores trees against the classes of a taxonomy, on the grid and at full size.

    Args:
      taxonomy: of the labels.
      boundaries: score boundaries at full size as well, as BSDS does; slow.
    """

    def __init__(self, taxonomy: Taxonomy, *, boundaries: bool = False):
        self._classes = taxonomy.flat()
        self._boundaries = boundaries
        # Classes without groups are scored once: the hierarchy adds nothing.
        nested = bool((taxonomy.depths > 0).any())
        self._hierarchy = taxonomy.hierarchy() if nested else None

    def empty(self) -> dict[str, Scores]:
        """The scores of no image, on the grid and at full size."""
        return {
            place: self._nothing(boundaries=self._boundaries and place == "full")
            for place in RESOLUTIONS
        }

    def score(
        self, grid: RegionTree, full: RegionTree, example: Example
    ) -> tuple[dict[str, Scores], dict[str, float]]:
        """Scores one tree, on the patch grid and refined to the image's size.

        Raises:
          DatasetError: the labels hold ids that the taxonomy does not know.
        """
        pairs = at_both_resolutions(grid, full, example, self._classes)
        states: dict[str, Scores] = {}
        rows: dict[str, float] = {}
        for place, (resized, truth) in pairs.items():
            nothing = self.empty()[place]
            states[place], row = self._score_at(resized, truth, nothing)
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

    def _nothing(self, *, boundaries: bool) -> Scores:
        hierarchy = self._hierarchy
        return Scores(
            OverlapState.empty(self._classes.num_classes),
            None if hierarchy is None else TreeOverlapState.empty(len(hierarchy.names)),
            BoundaryState.empty(len(NUM_REGIONS)) if boundaries else None,
        )

    def _score_at(
        self, tree: RegionTree, classes: Int[np.ndarray, "h w"], nothing: Scores
    ) -> tuple[Scores, dict[str, float]]:
        image = score_flat(tree, classes, num_classes=self._classes.num_classes)
        flat, nested, row = nothing.flat.update(image), nothing.nested, image.row()
        edges = nothing.boundaries
        if edges is not None and not image.is_empty:
            matched = boundary.score_stack(cut_stack(tree), [_without_void(classes)])
            edges = edges.update(matched)
            row |= matched.row()
        if self._hierarchy is not None and nested is not None:
            nodes = score_tree(tree, classes, self._hierarchy)
            nested = nested.update(nodes)
            row |= nodes.row()
        return Scores(flat, nested, edges), row


def _without_void(classes: Int[np.ndarray, "h w"]) -> Int[np.ndarray, "h w"]:
    """Pixels that do not count take the class of the nearest one that does.

    So the bands that annotators leave between objects become lines along their middle.
    """
    nearest = ndimage.distance_transform_edt(
        classes < 0, return_distances=False, return_indices=True
    )
    return classes[tuple(nearest)]
