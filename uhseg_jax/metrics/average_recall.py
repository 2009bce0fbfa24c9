"""Average recall of a tree's regions as proposals for objects, classes aside.

As COCO's evaluation counts it without classes (pycocotools, ``useCats = 0``; Hosang et
al., "What Makes for Effective Detection Proposals?", PAMI 2016): at each IoU from 0.5
to 0.95 in steps of 0.05 the first k proposals, best ranked first, each take the object
that they overlap most among those that are free and that they overlap by that much;
AR@k is the share of all objects of the set that are taken, mean over the IoUs. Objects
share no pixel, so that a proposal overlaps two of them by 0.5 only where it is both
halves: but for such ties an object is taken where any proposal overlaps it enough.

The proposals are the nodes of a tree but its root, in the order in which splits open,
siblings by their ids. A pixel without an object, crowds and void among them, counts
against every proposal that holds it: COCO's evaluation leaves crowds out of the objects
and knows no void.
"""

import dataclasses

import numpy as np

from uhseg_jax.hierarchy.tree import ROOT, RegionTree
from uhseg_jax.metrics import best_match, states
from uhseg_jax.metrics.contingency import contingency_table, ious, node_counts
from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.types import Bool, Float, Int, Integer

__all__ = [
    "NUM_PROPOSALS",
    "SIZES",
    "THRESHOLDS",
    "AverageRecallState",
    "ImageRecall",
    "recall",
    "score_image",
    "take_objects",
]

NUM_PROPOSALS = (10, 100, 1000)
THRESHOLDS = np.linspace(0.5, 0.95, 10)
# Pixels of an object, both ends included, as COCO has them.
SIZES = {
    "": (0, np.inf),
    "small": (0, 32**2),
    "medium": (32**2, 96**2),
    "large": (96**2, np.inf),
}


@dataclasses.dataclass(frozen=True)
class ImageRecall:
    """What the proposals of one image find.

    Attributes:
      taken: ``[sizes, t, budgets]``, objects of each of the `SIZES` that are taken at
        each of the `THRESHOLDS` by the first 10, 100, 1000 and by all proposals.
      objects: ``[sizes]``, objects there are.
    """

    taken: Int[np.ndarray, "sizes t budgets"]
    objects: Int[np.ndarray, " sizes"]

    def row(self) -> dict[str, float]:
        """The scores of this image alone, objects of all sizes together."""
        return _named(
            states.ratio(self.taken, self.objects[:, None, None]), sizes=False
        )


def score_image(tree: RegionTree, instances: Integer[np.ndarray, "h w"]) -> ImageRecall:
    """Scores the nodes of one tree as proposals for the objects of an image.

    Args:
      tree: one tree; its labels are of the ground truth's size.
      instances: object of every pixel, ids from 1; 0 or negative where there is none.

    Raises:
      ValueError: the sizes differ.
    """
    objects = np.maximum(instances, 0)
    table = contingency_table(
        np.asarray(tree.labels), objects, num_rows=tree.parents.shape[0]
    )
    counts, _ = node_counts(tree, table)
    ranks = np.asarray(tree.entry_ranks())[: counts.shape[0]]
    order = np.argsort(ranks, kind="stable")
    order = order[best_match.candidates(counts.shape[0])[order]]
    areas, sizes = counts.sum(axis=1), counts[ROOT]
    overlaps = ious(counts[order], areas[order], sizes)
    # Column 0 is what no object holds, and ids may have gaps.
    found = np.flatnonzero(sizes[1:]) + 1
    return recall(overlaps[:, found], sizes[found])


def recall(
    overlaps: Float[np.ndarray, "p g"], sizes: Int[np.ndarray, " g"]
) -> ImageRecall:
    """What any proposals find.

    Args:
      overlaps: IoU of every proposal, best ranked first, and object.
      sizes: pixels of the objects.
    """
    count = len(overlaps)
    budgets = np.minimum([*NUM_PROPOSALS, count], count)
    taken, objects = [], []
    for smallest, largest in SIZES.values():
        chosen = (smallest <= sizes) & (sizes <= largest)
        takers = take_objects(overlaps[:, chosen])
        taken.append((takers[..., None] < budgets).sum(axis=1))
        objects.append(np.sum(chosen))
    return ImageRecall(np.array(taken, np.int64), np.array(objects, np.int64))


def take_objects(overlaps: Float[np.ndarray, "p g"]) -> Int[np.ndarray, "t g"]:
    """The proposal that takes each object at each of the `THRESHOLDS`; ``p`` for none.

    In their order the proposals take the object that they overlap most (the last of
    equals) among those that are free and that they overlap enough.
    """
    num_proposals, num_objects = overlaps.shape
    takers = np.full((len(THRESHOLDS), num_objects), num_proposals)
    levels = np.arange(len(THRESHOLDS))
    enough: Bool[np.ndarray, "p g"] = overlaps >= THRESHOLDS[0]
    for proposal in np.flatnonzero(enough.any(axis=1)):
        overlap = overlaps[proposal]
        may = (overlap >= THRESHOLDS[:, None]) & (takers == num_proposals)
        best = num_objects - 1 - np.argmax(np.where(may, overlap, -1)[:, ::-1], axis=1)
        takes = may[levels, best]
        takers[levels[takes], best[takes]] = proposal
    return takers


@pytree_dataclass
class AverageRecallState(states.Additive):
    """Recall over any number of images; states of disjoint images merge by addition.

    Attributes:
      taken: ``[sizes, t, budgets]``, see `ImageRecall`; summed over images.
      objects: ``[sizes]``, objects, summed over images.
    """

    taken: Int[np.ndarray, "sizes t budgets"]
    objects: Int[np.ndarray, " sizes"]

    @classmethod
    def empty(cls) -> "AverageRecallState":
        """The state of no image."""
        shape = (len(SIZES), len(THRESHOLDS), len(NUM_PROPOSALS) + 1)
        return cls(np.zeros(shape, np.int64), np.zeros(len(SIZES), np.int64))

    def update(self, image: ImageRecall) -> "AverageRecallState":
        """The state with one image more."""
        return self.merge(AverageRecallState(image.taken, image.objects))

    def compute(self) -> dict[str, float]:
        """Average recall in fractions of 1; NaN where there is no object.

        ``ar_10``, ``ar_100``, ``ar_1000`` of so many proposals and ``ar_all`` of all;
        ``ar_1000_small``, ``ar_1000_medium``, ``ar_1000_large`` of objects of up to
        32 x 32 pixels, up to 96 x 96, and larger ones.
        """
        return _named(states.ratio(self.taken, self.objects[:, None, None]), sizes=True)


def _named(
    recalls: Float[np.ndarray, "sizes t budgets"], *, sizes: bool
) -> dict[str, float]:
    budgets = [*NUM_PROPOSALS, "all"]
    means = recalls.mean(axis=1)
    named = {f"ar_{k}": float(x) for k, x in zip(budgets, means[0], strict=True)}
    if sizes:
        most = len(NUM_PROPOSALS) - 1
        of_sizes = zip(SIZES, means[:, most], strict=True)
        named |= {f"ar_{NUM_PROPOSALS[most]}_{s}": float(x) for s, x in of_sizes if s}
    return named
