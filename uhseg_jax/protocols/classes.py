"""Scores against classes, flat and nested, on the patch grid and at full size."""

import dataclasses
import itertools

import numpy as np
from scipy import ndimage

from uhseg_jax.datasets.source import Example, Source, objects_of
from uhseg_jax.hierarchy.segmentation import Segmentation
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.metrics import boundary
from uhseg_jax.metrics.boundary import BoundaryState
from uhseg_jax.metrics.curves import Curve
from uhseg_jax.metrics.instance_covering import InstanceState, nfcovering
from uhseg_jax.metrics.objects import MOST_PROPOSALS, RecallState, match
from uhseg_jax.metrics.overlap import OverlapState
from uhseg_jax.metrics.overlap import score_image as score_flat
from uhseg_jax.metrics.scales import NUM_REGIONS, by_number, cut_stack
from uhseg_jax.metrics.tree_overlap import TreeOverlapState
from uhseg_jax.metrics.tree_overlap import score_image as score_tree
from uhseg_jax.protocols.annotators import AnnotatorScorer
from uhseg_jax.protocols.protocol import Protocol
from uhseg_jax.protocols.resolutions import (
    RESOLUTIONS,
    at_both_resolutions,
    encode_labels,
)
from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.refinement.labels import resize_labels
from uhseg_jax.taxonomy import Taxonomy
from uhseg_jax.types import Int, Integer
from uhseg_jax.workers import Call, call_here

__all__ = ["BEST_REGION", "ClassScorer", "Scores"]

# Reported once for both sizes, because they do not depend on it.
_COUNTS = ("images", "skipped", "mean_nodes", "mean_leaves")


@pytree_dataclass
class Scores:
    """Scores over any number of images against flat and, if any, nested classes.

    Attributes:
      flat: against the flat view of the taxonomy.
      nested: against its hierarchy; None where the classes are flat.
      instances: of the leaves, against single objects; None where the dataset has no
        map of them.
      recall: of proposals for objects; None where there are none, and on the grid.
      boundaries: of cuts of the trees against those between classes; None where that
        was not asked for.
    """

    flat: OverlapState
    nested: TreeOverlapState | None
    instances: InstanceState | None
    recall: RecallState | None
    boundaries: BoundaryState | None

    def compute(self) -> dict[str, float]:
        """Flat keys in fractions of 1; see the states."""
        others = (self.nested, self.instances, self.recall, self.boundaries)
        found = [state.compute() for state in others if state is not None]
        if self.boundaries is not None:
            found.append(by_number("boundary_f", self.boundaries.f_measures()))
        return {
            **dict(itertools.chain.from_iterable(x.items() for x in found)),
            **self.flat.compute(),
        }


class ClassScorer:
    """Scores trees against the classes of a taxonomy, on the grid and at full size.

    Args:
      taxonomy: what the ids in the labels are.
      instances: score single objects as well, by the leaves that cover them best;
        images without a map of them are left out there.
      objects: score the recall of objects at full size as well, by proposals; images of
        which none are known are left out there.
      boundaries: score boundaries at full size as well, as BSDS does; slow.

    Attributes:
      call: see `SlowScorer`.
    """

    levels = (8, 32)
    ranked_by = "full/nmcovering"

    def __init__(
        self,
        taxonomy: Taxonomy,
        *,
        instances: bool = False,
        objects: bool = False,
        boundaries: bool = False,
    ):
        self._taxonomy = taxonomy
        self._classes = taxonomy.flat()
        self._instances = instances
        self._objects = objects
        self._boundaries = boundaries
        self.call: Call = call_here
        # Classes without groups are scored once: the hierarchy adds nothing.
        nested = bool((taxonomy.depths > 0).any())
        self._hierarchy = taxonomy.hierarchy() if nested else None

    def empty(self) -> dict[str, Scores]:
        """The scores of no image, on the grid and at full size."""
        return {resolution: self._nothing(resolution) for resolution in RESOLUTIONS}

    def score(
        self, result: Segmentation, example: Example
    ) -> tuple[dict[str, Scores], dict[str, float]]:
        """Scores one image, on the patch grid and at its own size.

        Raises:
          DatasetError: the labels hold ids that the taxonomy does not know.
        """
        truth = encode_labels(example, self._classes)
        states: dict[str, Scores] = {}
        rows: dict[str, float] = {}
        for resolution, (tree, classes) in at_both_resolutions(result, truth).items():
            instances = example.instances
            if instances is not None:
                instances = resize_labels(instances, classes.shape)
            scores, row = self._score_at(
                tree, classes, instances, self._nothing(resolution)
            )
            if scores.recall is not None:
                recall, recalls = self._recall(tree, example)
                scores = dataclasses.replace(scores, recall=scores.recall.merge(recall))
                row |= recalls
            states[resolution] = scores
            rows |= {f"{resolution}/{name}": value for name, value in row.items()}
        return states, rows

    def compute(self, state: dict[str, Scores]) -> dict[str, float]:
        """``grid/...`` and ``full/...`` in fractions of 1, then the counts."""
        computed = {resolution: x.compute() for resolution, x in state.items()}
        flat = {
            f"{resolution}/{name}": value
            for resolution, scores in computed.items()
            for name, value in scores.items()
            if name not in _COUNTS
        }
        return flat | {name: computed["full"][name] for name in _COUNTS}

    def curves(self, state: dict[str, Scores]) -> dict[str, Curve]:
        """Recall and precision of boundaries over the scales, where they are scored."""
        boundaries = state["full"].boundaries
        if boundaries is None:
            return {}
        return {"full/boundaries": boundaries.recall_and_precision()}

    def _nothing(self, resolution: str) -> Scores:
        hierarchy = self._hierarchy
        is_full = resolution == "full"
        return Scores(
            OverlapState.empty(self._classes.num_classes),
            None if hierarchy is None else TreeOverlapState.empty(len(hierarchy.names)),
            InstanceState.empty() if self._instances else None,
            RecallState.empty() if self._objects and is_full else None,
            BoundaryState.empty(len(NUM_REGIONS))
            if self._boundaries and is_full
            else None,
        )

    def _score_at(
        self,
        tree: RegionTree,
        classes: Int[np.ndarray, "h w"],
        objects: Integer[np.ndarray, "h w"] | None,
        nothing: Scores,
    ) -> tuple[Scores, dict[str, float]]:
        image = score_flat(tree, classes, num_classes=self._classes.num_classes)
        flat, row = nothing.flat.update(image), image.row()
        nested, edges = nothing.nested, nothing.boundaries
        instances = nothing.instances
        if edges is not None and not image.is_empty:
            truth = [_without_void(classes)]
            matched = boundary.score_stack(cut_stack(tree), truth, call=self.call)
            edges = edges.update(matched)
            row |= matched.row()
        if self._hierarchy is not None and nested is not None:
            nodes = score_tree(tree, classes, self._hierarchy)
            nested = nested.update(nodes)
            row |= nodes.row()
        if instances is not None and objects is not None:
            covering = nfcovering(np.asarray(tree.labels), objects)
            instances = instances.update(covering)
            row["nfcovering"] = covering
        return Scores(flat, nested, instances, nothing.recall, edges), row

    def _recall(
        self, tree: RegionTree, example: Example
    ) -> tuple[RecallState, dict[str, float]]:
        objects = objects_of(example, taxonomy=self._taxonomy)
        if objects is None:
            return RecallState.empty(), {}
        recall = match(tree.proposals(MOST_PROPOSALS), objects).recall()
        return recall, recall.row()


def _scorer(source: Source, *, boundaries: bool) -> ClassScorer | AnnotatorScorer:
    """The scorer of a dataset; looks at its first example."""
    first = source[0] if len(source) else None
    if first is not None and first.annotations is not None:
        return AnnotatorScorer()
    return ClassScorer(
        source.taxonomy,
        instances=first is not None and first.instances is not None,
        objects=first is not None and objects_of(first) is not None,
        boundaries=boundaries,
    )


BEST_REGION = Protocol(
    "best_region",
    "every class takes the region of the tree that fits it best, as papers on "
    "hierarchies do; where several people drew regions, as BSDS does",
    _scorer,
    options=("boundaries",),
)
"""The protocol as it is registered."""


def _without_void(classes: Int[np.ndarray, "h w"]) -> Int[np.ndarray, "h w"]:
    """Pixels that do not count take the class of the nearest one that does.

    So the bands that annotators leave between objects become lines along their middle.
    """
    nearest = ndimage.distance_transform_edt(
        classes < 0, return_distances=False, return_indices=True
    )
    return classes[tuple(nearest)]
