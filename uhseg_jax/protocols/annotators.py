"""Scores against the regions that several people drew, at full resolution (BSDS).

ODS and OIS come twice: over cuts by number of regions, and under names that end in
``_by_cost`` over cuts by cost. The second is the benchmark's: one threshold of the
hierarchy for the whole set. Best takes any region of the tree, so there is one.
"""

import numpy as np

from uhseg_jax.datasets.source import DatasetError, Example
from uhseg_jax.hierarchy.segmentation import Segmentation
from uhseg_jax.metrics import boundary, object_parts, regions, states
from uhseg_jax.metrics.boundary import BoundaryState
from uhseg_jax.metrics.curves import Curve
from uhseg_jax.metrics.cut_tables import CutTables
from uhseg_jax.metrics.object_parts import ObjectPartsState
from uhseg_jax.metrics.regions import RegionState
from uhseg_jax.metrics.scales import COSTS, NUM_REGIONS, by_number, cut_maps
from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.refinement.labels import at_size
from uhseg_jax.types import Int
from uhseg_jax.workers import Call, call_here

__all__ = ["AnnotatorScorer", "AnnotatorScores"]


@pytree_dataclass
class AnnotatorScores:
    """Region and boundary scores over any number of images.

    Attributes:
      regions: covering, Rand index and variation of information of cuts by number of
        regions.
      boundaries: boundary F and average precision of these.
      object_parts: F of objects and parts of these.
      regions_by_cost: the first of cuts by cost.
      boundaries_by_cost: the second of these.
      object_parts_by_cost: the third of these.
      nodes: int64 ``[]``, regions without the roots, summed over images.
      leaves: int64 ``[]``, leaves, summed over images.
    """

    regions: RegionState
    boundaries: BoundaryState
    object_parts: ObjectPartsState
    regions_by_cost: RegionState
    boundaries_by_cost: BoundaryState
    object_parts_by_cost: ObjectPartsState
    nodes: Int[np.ndarray, ""]
    leaves: Int[np.ndarray, ""]


class AnnotatorScorer:
    """Scores the cuts of trees against all annotators of an image.

    Attributes:
      call: see `SlowScorer`.
    """

    levels = (8, 32)
    ranked_by = "full/covering"

    def __init__(self) -> None:
        self.call: Call = call_here

    def empty(self) -> AnnotatorScores:
        """The scores of no image."""
        zero = np.zeros((), np.int64)
        return AnnotatorScores(
            RegionState.empty(len(NUM_REGIONS)),
            BoundaryState.empty(len(NUM_REGIONS)),
            ObjectPartsState.empty(len(NUM_REGIONS)),
            RegionState.empty(len(COSTS)),
            BoundaryState.empty(len(COSTS)),
            ObjectPartsState.empty(len(COSTS)),
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
        # Both series at once: what they have in common is scored once.
        maps = cut_maps(tree, costs=COSTS)
        tables = CutTables.of(tree, people, maps)
        covered, objects = regions.score_cuts(tables), object_parts.score_cuts(tables)
        cuts = maps[:, np.asarray(tree.labels)]
        matched = boundary.score_stack(cuts, people, call=self.call)
        numbers, costs = slice(len(NUM_REGIONS)), slice(len(NUM_REGIONS), None)
        none = self.empty()
        nodes, leaves = int(tree.num_nodes) - 1, int(np.sum(tree.is_leaf()))
        scores = AnnotatorScores(
            none.regions.update(covered.at(numbers)),
            none.boundaries.update(matched.at(numbers)),
            none.object_parts.update(objects.at(numbers)),
            none.regions_by_cost.update(covered.at(costs)),
            none.boundaries_by_cost.update(matched.at(costs)),
            none.object_parts_by_cost.update(objects.at(costs)),
            np.asarray(nodes),
            np.asarray(leaves),
        )
        covered, matched = covered.at(numbers), matched.at(numbers)
        objects = objects.at(numbers)
        curves = {
            **by_number("covering", covered.coverings),
            **by_number("boundary_f", matched.f_measures),
            **by_number("fop", objects.f_measures),
        }
        row = {**covered.row(), **matched.row(), **objects.row(), **curves}
        return scores, {
            **{f"full/{name}": value for name, value in row.items()},
            "nodes": nodes,
            "leaves": leaves,
        }

    def compute(self, state: AnnotatorScores) -> dict[str, float]:
        """``full/...`` as the states of the three kinds name them, and counts.

        Then the same ``_by_cost``, and ``covering_at_K``, ``boundary_f_at_K`` and
        ``fop_at_K`` of the whole set cut to K regions. Variation of information is in
        bits; everything else in fractions of 1.
        """
        found = {
            **state.regions.compute(),
            **state.boundaries.compute(),
            **state.object_parts.compute(),
        }
        images = found.pop("images")
        of_costs = {
            **state.regions_by_cost.compute(),
            **state.boundaries_by_cost.compute(),
            **state.object_parts_by_cost.compute(),
        }
        found |= {
            f"{name}_by_cost": value
            for name, value in of_costs.items()
            if name not in ("images", "covering_best")
        }
        found |= by_number("covering", state.regions.coverings())
        found |= by_number("boundary_f", state.boundaries.f_measures())
        found |= by_number("fop", state.object_parts.f_measures())
        return {
            **{f"full/{name}": value for name, value in found.items()},
            "images": int(images),
            "skipped": 0,
            "mean_nodes": float(states.ratio(state.nodes, images)),
            "mean_leaves": float(states.ratio(state.leaves, images)),
        }

    def curves(self, state: AnnotatorScores) -> dict[str, Curve]:
        """Recall and precision of boundaries, and of objects and parts.

        Over the scales of both kinds.
        """
        return {
            "full/boundaries": state.boundaries.recall_and_precision(),
            "full/boundaries_by_cost": state.boundaries_by_cost.recall_and_precision(),
            "full/fop": state.object_parts.recall_and_precision(),
            "full/fop_by_cost": state.object_parts_by_cost.recall_and_precision(),
        }
