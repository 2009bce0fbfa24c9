"""Proposals against the objects of an image, as COCO's evaluation matches them.

Without classes (pycocotools, ``useCats = 0``), to the last object. At each IoU from 0.5
to 0.95 in steps of 0.05 the proposals, in the order of their scores, each take the
object that they overlap most (the last of equals) among those that are free and that
they overlap by that much. Objects that do not count, crowds and those out of a range of
areas, are taken only by proposals that take no other, and these proposals do not count
either; nor do proposals out of that range that take nothing. A crowd stays free, and
the overlap with one is the share of the proposal inside it.

Masks of proposals are never made: they are unions of few pieces, and what an object
shares with them is what it shares with the pieces. AR@k is the share of all objects of
the set that the first k proposals take, mean over the IoUs.
"""

import dataclasses

import numpy as np

from uhseg_jax.datasets.objects import Objects
from uhseg_jax.hierarchy.proposals import Proposals
from uhseg_jax.metrics import states
from uhseg_jax.metrics.contingency import require_same_size
from uhseg_jax.metrics.scales import NUM_REGIONS, by_number
from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.types import Bool, Float, Int

__all__ = [
    "AREAS",
    "BUDGETS",
    "MOST_PROPOSALS",
    "THRESHOLDS",
    "ImageMatches",
    "RecallState",
    "match",
    "match_overlaps",
    "overlaps_of",
]

MOST_PROPOSALS = 1000
"""How many proposals of an image are matched at most."""

THRESHOLDS = np.linspace(0.5, 0.95, 10)
"""Intersections over union from which on a proposal finds an object."""

_COCO_BUDGETS = (1, 10, 100, MOST_PROPOSALS)
BUDGETS = tuple(sorted({*_COCO_BUDGETS, *NUM_REGIONS}))
"""Numbers of proposals for an image at which recall is read."""

AREAS = {
    "all": (0.0, 1e10),
    "small": (0.0, 32.0**2),
    "medium": (32.0**2, 96.0**2),
    "large": (96.0**2, 1e10),
}
"""Ranges of objects and of proposals, in pixels, both ends included."""


@dataclasses.dataclass(frozen=True)
class ImageMatches:
    """Which objects the ``p`` proposals of one image take, for each of the `AREAS`.

    Attributes:
      takers: ``[areas, t, g]``, the rank of the proposal that takes each object at each
        of the `THRESHOLDS`, ``p`` where none does or where the object does not count.
      objects: ``[areas]``, objects that count.
      takes: ``[areas, t, p]``, whether a proposal takes an object that counts.
      ignored: ``[areas, t, p]``, whether a proposal does not count.
    """

    takers: Int[np.ndarray, "areas t g"]
    objects: Int[np.ndarray, " areas"]
    takes: Bool[np.ndarray, "areas t p"]
    ignored: Bool[np.ndarray, "areas t p"]

    def recall(self) -> "RecallState":
        """The state of this image alone."""
        taken = [(self.takers < k).sum(axis=(1, 2)) for k in self._within(BUDGETS)]
        return RecallState(np.stack(taken, axis=1).astype(np.int64), self.objects)

    def _within(self, budgets: tuple[int, ...]) -> list[int]:
        return [min(k, self.takes.shape[-1]) for k in budgets]


def match(proposals: Proposals, objects: Objects) -> ImageMatches:
    """Matches the first thousand proposals of an image with its objects.

    Raises:
      ValueError: they are of images of other sizes.
    """
    proposals = proposals.first(MOST_PROPOSALS)
    areas = proposals.areas()
    overlaps = overlaps_of(proposals, objects)
    return match_overlaps(overlaps, areas, objects.areas, objects.crowd)


def overlaps_of(proposals: Proposals, objects: Objects) -> Float[np.ndarray, "p g"]:
    """IoU of every proposal and object; for crowds the share of the proposal inside.

    Raises:
      ValueError: they are of images of other sizes.
    """
    pieces = proposals.pieces.ravel(order="F")  # as masks lie in memory
    num_pieces = proposals.contains.shape[1]
    table = np.zeros((num_pieces, len(objects)))
    for column, mask in enumerate(objects.decoded()):
        require_same_size(proposals.pieces.shape, mask.shape)
        inside = pieces[mask.ravel(order="F")]
        table[:, column] = np.bincount(inside, minlength=num_pieces)
    # Products in float64 (BLAS) are exact for counts below 2^53.
    shared = proposals.contains.astype(np.float64) @ table
    areas = proposals.areas()[:, None]
    unions = np.where(objects.crowd, areas, areas + table.sum(axis=0) - shared)
    return shared / np.maximum(unions, 1)


def match_overlaps(
    overlaps: Float[np.ndarray, "p g"],
    proposal_areas: Int[np.ndarray, " p"],
    object_areas: Float[np.ndarray, " g"],
    crowd: Bool[np.ndarray, " g"],
) -> ImageMatches:
    """Matches any proposals, in the order of their scores, with objects.

    Args:
      overlaps: as `overlaps_of` gives them.
      proposal_areas: pixels of the proposals.
      object_areas: what counts as the areas of objects.
      crowd: which of these are crowds.
    """
    num_proposals, num_objects = overlaps.shape
    low, high = np.array([*AREAS.values()]).T[..., None]
    uncounted = crowd | (object_areas < low) | (object_areas > high)
    out = (proposal_areas < low) | (proposal_areas > high)

    shape = (len(AREAS), len(THRESHOLDS))
    takers = np.full((*shape, num_objects), num_proposals)
    takes = np.zeros((*shape, num_proposals), bool)
    ignored = np.repeat(out[:, None], len(THRESHOLDS), axis=1)
    free = np.ones((*shape, num_objects), bool)
    area, threshold = np.ogrid[: shape[0], : shape[1]]
    for proposal in np.flatnonzero((overlaps >= THRESHOLDS[0]).any(axis=1)):
        overlap = overlaps[proposal]
        may = free & (overlap >= THRESHOLDS[:, None])
        counted = may & ~uncounted[:, None]
        takes_counted = counted.any(axis=-1)
        choice = np.where(takes_counted[..., None], counted, may)
        best = _last_best(np.where(choice, overlap, -1.0))
        takes_any = may.any(axis=-1)
        takes[..., proposal] = takes_counted
        ignored[..., proposal] = np.where(
            takes_any, ~takes_counted, ignored[..., proposal]
        )
        taken = takers[area, threshold, best]
        takers[area, threshold, best] = np.where(takes_counted, proposal, taken)
        free[area, threshold, best] &= ~takes_any | crowd[best]
    return ImageMatches(takers, (~uncounted).sum(axis=1), takes, ignored)


def _last_best(overlaps: Float[np.ndarray, "a t g"]) -> Int[np.ndarray, "a t"]:
    """The largest of each row, the last of equals."""
    return overlaps.shape[-1] - 1 - np.argmax(overlaps[..., ::-1], axis=-1)


@pytree_dataclass
class RecallState(states.Additive):
    """Recall over any number of images; states of disjoint images merge by addition.

    Attributes:
      taken: ``[areas, budgets]``, objects of each of the `AREAS` that are taken by so
        many proposals, summed over the `THRESHOLDS` and images.
      objects: ``[areas]``, objects, summed over images.
    """

    taken: Int[np.ndarray, "areas budgets"]
    objects: Int[np.ndarray, " areas"]

    @classmethod
    def empty(cls) -> "RecallState":
        """The state of no image."""
        shape = (len(AREAS), len(BUDGETS))
        return cls(np.zeros(shape, np.int64), np.zeros(len(AREAS), np.int64))

    def compute(self) -> dict[str, float]:
        """Average recall in fractions of 1; NaN where there is no object.

        ``ar_1``, ``ar_10``, ``ar_100``, ``ar_1000`` of so many proposals;
        ``ar_1000_small``, ``ar_1000_medium``, ``ar_1000_large`` of objects of up to
        32 x 32 pixels, up to 96 x 96, and larger ones; ``ar_at_K`` of K proposals.
        """
        most = BUDGETS.index(MOST_PROPOSALS)
        of_areas = zip(AREAS, self._recalls()[:, most], strict=True)
        return self.row() | {
            f"ar_{MOST_PROPOSALS}_{name}": float(x)
            for name, x in of_areas
            if name != "all"
        }

    def row(self) -> dict[str, float]:
        """The scores of all objects, whatever their areas."""
        recalls = dict(zip(BUDGETS, self._recalls()[0].tolist(), strict=True))
        at = by_number("ar", [recalls[k] for k in NUM_REGIONS])
        return {f"ar_{k}": recalls[k] for k in _COCO_BUDGETS} | at

    def _recalls(self) -> Float[np.ndarray, "areas budgets"]:
        chances = len(THRESHOLDS) * self.objects
        return states.ratio(self.taken, chances[:, None])
