"""Boundary scores of BSDS500: F-measure (ODS, OIS) and average precision (AP).

Martin, Fowlkes and Malik, "Learning to Detect Natural Image Boundaries", PAMI 2004, and
the BSDS500 benchmark (`evaluation_bdry_image`, `collect_eval_bdry`). Recall pools the
boundary pixels of all annotators; a machine pixel is precise if it is matched to the
boundary of any annotator.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from uhseg_jax.metrics import states
from uhseg_jax.metrics.boundary_matching import (
    boundary_map,
    boundary_maps,
    count_matches,
)
from uhseg_jax.metrics.contingency import require_same_size
from uhseg_jax.metrics.curves import Curve, f_measure
from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.types import Float, Int, Integer
from uhseg_jax.workers import Call, call_here

__all__ = ["MAX_DISTANCE", "BoundaryState", "ImageBoundary", "score_stack"]

MAX_DISTANCE = 0.0075
"""The benchmark's tolerance, as a share of the image's diagonal."""

# The benchmark's `maxF` tries this many points between neighbouring scales.
_STEPS_BETWEEN_SCALES = 100


@dataclasses.dataclass(frozen=True)
class ImageBoundary:
    """The counts of one image at ``t`` scales.

    Attributes:
      matched_human: ``[t]``, human boundary pixels matched, over all annotators.
      human: human boundary pixels of all annotators.
      matched_machine: ``[t]``, machine pixels matched to any annotator.
      machine: ``[t]``, machine pixels.
    """

    matched_human: Int[np.ndarray, " t"]
    human: int
    matched_machine: Int[np.ndarray, " t"]
    machine: Int[np.ndarray, " t"]

    def at(self, scales: slice) -> "ImageBoundary":
        """The counts of some of the scales."""
        three = (self.matched_human, self.matched_machine, self.machine)
        recalled, precise, pixels = (x[scales] for x in three)
        return ImageBoundary(recalled, self.human, precise, pixels)

    @property
    def f_measures(self) -> Float[np.ndarray, " t"]:
        """F of the image alone at every scale, in [0, 1]."""
        recall = states.share(self.matched_human, np.asarray(self.human))
        return f_measure(recall, states.share(self.matched_machine, self.machine))

    def row(self) -> dict[str, float]:
        """The score of this image at its best scale, flat, for a table of images."""
        return {"boundary_f": float(self.f_measures.max())}


def score_stack(
    segmentations: Integer[np.ndarray, "t h w"],
    annotations: Sequence[Integer[np.ndarray, "_ _"]],
    *,
    max_distance: float = MAX_DISTANCE,
    call: Call = call_here,
) -> ImageBoundary:
    """Matches the boundaries of flat segmentations to those of several annotators.

    Scales that show the same segmentation are matched once.

    Args:
      segmentations: region of every pixel at every scale, from coarse to fine
        (`scales.cut_stack`).
      annotations: for every annotator the region of every pixel.
      max_distance: largest distance of a match, as a share of the image's diagonal.

      call: how the matching is called, which takes a second an image.

    Raises:
      ValueError: the sizes differ, or there is no annotation.
    """
    if len(annotations) == 0:
        raise ValueError(
            "expected at least one annotator's boundaries of the image, but found "
            "none; leave the image out, or give its ground truth."
        )
    for annotation in annotations:
        require_same_size(segmentations.shape[1:], annotation.shape)
    humans = np.stack([boundary_map(x) for x in annotations])
    radius = max_distance * float(np.hypot(*segmentations.shape[1:]))
    maps, scale = boundary_maps(segmentations)
    recalled, precise, pixels = call(count_matches, maps, humans, radius)[scale].T
    return ImageBoundary(recalled, int(humans.sum()), precise, pixels)


@pytree_dataclass
class BoundaryState(states.Additive):
    """The counts of any number of images; states of disjoint images merge by addition.

    Attributes:
      matched_human: ``[t]``, human pixels matched at every scale.
      human: ``[]``, human pixels.
      matched_machine: ``[t]``, machine pixels matched at every scale.
      machine: ``[t]``, machine pixels at every scale.
      best: ``[3]``, matched human, matched machine and machine pixels, each image at
        the scale that is best for it.
      images: ``[]``, images scored.
    """

    matched_human: Int[np.ndarray, " t"]
    human: Int[np.ndarray, ""]
    matched_machine: Int[np.ndarray, " t"]
    machine: Int[np.ndarray, " t"]
    best: Int[np.ndarray, " 3"]
    images: Int[np.ndarray, ""]

    @classmethod
    def empty(cls, num_scales: int) -> "BoundaryState":
        """The state of no image."""
        scales, one = np.zeros(num_scales, np.int64), np.zeros((), np.int64)
        return cls(scales, one, scales, scales, np.zeros(3, np.int64), one)

    def update(self, image: ImageBoundary) -> "BoundaryState":
        """The state with one image more."""
        at = int(np.argmax(image.f_measures))  # the first of equals, as the benchmark
        three = (image.matched_human, image.matched_machine, image.machine)
        return self.merge(
            BoundaryState(
                image.matched_human,
                np.asarray(image.human),
                image.matched_machine,
                image.machine,
                np.array([x[at] for x in three], np.int64),
                np.asarray(1),
            )
        )

    def curve(self) -> tuple[Float[np.ndarray, " t"], Float[np.ndarray, " t"]]:
        """Recall and precision of the whole set at every scale, in [0, 1]."""
        return (
            states.share(self.matched_human, self.human),
            states.share(self.matched_machine, self.machine),
        )

    def recall_and_precision(self) -> Curve:
        """The same as a curve, from coarse to fine."""
        return Curve.recall_and_precision(*self.curve())

    def f_measures(self) -> Float[np.ndarray, " t"]:
        """F of the whole set at every scale, in [0, 1]."""
        return f_measure(*self.curve())

    def compute(self) -> dict[str, float]:
        """``boundary_ods``, ``boundary_ois``, ``boundary_ap``, ``images``.

        Fractions of 1; 0 where there is no boundary. ODS is the best F on the straight
        lines between neighbouring scales; AP sums precision over the recalls 0, 0.01,
        ..., 1, interpolated between the scales and 0 outside them. As the benchmark
        has it, AP of a single scale is 0 and a perfect curve gives 1.01.
        """
        recall, precision = self.curve()
        matched_human, matched_machine, machine = self.best
        ois = f_measure(
            states.share(matched_human, self.human),
            states.share(matched_machine, machine),
        )
        return {
            "boundary_ods": _best_between_scales(recall, precision),
            "boundary_ois": float(ois),
            "boundary_ap": _average_precision(recall, precision),
            "images": int(self.images),
        }


def _best_between_scales(
    recall: Float[np.ndarray, " t"], precision: Float[np.ndarray, " t"]
) -> float:
    """The largest F over the scales and the lines between neighbours (`maxF`)."""
    along = np.linspace(0, 1, _STEPS_BETWEEN_SCALES)[:, None]
    r, p = (
        np.concatenate([(x[1:] * along + x[:-1] * (1 - along)).ravel(), x])
        for x in (recall, precision)
    )
    return float(f_measure(r, p).max())


def _average_precision(
    recall: Float[np.ndarray, " t"], precision: Float[np.ndarray, " t"]
) -> float:
    """Area under the precision-recall curve, as `collect_eval_bdry` sums it.

    Of scales with the same recall the most precise counts; the benchmark takes one by
    its order.
    """
    levels, level = np.unique(recall, return_inverse=True)
    if levels.size < 2:
        return 0.0
    best = np.zeros(levels.size)
    np.maximum.at(best, level, precision)
    grid = np.linspace(0, 1, 101)
    return float(np.interp(grid, levels, best, left=0, right=0).sum() * 0.01)
