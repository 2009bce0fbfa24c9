"""Average precision of proposals for objects, classes aside, as COCO computes it.

Which proposals take an object is settled image by image (`objects`). The first hundred
of every image count, all together in the order of their scores, equal ones in that of
the images' ids and then of their ranks. At each IoU, precision at a recall is the
largest at that recall or beyond, 0 where it is never reached; AP is its mean over the
recalls 0, 0.01, ..., 1 and the IoUs (pycocotools, `COCOeval.accumulate`).
"""

import numpy as np

from uhseg_jax.metrics import states
from uhseg_jax.metrics.curves import Curve
from uhseg_jax.metrics.objects import THRESHOLDS, ImageMatches
from uhseg_jax.metrics.rows import Rows
from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.types import Float, Int

__all__ = ["RECALLS", "PrecisionState"]

RECALLS = np.linspace(0, 1, 101)
"""Where COCO reads the curve of precision against recall."""

_BUDGET = 100  # proposals of each image: COCO's for its average precision
_AT = {"50": 0, "75": 5}  # of the thresholds
_ALL = 0  # of the areas

# A row of the state says in its last column what a proposal is: from the lowest bit on
# whether it takes an object at each threshold, whether it does not count, and its rank.
_BITS = len(THRESHOLDS)
_FLAGS = 2 * _BITS


@pytree_dataclass
class PrecisionState(states.Additive):
    """The proposals of any number of images; states of disjoint images merge.

    Attributes:
      proposals: a row for each: its score, so that larger ones come first, the id of
        its image, and rank and matches in one number.
      objects: ``[]``, objects that count, summed over images.
    """

    proposals: Rows
    objects: Int[np.ndarray, ""]

    @classmethod
    def empty(cls) -> "PrecisionState":
        """The state of no image."""
        return cls(Rows.empty(3), np.zeros((), np.int64))

    @classmethod
    def of_image(
        cls, matches: ImageMatches, scores: Float[np.ndarray, " p"], image_id: int
    ) -> "PrecisionState":
        """The state of one image.

        Args:
          matches: of its proposals, those of all objects.
          scores: of the proposals, from high to low.
          image_id: its number, of at most 63 bits.
        """
        flags = np.concatenate([matches.takes[_ALL], matches.ignored[_ALL]])
        flags, scores = flags[:, :_BUDGET], scores[:_BUDGET]
        bits = (flags.astype(np.int64) << np.arange(_FLAGS)[:, None]).sum(axis=0)
        ranks = np.arange(bits.size)
        ids = np.full(bits.size, image_id, np.int64)
        rows = np.stack([_descending(scores), ids, (ranks << _FLAGS) | bits], axis=1)
        return cls(Rows(rows), np.asarray(matches.objects[_ALL]))

    def precisions(self) -> Float[np.ndarray, "t 101"]:
        """Precision at each of the `THRESHOLDS` and `RECALLS`; NaN without objects."""
        if self.objects == 0:
            return np.full((len(THRESHOLDS), len(RECALLS)), np.nan)
        packed, counts = self.proposals.values[:, 2], self.proposals.counts
        # All of them are false but those that match at some threshold, which are few.
        matched = np.flatnonzero(packed & (2**_FLAGS - 1))
        before, counts = np.cumsum(counts)[matched], counts[matched]
        flags = packed[matched]
        return np.stack(
            [self._precision(flags >> t, counts, before) for t in range(_BITS)]
        )

    def _precision(
        self,
        flags: Int[np.ndarray, " m"],
        counts: Int[np.ndarray, " m"],
        before: Int[np.ndarray, " m"],
    ) -> Float[np.ndarray, " 101"]:
        """Precision at the `RECALLS` and one threshold, whose flags are the lowest.

        A proposal that counts several times stands for as many in a row. Precision has
        its peaks, and recall its steps, where the last of them is seen.
        """
        takes, ignored = flags & 1 > 0, flags >> _BITS & 1 > 0
        true = np.cumsum(np.where(takes, counts, 0))[takes]
        uncounted = np.cumsum(np.where(ignored, counts, 0))[takes]
        seen = (before[takes] - uncounted).astype(np.float64)
        precision = true / (seen + np.spacing(1))
        highest = np.maximum.accumulate(precision[::-1])[::-1]
        at = np.searchsorted(true / self.objects, RECALLS, side="left")
        return np.append(highest, 0.0)[at]

    def compute(self) -> dict[str, float]:
        """Average precision in fractions of 1; NaN where there is no object.

        ``ap``, and ``ap_50`` and ``ap_75`` at one IoU, of a hundred proposals an image.
        """
        precisions = self.precisions()
        return {
            "ap": float(precisions.mean()),
            **{f"ap_{name}": float(precisions[t].mean()) for name, t in _AT.items()},
        }

    def curves(self) -> dict[str, Curve]:
        """``objects_50`` and ``objects_75``: those whose means are AP at these IoUs."""
        precisions, recalls = self.precisions(), tuple(RECALLS.tolist())
        return {
            f"objects_{name}": Curve(
                recalls, tuple(precisions[t].tolist()), "recall", "precision"
            )
            for name, t in _AT.items()
        }


def _descending(scores: Float[np.ndarray, " p"]) -> Int[np.ndarray, " p"]:
    """Integers in the opposite order of floats, equal where these are."""
    bits = (-scores + 0.0).view(np.int64)
    return np.where(bits < 0, bits ^ np.int64(2**63 - 1), bits)
