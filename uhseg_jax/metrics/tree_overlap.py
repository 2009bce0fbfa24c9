"""Scores of a tree against a hierarchy of classes, T_gt.

Rossetti & Pirri, "Hierarchy-Agnostic Unsupervised Segmentation", NeurIPS 2024,
hierarchy-agnostic protocol, as the authors' release scores it: the ground-truth
regions are the nodes of the class hierarchy, inner ones too, and one background.
"""

import dataclasses

import numpy as np

from uhseg_jax.hierarchy.tree import ROOT, RegionTree
from uhseg_jax.metrics import best_match, states
from uhseg_jax.metrics.best_match import BestMatches
from uhseg_jax.metrics.contingency import contingency_table, node_counts
from uhseg_jax.metrics.scales import NUM_REGIONS, by_number
from uhseg_jax.metrics.tallies import Tally, mean_over
from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.taxonomy import ClassTree
from uhseg_jax.types import Bool, Float, Int, Integer

__all__ = ["ImageTreeOverlap", "TreeOverlapState", "score_image"]


@dataclasses.dataclass(frozen=True)
class ImageTreeOverlap:
    """The scores of one image.

    Attributes:
      matches: the best node of each of the ``g`` nodes of the class hierarchy.
      nmcovering: mean of the best IoU over the hierarchy's nodes that are present,
        NMCovering(T -> T_gt), in [0, 1]; NaN if the ground truth is empty.
      nhcovering: the same with each IoU weighted by the share of the node's ancestors
        (itself included) whose match is an ancestor of its match, NHCovering.
      nmcovering_at: ``[t]``, the first among the first `NUM_REGIONS` only.
      nhcovering_at: ``[t]``, the second, likewise.
    """

    matches: BestMatches
    nmcovering: float
    nhcovering: float
    nmcovering_at: Float[np.ndarray, " t"]
    nhcovering_at: Float[np.ndarray, " t"]

    @property
    def is_empty(self) -> bool:
        """Whether no pixel of the ground truth counts."""
        return bool(np.isnan(self.nmcovering))

    def row(self) -> dict[str, float]:
        """The scores of this image alone, flat, for a table of images."""
        return {
            "tree_nmcovering": self.nmcovering,
            "nhcovering": self.nhcovering,
            **by_number("tree_nmcovering", self.nmcovering_at),
            **by_number("nhcovering", self.nhcovering_at),
        }


def score_image(
    tree: RegionTree, classes: Integer[np.ndarray, "..."], hierarchy: ClassTree
) -> ImageTreeOverlap:
    """Scores one tree against one image's ground truth and its class hierarchy.

    Args:
      tree: one tree; its labels are of the ground truth's size.
      classes: flat class index of every pixel, negative where it does not count.
      hierarchy: the nodes above the flat classes.

    Raises:
      ValueError: the sizes differ, or a class index is too large.
    """
    table = contingency_table(
        np.asarray(tree.labels),
        classes,
        num_rows=tree.parents.shape[0],
        num_columns=hierarchy.members.shape[0],
    )
    flat_counts, contains = node_counts(tree, table)
    counts = flat_counts @ hierarchy.members.astype(np.int64)
    areas, present = flat_counts.sum(axis=1), counts[ROOT] > 0
    class_contains = hierarchy.contains()

    def coverings(chosen: Bool[np.ndarray, " n"]) -> tuple[BestMatches, float, float]:
        matches = best_match.best_matches(counts, areas, chosen)
        shares = _shares_of_ancestors(matches.nodes, contains, class_contains)
        return (
            matches,
            mean_over(matches.ious, present),
            mean_over(matches.ious * shares, present),
        )

    matches, nmcovering, nhcovering = coverings(best_match.candidates(len(counts)))
    ranks = np.asarray(tree.entry_ranks())[: len(counts)]
    at = [coverings(best_match.candidates_within(ranks, k))[1:] for k in NUM_REGIONS]
    nmcovering_at, nhcovering_at = np.array(at).T
    return ImageTreeOverlap(
        matches, nmcovering, nhcovering, nmcovering_at, nhcovering_at
    )


def _shares_of_ancestors(
    nodes: Int[np.ndarray, " g"],
    contains: Bool[np.ndarray, "n n"],
    class_contains: Bool[np.ndarray, "g g"],
) -> Float[np.ndarray, " g"]:
    """#{A in pi(R): A* in pi(R*)} / |pi(R)|, pi(R) being R and its ancestors.

    Counted over ancestors, as the release does: two that share one best match count
    twice, where the set notation of the paper would count them once. Ancestors of a
    region that is present are present, so every A* is a match.
    """
    # [A, R]: the match of A is the match of R or an ancestor of it.
    kept = contains[np.ix_(nodes, nodes)]
    return (class_contains & kept).sum(axis=0) / class_contains.sum(axis=0)


@pytree_dataclass
class TreeOverlapState(states.Additive):
    """The scores of any number of images; states of disjoint images merge by addition.

    Attributes:
      tally: of the hierarchy's nodes with their best nodes.
      nmcovering: ``[]``, sum over images, in fixed point (`states`).
      nhcovering: ``[]``, likewise.
      nmcovering_at: ``[t]``, likewise for each of `NUM_REGIONS`.
      nhcovering_at: ``[t]``, likewise.
      images: ``[]``, images scored.
      skipped: ``[]``, images whose ground truth is empty; they count nowhere else.
    """

    tally: Tally
    nmcovering: Int[np.ndarray, ""]
    nhcovering: Int[np.ndarray, ""]
    nmcovering_at: Int[np.ndarray, " t"]
    nhcovering_at: Int[np.ndarray, " t"]
    images: Int[np.ndarray, ""]
    skipped: Int[np.ndarray, ""]

    @classmethod
    def empty(cls, num_nodes: int) -> "TreeOverlapState":
        """The state of no image, for a hierarchy of ``num_nodes`` nodes."""
        one, at = np.zeros((), np.int64), np.zeros(len(NUM_REGIONS), np.int64)
        return cls(Tally.empty(num_nodes), one, one, at, at, one, one)

    def update(self, image: ImageTreeOverlap) -> "TreeOverlapState":
        """The state with one image more."""
        if image.is_empty:
            nothing = TreeOverlapState.empty(self.tally.true_positives.size)
            return self.merge(dataclasses.replace(nothing, skipped=np.asarray(1)))
        return self.merge(
            TreeOverlapState(
                image.matches.tally,
                states.to_fixed_point(image.nmcovering),
                states.to_fixed_point(image.nhcovering),
                states.to_fixed_point(image.nmcovering_at),
                states.to_fixed_point(image.nhcovering_at),
                np.asarray(1),
                np.asarray(0),
            )
        )

    def compute(self) -> dict[str, float]:
        """All scores, flat, in fractions of 1; NaN where nothing was scored.

        ``tree_miou``, ``tree_pacc``, ``tree_macc``, ``tree_fiou`` from the tallies of
        the hierarchy's nodes summed over images; ``tree_nmcovering`` (T -> T_gt) and
        ``nhcovering``, means over images, and both ``_at_N``; ``images`` and
        ``skipped``.
        """
        return {
            **{f"tree_{name}": score for name, score in self.tally.scores().items()},
            "tree_nmcovering": float(states.mean(self.nmcovering, self.images)),
            "nhcovering": float(states.mean(self.nhcovering, self.images)),
            **by_number(
                "tree_nmcovering", states.mean(self.nmcovering_at, self.images)
            ),
            **by_number("nhcovering", states.mean(self.nhcovering_at, self.images)),
            "images": int(self.images),
            "skipped": int(self.skipped),
        }
