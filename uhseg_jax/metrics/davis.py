"""J and F of DAVIS: how well masks of a clip fit the objects in it.

Perazzi et al., "A Benchmark Dataset and Evaluation Methodology for Video Object
Segmentation", CVPR 2016, and for several objects without prompts Caelles et al., "The
2019 DAVIS Challenge on VOS: Unsupervised Multi-Object Segmentation", 2019, as the
benchmark's code (``davis2017-evaluation``) computes them.

J is the intersection over union of a mask and an object in a frame. F is the F-measure
of their contours: a pixel of one is matched if the other has one within a distance of
0.008 of the diagonal, rounded up. Where both show nothing, both are 1; where one does,
both are 0. Of DAVIS-2016 the first and the last frame do not count (`INNER_FRAMES`),
of DAVIS-2017 all do.
"""

import dataclasses

import numpy as np
from scipy.optimize import linear_sum_assignment

from uhseg_jax.hierarchy.tree import ROOT, RegionTree
from uhseg_jax.metrics import best_match, states
from uhseg_jax.metrics.contingency import (
    contingency_table,
    node_counts,
    require_same_size,
)
from uhseg_jax.metrics.contours import accuracies
from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.types import Bool, Float, Int, Integer

__all__ = [
    "INNER_FRAMES",
    "MAX_PROPOSALS",
    "ClipScores",
    "DavisState",
    "best_node",
    "decay",
    "match_proposals",
    "node_similarities",
    "score_masks",
    "score_regions",
]

INNER_FRAMES = slice(1, -1)
"""The frames of DAVIS-2016 that count."""

MAX_PROPOSALS = 20
"""How many tubes DAVIS-2017 takes for the objects of a clip."""


@dataclasses.dataclass(frozen=True)
class ClipScores:
    """J and F of the objects of one clip, in each of its frames that count.

    Attributes:
      regions: ``[k]``, the region that each object got: its label.
      j: ``[k, t]``, region similarity.
      f: ``[k, t]``, contour accuracy.
    """

    regions: Int[np.ndarray, " k"]
    j: Float[np.ndarray, "k t"]
    f: Float[np.ndarray, "k t"]

    def statistics(self) -> Float[np.ndarray, "6 k"]:
        """Mean, recall and decay of J and then of F, for every object.

        Recall is the share of the frames with more than 0.5.
        """
        return np.stack(
            [
                found
                for scores in (self.j, self.f)
                for found in (
                    scores.mean(axis=1),
                    (scores > 0.5).mean(axis=1),
                    decay(scores),
                )
            ]
        )

    def row(self) -> dict[str, float]:
        """The scores of this clip alone, flat, for a table of clips; as `DavisState`.

        NaN where the clip has no object.
        """
        return {
            **_named(states.ratio(self.statistics().sum(axis=1), len(self.j))),
            "objects": len(self.j),
        }


def decay(scores: Float[np.ndarray, "*k t"]) -> Float[np.ndarray, "*k"]:
    """Mean of the scores in the first quarter of the frames less that in the last.

    Neighbouring quarters share a frame, as the benchmark has it.
    """
    frames = scores.shape[-1]
    # Of five equal ends from 1 on, halves up, the first two and the last two.
    ends = np.rint(np.linspace(1, frames, 5) + 1e-10).astype(np.int64) - 1
    first, last = scores[..., : ends[1] + 1], scores[..., ends[3] :]
    return np.asarray(first.mean(axis=-1) - last.mean(axis=-1))


# -- regions and objects ---------------------------------------------------------------


def score_regions(
    regions: Integer[np.ndarray, "t h w"],
    objects: Integer[np.ndarray, "_ _ _"],
    *,
    num_regions: int | None = None,
    num_objects: int | None = None,
) -> tuple[Float[np.ndarray, "p k t"], Float[np.ndarray, "p k t"]]:
    """J and F of every region with every object in every frame.

    Args:
      regions: the region of every pixel, from 1; 0 where there is none.
      objects: the object of every pixel, from 1; 0 where there is none, and negative
        where a pixel does not count: there neither has a mask.
      num_regions: how many there are; the largest label if None.
      num_objects: likewise.

    Raises:
      ValueError: the sizes differ, or a label is larger than the number.
    """
    require_same_size(regions.shape, objects.shape)
    p = int(regions.max(initial=0)) if num_regions is None else num_regions
    k = int(objects.max(initial=0)) if num_objects is None else num_objects
    found = np.zeros((2, len(regions), p, k))
    for i, (one, other) in enumerate(zip(regions, objects, strict=True)):
        one, other = np.where(other < 0, 0, one), np.maximum(other, 0)
        table = contingency_table(one, other, num_rows=p + 1, num_columns=k + 1)
        sizes = table.sum(axis=1)[1:, None], table.sum(axis=0)[None, 1:]
        found[0, i] = _similarities(table[1:, 1:], *sizes)
        found[1, i] = accuracies(one, other, p, k)
    j, f = np.moveaxis(found, 1, -1)
    return j, f


def score_masks(
    masks: Bool[np.ndarray, "t h w"],
    truth: Bool[np.ndarray, "_ _ _"],
    *,
    frames: slice = INNER_FRAMES,
) -> ClipScores:
    """The scores of one tube for one object, as DAVIS-2016 has it.

    Args:
      masks: the pixels of the tube.
      truth: those of the object.
      frames: those that count.

    Raises:
      ValueError: the sizes differ, or no frame counts.
    """
    one, other = _frames_that_count(masks, truth, frames)
    j, f = score_regions(
        one.astype(np.int8), other.astype(np.int8), num_regions=1, num_objects=1
    )
    return ClipScores(np.ones(1, np.int64), j[0], f[0])


def match_proposals(
    proposals: Integer[np.ndarray, "t h w"],
    objects: Integer[np.ndarray, "_ _ _"],
    *,
    frames: slice = slice(None),
) -> ClipScores:
    """Gives every object a proposal of its own, as DAVIS-2017 does without prompts.

    To the largest sum of the means of J and F (Hungarian). Proposals that are left over
    cost nothing; where there are too few, objects get masks that show nothing.

    Args:
      proposals: the tube of every pixel, from 1 to `MAX_PROPOSALS` at most; 0 where
        there is none.
      objects: the object of every pixel, as for `score_regions`.
      frames: those that count.

    Raises:
      ValueError: the sizes differ, there are more proposals, or no frame counts.
    """
    most = int(proposals.max(initial=0))
    if most > MAX_PROPOSALS:
        raise ValueError(
            f"expected proposals from 1 to {MAX_PROPOSALS}, as DAVIS-2017 allows, but "
            f"found number {most}; keep the best ones and number them anew."
        )
    proposals, objects = _frames_that_count(proposals, objects, frames)
    k = int(objects.max(initial=0))
    j, f = score_regions(proposals, objects, num_regions=max(most, k), num_objects=k)
    chosen, taker = linear_sum_assignment(((j + f) / 2).mean(axis=-1), maximize=True)
    order = np.argsort(taker)
    chosen, taker = chosen[order], taker[order]
    return ClipScores(chosen + 1, j[chosen, taker], f[chosen, taker])


def _frames_that_count(
    one: np.ndarray, other: np.ndarray, frames: slice
) -> tuple[np.ndarray, np.ndarray]:
    require_same_size(one.shape, other.shape)
    if not len(one[frames]):
        raise ValueError(
            "expected a clip of at least 3 frames, of which the first and the last do "
            f"not count, but found {len(one)}; score all with frames=slice(None)."
        )
    return one[frames], other[frames]


# -- nodes of a tree -------------------------------------------------------------------


def node_similarities(
    tree: RegionTree,
    objects: Integer[np.ndarray, "t _ _"],
    *,
    num_objects: int | None = None,
) -> Float[np.ndarray, "num_nodes k t"]:
    """J of every node of a clip's tree with every object in every frame.

    Args:
      tree: one tree, with labels ``[t, h, w]``.
      objects: the object of every pixel, as for `score_regions`.
      num_objects: how many there are; the largest number if None.

    Raises:
      ValueError: the sizes differ.
    """
    require_same_size(tree.labels.shape, objects.shape)
    frames = len(objects)
    k = int(objects.max(initial=0)) if num_objects is None else num_objects
    starts = (k + 1) * np.arange(frames)[:, None, None]
    table = contingency_table(
        np.asarray(tree.labels),
        np.where(objects < 0, -1, objects + starts),
        num_rows=tree.parents.shape[0],
        num_columns=frames * (k + 1),
    )
    counts = node_counts(tree, table)[0].reshape(-1, frames, k + 1)
    sizes = counts.sum(axis=-1, keepdims=True), counts[ROOT, None, :, 1:]
    return np.moveaxis(_similarities(counts[..., 1:], *sizes), 1, 2)


def best_node(
    tree: RegionTree,
    truth: Bool[np.ndarray, "_ _ _"],
    *,
    frames: slice = INNER_FRAMES,
) -> int:
    """The node whose mean of J over the frames that count is the largest.

    An oracle, which looks at the object; the root is none unless it is alone. Ties go
    to the lowest node.

    Args:
      tree: one tree, with labels ``[t, h, w]``.
      truth: the pixels of the object.
      frames: those that count.

    Raises:
      ValueError: the sizes differ, or no frame counts.
    """
    _frames_that_count(np.asarray(tree.labels), truth, frames)
    j = node_similarities(tree, np.asarray(truth, np.int8))
    if not j.shape[1]:  # the object is nowhere: J is 1 where a node shows nothing
        raise ValueError(
            "expected the pixels of an object, but the masks of the clip show none."
        )
    means = j[:, 0, frames].mean(axis=-1)
    chosen = np.flatnonzero(best_match.candidates(len(means)))
    return int(chosen[means[chosen].argmax()])


def _similarities(
    shared: Int[np.ndarray, "..."], one: np.ndarray, other: np.ndarray
) -> Float[np.ndarray, "..."]:
    unions = one + other - shared
    return np.where(unions > 0, shared / np.maximum(unions, 1), 1.0)


# -- many clips ------------------------------------------------------------------------


@pytree_dataclass
class DavisState(states.Additive):
    """The scores of any number of clips; states of disjoint clips merge by addition.

    Attributes:
      statistics: ``[6]``, mean, recall and decay of J and of F, summed over objects, in
        fixed point (`states`).
      objects: ``[]``, of all clips.
      clips: ``[]``, clips scored.
    """

    statistics: Int[np.ndarray, " 6"]
    objects: Int[np.ndarray, ""]
    clips: Int[np.ndarray, ""]

    @classmethod
    def empty(cls) -> "DavisState":
        """The state of no clip."""
        one = np.zeros((), np.int64)
        return cls(np.zeros(6, np.int64), one, one)

    def update(self, clip: ClipScores) -> "DavisState":
        """The state with one clip more."""
        totals = states.to_fixed_point(clip.statistics()).sum(axis=1)
        return self.merge(DavisState(totals, np.asarray(len(clip.j)), np.asarray(1)))

    def compute(self) -> dict[str, float]:
        """All scores, flat; NaN where nothing was scored.

        ``j_mean``, ``j_recall``, ``j_decay``, ``f_mean``, ``f_recall``, ``f_decay``,
        means over the objects of all clips, in fractions of 1 (of the decays less is
        better); ``jf_mean``, the mean of both means; ``objects`` and ``clips``.
        """
        return {
            **_named(states.mean(self.statistics, self.objects)),
            "objects": int(self.objects),
            "clips": int(self.clips),
        }


def _named(statistics: Float[np.ndarray, " 6"]) -> dict[str, float]:
    names = [f"{x}_{what}" for x in "jf" for what in ("mean", "recall", "decay")]
    found = dict(zip(names, map(float, statistics), strict=True))
    return {"jf_mean": (found["j_mean"] + found["f_mean"]) / 2, **found}
