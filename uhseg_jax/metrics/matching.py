"""One-to-one matching of segments and classes by the Hungarian method.

Two protocols, both with scipy's solver, whose choice among ties is part of them:

* per image, on pixel counts: Tian et al., "Diffuse, Attend, and Segment", CVPR 2024
  (DiffSeg's evaluation, `hungarian_matching` of its release), and where most of an
  image is background that of Couairon et al., "DiffCut", NeurIPS 2024
  (``eval_diffcut.py`` of its release, "many-to-one matching for background");
* once for the whole data set, on IoU: Van Gansbeke et al., "Unsupervised Semantic
  Segmentation by Contrasting Object Mask Proposals", ICCV 2021 (MaskContrast).
"""

import dataclasses

import numpy as np
from scipy.optimize import linear_sum_assignment

from uhseg_jax.metrics import states
from uhseg_jax.metrics.contingency import compact, contingency_table, ious
from uhseg_jax.metrics.tallies import Tally, mean_over
from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.types import Float, Int, Integer

__all__ = ["DatasetMatchingState", "ImageMatching", "ImageMatchingState", "match_image"]


@dataclasses.dataclass(frozen=True)
class ImageMatching:
    """What the matching of one image gives.

    Attributes:
      segments: ``[c]``, the segment that each class got: a position in the sorted list
        of the image's segments, or beyond its end for a class that got none and for
        the background that got the rest.
      tally: of the classes with their segments.
    """

    segments: Int[np.ndarray, " c"]
    tally: Tally

    @property
    def is_empty(self) -> bool:
        """Whether no pixel of the ground truth counts."""
        return not self.tally.sizes.any()

    def row(self) -> dict[str, float]:
        """The scores of this image alone, flat, for a table of images."""
        return _scores(self.tally)


def match_image(
    segmentation: Integer[np.ndarray, "..."],
    classes: Integer[np.ndarray, "..."],
    *,
    num_classes: int,
    background: int | None = None,
) -> ImageMatching:
    """Gives every class one segment of the image, to the most shared pixels.

    Segments left over when the classes present have theirs go to absent classes, as
    false positives; with more segments than classes the rest goes to none.

    Args:
      segmentation: segment of every pixel, any ids from 0.
      classes: class index of every pixel, negative where it does not count.
      num_classes: number of classes.
      background: the class that gets all segments which no other class present gets,
        united to one before the matching; None to match it as every other class.

    Raises:
      ValueError: the sizes differ, or a class index is too large.
    """
    # Numbered by order of id: ties among segments depend on it.
    segments = compact(segmentation)
    order = np.arange(num_classes)
    if background is not None:
        order = np.append(np.delete(order, background), background)  # DiffCut's
        segments = _unite_rest(segments, classes, objects=order[:-1])
    table = contingency_table(
        classes,
        segments,
        num_rows=num_classes,
        num_columns=max(num_classes, int(segments.max(initial=-1)) + 1),
    )
    # Classes in rows, empty columns for missing segments: the release's matrix.
    chosen = np.empty(num_classes, np.int64)
    chosen[order] = linear_sum_assignment(table[order], maximize=True)[1]
    shared = table[np.arange(num_classes), chosen]
    return ImageMatching(
        segments=chosen,
        tally=Tally(
            shared, table.sum(axis=0)[chosen] - shared, table.sum(axis=1) - shared
        ),
    )


def _unite_rest(
    segments: Int[np.ndarray, "*s"],
    classes: Integer[np.ndarray, "..."],
    *,
    objects: Int[np.ndarray, " n"],
) -> Int[np.ndarray, "*s"]:
    """Segments of which those that no class of objects gets are one, the last.

    Matched are the pixels of objects alone, so a class present takes the segment that
    holds most of it, however little of the segment it is.
    """
    count = int(segments.max(initial=-1)) + 1
    table = contingency_table(
        classes,
        segments,
        num_rows=objects.size + 1,
        num_columns=max(objects.size, count),
    )[objects]
    _, chosen = linear_sum_assignment(table, maximize=True)
    taken = chosen[table.any(axis=1)]
    return np.where(np.isin(segments, taken), segments, count)


@pytree_dataclass
class ImageMatchingState(states.Additive):
    """The per-image protocol; states of disjoint images merge by addition.

    Attributes:
      tally: of the classes with their segments.
      images: ``[]``, images scored.
      skipped: ``[]``, images whose ground truth is empty; they count nowhere else.
    """

    tally: Tally
    images: Int[np.ndarray, ""]
    skipped: Int[np.ndarray, ""]

    @classmethod
    def empty(cls, num_classes: int) -> "ImageMatchingState":
        """The state of no image."""
        zero = np.zeros((), np.int64)
        return cls(Tally.empty(num_classes), zero, zero)

    def update(self, image: ImageMatching) -> "ImageMatchingState":
        """The state with one image more."""
        return self.merge(
            ImageMatchingState(
                image.tally,
                np.asarray(int(not image.is_empty)),
                np.asarray(int(image.is_empty)),
            )
        )

    def compute(self) -> dict[str, float]:
        """Gives ``miou``, ``pacc`` (NaN if no image), ``images`` and ``skipped``.

        The mean IoU leaves out only classes that neither side shows: an absent class
        that got a segment counts as 0, as in the release.
        """
        return {
            **_scores(self.tally),
            "images": int(self.images),
            "skipped": int(self.skipped),
        }


@pytree_dataclass
class DatasetMatchingState(states.Additive):
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
        self, clusters: Integer[np.ndarray, "..."], classes: Integer[np.ndarray, "..."]
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
            **_scores(Tally(tp, taken - tp, self.table.sum(axis=0) - tp)),
            "images": int(self.images),
            "skipped": int(self.skipped),
        }

    def _ious(self) -> Float[np.ndarray, "k c"]:
        return ious(self.table, self.table.sum(axis=1), self.table.sum(axis=0))


def _scores(tally: Tally) -> dict[str, float]:
    """Over the classes that either side shows."""
    per_class = tally.ious()
    return {
        "miou": mean_over(per_class, ~np.isnan(per_class)),
        "pacc": tally.accuracy(),
    }
