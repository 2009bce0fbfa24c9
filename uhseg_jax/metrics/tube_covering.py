"""Do regions of a clip through time follow its objects? NMCovering of tubes.

Trees of clips have labels ``[t, h, w]``, so that a node is a tube and its overlap with
an object is that of two volumes.
"""

import dataclasses

import numpy as np

from uhseg_jax.hierarchy.tree import ROOT, RegionTree
from uhseg_jax.metrics import best_match, states
from uhseg_jax.metrics.contingency import (
    contingency_table,
    ious,
    node_counts,
)
from uhseg_jax.metrics.scales import NUM_REGIONS, by_number
from uhseg_jax.metrics.tallies import mean_over
from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.types import Float, Int, Integer

__all__ = [
    "ClipTubes",
    "TubeState",
    "object_counts",
    "score_clip",
    "tube_nmcovering",
]

NO_OBJECT = 0


@dataclasses.dataclass(frozen=True)
class ClipTubes:
    """The scores of one clip.

    Attributes:
      nodes: ``[k]``, the tube that fits each object best.
      ious: ``[k]``, its intersection over union with the object, over all frames.
      nmcovering: mean of these; NaN where the clip shows no object.
      nmcovering_at: ``[s]``, the same among the first `NUM_REGIONS` tubes only.
      num_nodes: tubes of the tree without the root.
      changed: points that change their region (`tubes.changed_points`), in all frames.
      points: of how many; 0 where no motion is known.
    """

    nodes: Int[np.ndarray, " k"]
    ious: Float[np.ndarray, " k"]
    nmcovering: float
    nmcovering_at: Float[np.ndarray, " s"]
    num_nodes: int
    changed: int = 0
    points: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether the clip shows no object."""
        return bool(np.isnan(self.nmcovering))

    def row(self) -> dict[str, float]:
        """The scores of this clip alone, flat, for a table of clips."""
        return {
            "tube_nmcovering": self.nmcovering,
            **by_number("tube_nmcovering", self.nmcovering_at),
            "flicker": float(states.ratio(self.changed, self.points)),
            "nodes": self.num_nodes,
        }


def score_clip(tree: RegionTree, objects: Integer[np.ndarray, "t h w"]) -> ClipTubes:
    """NMCovering of tubes: each object of a clip takes the node that fits it best.

    ``1 / |S|`` times the sum over the objects R in S of the largest intersection over
    union of R with a node, both as sets of pixels of all frames. An upper bound that
    finer trees raise.

    Args:
      tree: one tree, with labels ``[t, h, w]``.
      objects: the object of every pixel, from 1; 0 where there is none, negative where
        a pixel does not count.

    Raises:
      ValueError: the sizes differ.
    """
    counts = object_counts(tree, objects, int(objects.max(initial=0)))
    overlaps = _overlaps(counts)
    chosen = np.flatnonzero(best_match.candidates(counts.shape[0]))
    nodes = chosen[overlaps[chosen].argmax(axis=0)]
    best = overlaps[nodes, np.arange(nodes.size)]
    ranks = np.asarray(tree.entry_ranks())[: counts.shape[0]]
    within = [best_match.candidates_within(ranks, k) for k in NUM_REGIONS]
    everywhere = np.ones(nodes.size, bool)
    at = [mean_over(overlaps[x].max(axis=0), everywhere) for x in within]
    return ClipTubes(
        nodes, best, mean_over(best, everywhere), np.array(at), counts.shape[0] - 1
    )


def object_counts(
    tree: RegionTree, objects: Integer[np.ndarray, "*_"], num_objects: int
) -> Int[np.ndarray, "n k_and_1"]:
    """Pixels of every object in every node; those of none come first.

    Args:
      tree: one tree, with labels of any shape.
      objects: the object of every pixel, as for `score_clip`.
      num_objects: how many there are.

    Raises:
      ValueError: the sizes differ.
    """
    table = contingency_table(
        np.asarray(tree.labels),
        objects,
        num_rows=tree.parents.shape[0],
        num_columns=num_objects + 1,
    )
    return node_counts(tree, table)[0]


def tube_nmcovering(counts: Int[np.ndarray, "n k_and_1"]) -> float:
    """NMCovering of tubes (`score_clip`) from pixels of objects in them.

    Args:
      counts: as of `object_counts`; the first tube has all pixels.

    Returns:
      From 0 to 1; NaN where there is no object.
    """
    overlaps = _overlaps(counts)[best_match.candidates(len(counts))]
    best = overlaps.max(axis=0, initial=0)
    return mean_over(best, np.ones(best.size, bool))


def _overlaps(counts: Int[np.ndarray, "n k_and_1"]) -> Float[np.ndarray, "n k"]:
    """Intersection over union of every tube with every object that there is."""
    found = ious(counts, counts.sum(axis=1), counts[ROOT])[:, NO_OBJECT + 1 :]
    return found[:, counts[ROOT, NO_OBJECT + 1 :] > 0]


@pytree_dataclass
class TubeState(states.Additive):
    """The scores of any number of clips; states of disjoint clips merge by addition.

    Attributes:
      nmcovering: ``[]``, sum over clips, in fixed point (`states`).
      nmcovering_at: ``[s]``, likewise for each of `NUM_REGIONS`.
      changed: ``[]``, points that change their region.
      points: ``[]``, of how many.
      nodes: ``[]``, tubes without the roots.
      clips: ``[]``, clips scored.
      skipped: ``[]``, clips without an object; they count nowhere else.
    """

    nmcovering: Int[np.ndarray, ""]
    nmcovering_at: Int[np.ndarray, " s"]
    changed: Int[np.ndarray, ""]
    points: Int[np.ndarray, ""]
    nodes: Int[np.ndarray, ""]
    clips: Int[np.ndarray, ""]
    skipped: Int[np.ndarray, ""]

    @classmethod
    def empty(cls) -> "TubeState":
        """The state of no clip."""
        one = np.zeros((), np.int64)
        at = np.zeros(len(NUM_REGIONS), np.int64)
        return cls(one, at, one, one, one, one, one)

    def update(self, clip: ClipTubes) -> "TubeState":
        """The state with one clip more."""
        if clip.is_empty:
            nothing = TubeState.empty()
            return self.merge(dataclasses.replace(nothing, skipped=np.asarray(1)))
        return self.merge(
            TubeState(
                states.to_fixed_point(clip.nmcovering),
                states.to_fixed_point(clip.nmcovering_at),
                *(
                    np.asarray(x)
                    for x in (clip.changed, clip.points, clip.num_nodes, 1, 0)
                ),
            )
        )

    def compute(self) -> dict[str, float]:
        """All scores, flat, in fractions of 1; NaN where nothing was scored.

        ``tube_nmcovering`` and ``tube_nmcovering_at_N``, means over clips;
        ``flicker``, over the points of all clips; ``mean_nodes``, ``clips`` and
        ``skipped``.
        """
        at = states.mean(self.nmcovering_at, self.clips)
        return {
            "tube_nmcovering": float(states.mean(self.nmcovering, self.clips)),
            **by_number("tube_nmcovering", at),
            "flicker": float(states.ratio(self.changed, self.points)),
            "mean_nodes": float(states.ratio(self.nodes, self.clips)),
            "clips": int(self.clips),
            "skipped": int(self.skipped),
        }
