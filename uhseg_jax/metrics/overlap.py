"""Scores of a tree against flat ground truth: each class takes its best node.

Rossetti & Pirri, "Hierarchy-Agnostic Unsupervised Segmentation", NeurIPS 2024,
granularity-agnostic protocol, as the authors' release scores it. An upper bound that
finer trees raise: `compute` always gives the mean number of nodes beside it, and
NMCovering under budgets of regions (ours), and it must not be set beside scores from
Hungarian matching.
"""

import dataclasses

import numpy as np

from uhseg_jax.hierarchy.tree import ROOT, RegionTree
from uhseg_jax.metrics import best_match, states
from uhseg_jax.metrics.contingency import contingency_table, ious, node_counts
from uhseg_jax.metrics.scales import NUM_REGIONS, by_number
from uhseg_jax.metrics.tallies import Tally, mean_over
from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.types import Float, Int, Integer

__all__ = ["ImageOverlap", "OverlapState", "score_image"]


@dataclasses.dataclass(frozen=True)
class ImageOverlap:
    """The scores of one image.

    Attributes:
      matches: the best node of each of the ``c`` classes.
      nmcovering: mean of the best IoU over the classes present, in [0, 1]; NaN if the
        ground truth is empty.
      nmcovering_at: ``[t]``, the same among the first `NUM_REGIONS` only.
      num_nodes: regions of the tree without the root.
      num_leaves: regions of its finest partition.
    """

    matches: best_match.BestMatches
    nmcovering: float
    nmcovering_at: Float[np.ndarray, " t"]
    num_nodes: int
    num_leaves: int

    @property
    def is_empty(self) -> bool:
        """Whether no pixel of the ground truth counts."""
        return bool(np.isnan(self.nmcovering))

    def row(self) -> dict[str, float]:
        """The scores of this image alone, flat, for a table of images."""
        return {
            "nmcovering": self.nmcovering,
            "pacc": self.matches.tally.accuracy(),
            **by_number("nmcovering", self.nmcovering_at),
            "nodes": self.num_nodes,
            "leaves": self.num_leaves,
        }


def score_image(
    tree: RegionTree,
    classes: Integer[np.ndarray, "..."],
    *,
    num_classes: int,
) -> ImageOverlap:
    """Scores one tree against one image's ground truth.

    Args:
      tree: one tree; its labels are of the ground truth's size.
      classes: class index of every pixel, negative where it does not count.
      num_classes: number of classes, background (one class) included.

    Raises:
      ValueError: the sizes differ, or a class index is too large.
    """
    table = contingency_table(
        np.asarray(tree.labels),
        classes,
        num_rows=tree.parents.shape[0],
        num_columns=num_classes,
    )
    counts, _ = node_counts(tree, table)
    areas, present = counts.sum(axis=1), counts[ROOT] > 0
    chosen = best_match.candidates(counts.shape[0])
    matches = best_match.best_matches(counts, areas, chosen)
    overlaps = ious(counts, areas, counts[ROOT])
    ranks = np.asarray(tree.entry_ranks())[: counts.shape[0]]
    within = [best_match.candidates_within(ranks, k) for k in NUM_REGIONS]
    at = [mean_over(overlaps[nodes].max(axis=0), present) for nodes in within]
    return ImageOverlap(
        matches=matches,
        nmcovering=mean_over(matches.ious, present),
        nmcovering_at=np.array(at, np.float64),
        num_nodes=counts.shape[0] - 1,
        num_leaves=int(np.sum(tree.is_leaf())),
    )


@pytree_dataclass
class OverlapState(states.Additive):
    """The scores of any number of images; states of disjoint images merge by addition.

    Attributes:
      tally: of the classes with their best nodes.
      nmcovering: ``[]``, sum over images, in fixed point (`states`).
      nmcovering_at: ``[t]``, likewise for each of `NUM_REGIONS`.
      nodes: ``[]``, regions without the roots, summed over images.
      leaves: ``[]``, leaves, summed over images.
      images: ``[]``, images scored.
      skipped: ``[]``, images whose ground truth is empty; they count nowhere else.
    """

    tally: Tally
    nmcovering: Int[np.ndarray, ""]
    nmcovering_at: Int[np.ndarray, " t"]
    nodes: Int[np.ndarray, ""]
    leaves: Int[np.ndarray, ""]
    images: Int[np.ndarray, ""]
    skipped: Int[np.ndarray, ""]

    @classmethod
    def empty(cls, num_classes: int) -> "OverlapState":
        """The state of no image."""
        one = np.zeros((), np.int64)
        return cls(
            tally=Tally.empty(num_classes),
            nmcovering=one,
            nmcovering_at=np.zeros(len(NUM_REGIONS), np.int64),
            nodes=one,
            leaves=one,
            images=one,
            skipped=one,
        )

    def update(self, image: ImageOverlap) -> "OverlapState":
        """The state with one image more."""
        if image.is_empty:
            nothing = OverlapState.empty(self.tally.true_positives.size)
            return self.merge(dataclasses.replace(nothing, skipped=np.asarray(1)))
        return self.merge(
            OverlapState(
                tally=image.matches.tally,
                nmcovering=states.to_fixed_point(image.nmcovering),
                nmcovering_at=states.to_fixed_point(image.nmcovering_at),
                nodes=np.asarray(image.num_nodes),
                leaves=np.asarray(image.num_leaves),
                images=np.asarray(1),
                skipped=np.asarray(0),
            )
        )

    def compute(self) -> dict[str, float]:
        """All scores, flat, in fractions of 1; NaN where nothing was scored.

        ``miou``, ``pacc``, ``macc``, ``fiou`` from the tallies summed over images;
        ``nmcovering`` (T -> S_gt) and ``nmcovering_at_N``, means over images; then
        ``images``, ``skipped``, and ``mean_nodes`` (without the root) and
        ``mean_leaves`` of the images scored.
        """
        at = states.mean(self.nmcovering_at, self.images)
        return {
            **self.tally.scores(),
            "nmcovering": float(states.mean(self.nmcovering, self.images)),
            **by_number("nmcovering", at),
            "images": int(self.images),
            "skipped": int(self.skipped),
            "mean_nodes": float(states.ratio(self.nodes, self.images)),
            "mean_leaves": float(states.ratio(self.leaves, self.images)),
        }
