"""Scores against the regions that several people drew, at full resolution (BSDS)."""

import numpy as np

from uhseg_jax.datasets.source import DatasetError, Example
from uhseg_jax.hierarchy.segmentation import Segmentation
from uhseg_jax.metrics import boundary, regions, states
from uhseg_jax.metrics.boundary import BoundaryState
from uhseg_jax.metrics.regions import RegionState
from uhseg_jax.metrics.scales import NUM_REGIONS, cut_stack
from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.refinement.labels import at_size
from uhseg_jax.types import Int

__all__ = ["AnnotatorScorer", "AnnotatorScores"]


@pytree_dataclass
class AnnotatorScores:
    """Region and boundary scores over any number of images.

    Attributes:
      regions: covering, Rand index and variation of information.
      boundaries: boundary F and average precision.
      nodes: int64 ``[]``, regions without the roots, summed over images.
      leaves: int64 ``[]``, leaves, summed over images.
    """

    regions: RegionState
    boundaries: BoundaryState
    nodes: Int[np.ndarray, ""]
    leaves: Int[np.ndarray, ""]


class AnnotatorScorer:
    """Scores the cuts of trees against all annotators of an image."""

    levels = (8, 32)
    ranked_by = "full/covering"

    def empty(self) -> AnnotatorScores:
        """The scores of no image."""
        zero = np.zeros((), np.int64)
        return AnnotatorScores(
            RegionState.empty(len(NUM_REGIONS)),
            BoundaryState.empty(len(NUM_REGIONS)),
            zero,
            zero,
        )

    def score(
        self, result: Segmentation, example: Example
    ) -> tuple[AnnotatorScores, dict[str, float]]:
        """Scores the tree at the image's size."""
        if example.annotations is None:
            raise DatasetError(
                f"{example.name}: expected the regions of several people, as the other "
                "images of this dataset have them, but found none."
            )
        people = list(example.annotations.astype(np.int64))
        tree = at_size(result.tree, people[0].shape)
        covered = regions.score_tree(tree, people)
        matched = boundary.score_stack(cut_stack(tree), people)
        none = self.empty()
        nodes, leaves = int(tree.num_nodes) - 1, int(np.sum(tree.is_leaf()))
        scores = AnnotatorScores(
            none.regions.update(covered),
            none.boundaries.update(matched),
            np.asarray(nodes),
            np.asarray(leaves),
        )
        row = {**covered.row(), **matched.row(), "nodes": nodes, "leaves": leaves}
        return scores, {
            name if name in ("nodes", "leaves") else f"full/{name}": value
            for name, value in row.items()
        }

    def compute(self, state: AnnotatorScores) -> dict[str, float]:
        """``full/...`` as `RegionState` and `BoundaryState` name them, and counts.

        Variation of information is in bits; everything else in fractions of 1.
        """
        found = {**state.regions.compute(), **state.boundaries.compute()}
        images = found.pop("images")
        return {
            **{f"full/{name}": value for name, value in found.items()},
            "images": int(images),
            "skipped": 0,
            "mean_nodes": float(states.ratio(state.nodes, images)),
            "mean_leaves": float(states.ratio(state.leaves, images)),
        }
