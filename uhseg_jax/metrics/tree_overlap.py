"""Scores of a tree against a hierarchy of classes, T_gt.

Rossetti & Pirri, "Hierarchy-Agnostic Unsupervised Segmentation", NeurIPS 2024,
hierarchy-agnostic protocol, as the authors' release scores it: the ground-truth
regions are the nodes of the class hierarchy, inner ones too, and one background.
"""

import dataclasses

import numpy as np

from uhseg_jax.hierarchy.tree import ROOT, RegionTree
from uhseg_jax.metrics import best_match, states, tallies
from uhseg_jax.metrics.contingency import contingency_table, node_counts
from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.taxonomy import ClassTree
from uhseg_jax.types import Bool, Float, Int, Integer

__all__ = ["ImageTreeOverlap", "TreeOverlapState", "score_image", "score_table"]


@dataclasses.dataclass(frozen=True)
class ImageTreeOverlap:
    """The scores of one image.

    Attributes:
      matches: the best node of each of the ``g`` nodes of the class hierarchy.
      nmcovering: mean of the best IoU over the hierarchy's nodes that are present,
        NMCovering(T -> T_gt), in [0, 1]; NaN if the ground truth is empty.
      nhcovering: the same with each IoU weighted by the share of the node's ancestors
        (itself included) whose match is an ancestor of its match, NHCovering.
    """

    matches: best_match.BestMatches
    nmcovering: float
    nhcovering: float

    @property
    def is_empty(self) -> bool:
        """Whether no pixel of the ground truth counts."""
        return bool(np.isnan(self.nmcovering))

    def row(self) -> dict[str, float]:
        """The scores of this image alone, flat, for a table of images."""
        return {"tree_nmcovering": self.nmcovering, "nhcovering": self.nhcovering}


def score_image(
    tree: RegionTree, classes: Integer[np.ndarray, "h w"], hierarchy: ClassTree
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
    return score_table(tree, table, hierarchy)


def score_table(
    tree: RegionTree, table: Int[np.ndarray, "n c"], hierarchy: ClassTree
) -> ImageTreeOverlap:
    """`score_image` from the pixels of every leaf (row, by node id) and flat class."""
    flat_counts, contains = node_counts(tree, table)
    counts = flat_counts @ hierarchy.members.astype(np.int64)
    matches = best_match.best_matches(
        counts, flat_counts.sum(axis=1), best_match.candidates(counts.shape[0])
    )
    present = counts[ROOT] > 0
    shares = _shares_of_ancestors(matches.nodes, contains, hierarchy.contains())
    return ImageTreeOverlap(
        matches=matches,
        nmcovering=tallies.mean_over(matches.ious, present),
        nhcovering=tallies.mean_over(matches.ious * shares, present),
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
class TreeOverlapState:
    """The scores of any number of images; states of disjoint images merge by addition.

    Attributes:
      true_positives: ``[g]``, pixels of the hierarchy's nodes in their best nodes.
      false_positives: ``[g]``, pixels of these best nodes outside.
      false_negatives: ``[g]``, pixels of the hierarchy's nodes outside theirs.
      nmcovering: ``[]``, sum over images, in fixed point (`states`).
      nhcovering: ``[]``, likewise.
      images: ``[]``, images scored.
      skipped: ``[]``, images whose ground truth is empty; they count nowhere else.
    """

    true_positives: Int[np.ndarray, " g"]
    false_positives: Int[np.ndarray, " g"]
    false_negatives: Int[np.ndarray, " g"]
    nmcovering: Int[np.ndarray, ""]
    nhcovering: Int[np.ndarray, ""]
    images: Int[np.ndarray, ""]
    skipped: Int[np.ndarray, ""]

    @classmethod
    def empty(cls, num_nodes: int) -> "TreeOverlapState":
        """The state of no image, for a hierarchy of ``num_nodes`` nodes."""
        return cls(
            *(np.zeros(num_nodes, np.int64) for _ in range(3)),
            *(np.zeros((), np.int64) for _ in range(4)),
        )

    def update(self, image: ImageTreeOverlap) -> "TreeOverlapState":
        """The state with one image more."""
        if image.is_empty:
            nothing = TreeOverlapState.empty(self.true_positives.size)
            return self.merge(dataclasses.replace(nothing, skipped=np.asarray(1)))
        return self.merge(
            TreeOverlapState(
                image.matches.true_positives,
                image.matches.false_positives,
                image.matches.false_negatives,
                states.to_fixed_point(image.nmcovering),
                states.to_fixed_point(image.nhcovering),
                np.asarray(1),
                np.asarray(0),
            )
        )

    def merge(self, other: "TreeOverlapState") -> "TreeOverlapState":
        """The state of the images of both."""
        return states.merge(self, other)

    def compute(self) -> dict[str, float]:
        """All scores, flat, in fractions of 1; NaN where nothing was scored.

        ``tree_miou``, ``tree_pacc``, ``tree_macc``, ``tree_fiou`` from the tallies of
        the hierarchy's nodes summed over images; ``tree_nmcovering`` (T -> T_gt) and
        ``nhcovering``, means over images; ``images`` and ``skipped``.
        """
        flat = tallies.scores(
            self.true_positives, self.false_positives, self.false_negatives
        )
        return {
            **{f"tree_{name}": score for name, score in flat.items()},
            "tree_nmcovering": float(states.mean(self.nmcovering, self.images)),
            "nhcovering": float(states.mean(self.nhcovering, self.images)),
            "images": int(self.images),
            "skipped": int(self.skipped),
        }
