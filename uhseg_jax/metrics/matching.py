"""One-to-one matching of segments and classes by the Hungarian method.

Two protocols, both with scipy's solver, whose choice among ties is part of them:

* per image, on pixel counts: Tian et al., "Diffuse, Attend, and Segment", CVPR 2024
  (DiffSeg's evaluation, `hungarian_matching` of its release);
* once for the whole data set, on IoU: Van Gansbeke et al., "Unsupervised Semantic
  Segmentation by Contrasting Object Mask Proposals", ICCV 2021 (MaskContrast).
"""

import dataclasses

import numpy as np
from scipy.optimize import linear_sum_assignment

from uhseg_jax.metrics import states, tallies
from uhseg_jax.metrics.contingency import contingency_table, ious
from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.types import Float, Int, Integer

__all__ = ["DatasetMatchingState", "ImageMatching", "ImageMatchingState", "match_image"]


@dataclasses.dataclass(frozen=True)
class ImageMatching:
    """What the matching of one image gives.

    Attributes:
      segments: ``[c]``, the segment that each class got: a position in the sorted list
        of the image's segments, or beyond its end for a class that got none.
      true_positives: ``[c]``, pixels of the class in its segment.
      false_positives: ``[c]``, pixels of its segment outside the class.
      false_negatives: ``[c]``, pixels of the class outside its segment.
    """

    segments: Int[np.ndarray, " c"]
    true_positives: Int[np.ndarray, " c"]
    false_positives: Int[np.ndarray, " c"]
    false_negatives: Int[np.ndarray, " c"]

    @property
    def is_empty(self) -> bool:
        """Whether no pixel of the ground truth counts."""
        return not np.any(self.true_positives + self.false_negatives)

    def row(self) -> dict[str, float]:
        """The scores of this image alone, flat, for a table of images."""
        return _scores(self.true_positives, self.false_positives, self.false_negatives)


def match_image(
    segmentation: Integer[np.ndarray, "h w"],
    classes: Integer[np.ndarray, "_ _"],
    *,
    num_classes: int,
) -> ImageMatching:
    """Gives every class one segment of the image, to the most shared pixels.

    Segments left over when the classes present have theirs go to absent classes, as
    false positives; with more segments than classes the rest goes to none.

    Args:
      segmentation: segment of every pixel, any ids from 0.
      classes: class index of every pixel, negative where it does not count.
      num_classes: number of classes.

    Raises:
      ValueError: the sizes differ, or a class index is too large.
    """
    # Numbered by order of id: ties among segments depend on it.
    ids, compact = np.unique(segmentation, return_inverse=True)
    table = contingency_table(
        classes,
        compact.reshape(np.shape(segmentation)),
        num_rows=num_classes,
        num_columns=max(num_classes, ids.size),
    )
    # Classes in rows, empty columns for missing segments: the release's matrix.
    rows, segments = linear_sum_assignment(table, maximize=True)
    shared = table[rows, segments]
    return ImageMatching(
        segments=np.asarray(segments),
        true_positives=shared,
        false_positives=table.sum(axis=0)[segments] - shared,
        false_negatives=table.sum(axis=1) - shared,
    )


@pytree_dataclass
class ImageMatchingState:
    """The per-image protocol; states of disjoint images merge by addition.

    Attributes:
      true_positives: ``[c]``, pixels of the classes in their segments.
      false_positives: ``[c]``, pixels of these segments outside their classes.
      false_negatives: ``[c]``, pixels of the classes outside their segments.
      images: ``[]``, images scored.
      skipped: ``[]``, images whose ground truth is empty; they count nowhere else.
    """

    true_positives: Int[np.ndarray, " c"]
    false_positives: Int[np.ndarray, " c"]
    false_negatives: Int[np.ndarray, " c"]
    images: Int[np.ndarray, ""]
    skipped: Int[np.ndarray, ""]

    @classmethod
    def empty(cls, num_classes: int) -> "ImageMatchingState":
        """The state of no image."""
        return cls(
            *(np.zeros(num_classes, np.int64) for _ in range(3)),
            *(np.zeros((), np.int64) for _ in range(2)),
        )

    def update(self, image: ImageMatching) -> "ImageMatchingState":
        """The state with one image more."""
        return self.merge(
            ImageMatchingState(
                image.true_positives,
                image.false_positives,
                image.false_negatives,
                np.asarray(int(not image.is_empty)),
                np.asarray(int(image.is_empty)),
            )
        )

    def merge(self, other: "ImageMatchingState") -> "ImageMatchingState":
        """The state of the images of both."""
        return states.merge(self, other)

    def compute(self) -> dict[str, float]:
        """Gives ``miou``, ``pacc`` (NaN if no image), ``images`` and ``skipped``.

        The mean IoU leaves out only classes that neither side shows: an absent class
        that got a segment counts as 0, as in the release.
        """
        return {
            **_scores(self.true_positives, self.false_positives, self.false_negatives),
            "images": int(self.images),
            "skipped": int(self.skipped),
        }


@pytree_dataclass
class DatasetMatchingState:
    """The whole-set protocol; states of disjoint images merge by addition.

    Attributes:
      table: ``[k, c]``, pixels of every cluster and class.
      images: ``[]``, images scored.
      skipped: ``[]``, images whose ground truth is empty.
    """

    table: Int[np.ndarray, "k c"]
    images: Int[np.ndarray, ""]
    skipped: Int[np.ndarray, ""]

    @classmethod
    def empty(cls, num_clusters: int, num_classes: int) -> "DatasetMatchingState":
        """The state of no image; the protocol has as many clusters as classes."""
        zero = np.zeros((), np.int64)
        return cls(np.zeros((num_clusters, num_classes), np.int64), zero, zero)

    def update(
        self, clusters: Integer[np.ndarray, "h w"], classes: Integer[np.ndarray, "_ _"]
    ) -> "DatasetMatchingState":
        """The state with one image more.

        Args:
          clusters: cluster of every pixel, the same in all images; negative: dropped.
          classes: class index of every pixel, negative where it does not count.

        Raises:
          ValueError: the sizes differ, or a cluster or class is too large.
        """
        k, c = self.table.shape
        table = contingency_table(clusters, classes, num_rows=k, num_columns=c)
        scored = int(table.any())
        return self.merge(
            DatasetMatchingState(table, np.asarray(scored), np.asarray(1 - scored))
        )

    def merge(self, other: "DatasetMatchingState") -> "DatasetMatchingState":
        """The state of the images of both."""
        return states.merge(self, other)

    def assignment(self) -> Int[np.ndarray, " k"]:
        """The class of every cluster, to the largest sum of IoU; -1 for spare ones."""
        clusters, classes = linear_sum_assignment(self._ious(), maximize=True)
        assigned = np.full(self.table.shape[0], -1)
        assigned[clusters] = classes
        return assigned

    def compute(self) -> dict[str, float]:
        """Gives ``miou``, ``pacc`` (NaN if no image), ``images`` and ``skipped``.

        A class without a cluster counts as 0.
        """
        assigned = self.assignment()
        given = assigned >= 0
        tp, taken = (np.zeros(self.table.shape[1], np.int64) for _ in range(2))
        tp[assigned[given]] = self.table[given, assigned[given]]
        taken[assigned[given]] = self.table[given].sum(axis=1)
        return {
            **_scores(tp, taken - tp, self.table.sum(axis=0) - tp),
            "images": int(self.images),
            "skipped": int(self.skipped),
        }

    def _ious(self) -> Float[np.ndarray, "k c"]:
        return ious(self.table, self.table.sum(axis=1), self.table.sum(axis=0))


def _scores(
    tp: Int[np.ndarray, " c"], fp: Int[np.ndarray, " c"], fn: Int[np.ndarray, " c"]
) -> dict[str, float]:
    per_class = tallies.class_ious(tp, fp, fn)
    return {
        "miou": tallies.mean_over(per_class, ~np.isnan(per_class)),
        "pacc": float(states.ratio(tp.sum(), (tp + fn).sum())),
    }
