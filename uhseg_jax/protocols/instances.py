"""Scores of the regions of trees as proposals for objects, as COCO's evaluation has it.

Without classes, at full size: what the field compares segmenters of everything by.
Unlike the best region for every class (`classes`), only so many proposals count, and in
their order.
"""

import numpy as np

from uhseg_jax.datasets.source import DatasetError, Example, Source, objects_of
from uhseg_jax.hierarchy.segmentation import Segmentation
from uhseg_jax.metrics import states
from uhseg_jax.metrics.average_precision import PrecisionState
from uhseg_jax.metrics.curves import Curve
from uhseg_jax.metrics.objects import MOST_PROPOSALS, RecallState, match
from uhseg_jax.protocols.protocol import Protocol
from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.refinement.labels import at_size
from uhseg_jax.taxonomy import Taxonomy
from uhseg_jax.types import Int

__all__ = ["INSTANCES", "InstanceScorer", "InstanceScores"]


@pytree_dataclass
class InstanceScores:
    """Proposals for the objects of any number of images.

    Attributes:
      recall: of the objects.
      precision: of the proposals.
      proposals: ``[]``, summed over images.
      nodes: ``[]``, regions without the roots, summed over images.
      leaves: ``[]``, leaves, summed over images.
      images: ``[]``, images scored.
    """

    recall: RecallState
    precision: PrecisionState
    proposals: Int[np.ndarray, ""]
    nodes: Int[np.ndarray, ""]
    leaves: Int[np.ndarray, ""]
    images: Int[np.ndarray, ""]


class InstanceScorer:
    """Scores the proposals of trees (`RegionTree.proposals`) at full size.

    Args:
      taxonomy: what the ids in the labels are.
    """

    levels = (8, 32)
    ranked_by = "full/ar_1000"

    def __init__(self, taxonomy: Taxonomy):
        self._taxonomy = taxonomy

    def empty(self) -> InstanceScores:
        """The scores of no image."""
        none = np.zeros((), np.int64)
        return InstanceScores(
            RecallState.empty(), PrecisionState.empty(), none, none, none, none
        )

    def score(
        self, result: Segmentation, example: Example
    ) -> tuple[InstanceScores, dict[str, float]]:
        """Scores one image, at its own size.

        Raises:
          DatasetError: nobody says what objects are in it.
        """
        objects = objects_of(example, taxonomy=self._taxonomy)
        if objects is None:
            raise DatasetError(
                f"{example.name}: expected single objects, as the other images of this "
                "dataset have them, but found none, not even an empty list of them."
            )
        tree = at_size(result.tree, example.labels.shape)
        proposals = tree.proposals(MOST_PROPOSALS)
        matches = match(proposals, objects)
        recall = matches.recall()
        nodes, leaves = int(tree.num_nodes) - 1, int(np.sum(tree.is_leaf()))
        scores = InstanceScores(
            recall,
            PrecisionState.of_image(matches, proposals.scores, objects.image_id),
            *(np.asarray(x) for x in (len(proposals), nodes, leaves, 1)),
        )
        return scores, {
            **{f"full/{name}": value for name, value in recall.row().items()},
            "objects": int(recall.objects[0]),
            "proposals": len(proposals),
            "nodes": nodes,
            "leaves": leaves,
        }

    def compute(self, state: InstanceScores) -> dict[str, float]:
        """``full/...`` as `RecallState` and `PrecisionState` name them, then counts.

        An image without objects counts: its proposals are wrong, and there is nothing
        to recall.
        """
        scores = {**state.precision.compute(), **state.recall.compute()}
        means = {
            f"mean_{name}": float(states.ratio(getattr(state, name), state.images))
            for name in ("proposals", "nodes", "leaves")
        }
        return {
            **{f"full/{name}": value for name, value in scores.items()},
            "images": int(state.images),
            "skipped": 0,
            "objects": int(state.recall.objects[0]),
            **means,
        }

    def curves(self, state: InstanceScores) -> dict[str, Curve]:
        """Precision at every recall of objects, at two IoUs (`PrecisionState`)."""
        found = state.precision.curves()
        return {f"full/{name}": curve for name, curve in found.items()}


def _scorer(source: Source) -> InstanceScorer:
    """The scorer of a dataset; looks at its first example.

    Raises:
      DatasetError: it does not tell objects apart.
    """
    if len(source) and objects_of(source[0], taxonomy=source.taxonomy) is None:
        raise DatasetError(
            f"{source.name}: expected single objects to find, but it holds classes or "
            "the regions of several people; score it by the protocol 'best_region', or "
            "give annotations of objects."
        )
    return InstanceScorer(source.taxonomy)


INSTANCES = Protocol(
    "instances",
    "the regions are proposals for the objects of the image: average recall and "
    "average precision as COCO has them, without classes",
    _scorer,
)
"""The protocol as it is registered."""
