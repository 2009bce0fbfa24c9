"""Regions through time: do they follow objects, do they last, do they flicker?

A tube is a region of a clip: the pixels that it has in all frames. Trees of clips have
labels ``[t, h, w]``, so that a node is a tube and its overlap with an object is that of
two volumes.
"""

import dataclasses

import numpy as np

from uhseg_jax.hierarchy.tree import ROOT, RegionTree
from uhseg_jax.metrics import best_match, states
from uhseg_jax.metrics.contingency import (
    contingency_table,
    ious,
    node_counts,
    require_same_size,
)
from uhseg_jax.metrics.scales import NUM_REGIONS, by_number
from uhseg_jax.metrics.tallies import mean_over
from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.types import Bool, Float, Int, Integer

__all__ = [
    "ClipTubes",
    "TubeState",
    "Tubes",
    "changed_points",
    "flicker",
    "score_clip",
    "tubes_of",
]

NO_OBJECT = 0


# -- how long they last ----------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Tubes:
    """The regions of one segmentation of a clip, through its frames.

    Attributes:
      ids: ``[k]``, their labels, in order.
      first: ``[k]``, the first frame that shows each.
      last: ``[k]``, the last one.
      frames: ``[k]``, how many frames show it.
      areas: ``[k]``, its pixels in all frames.
      num_frames: of the clip.
    """

    ids: Int[np.ndarray, " k"]
    first: Int[np.ndarray, " k"]
    last: Int[np.ndarray, " k"]
    frames: Int[np.ndarray, " k"]
    areas: Int[np.ndarray, " k"]
    num_frames: int

    @property
    def lengths(self) -> Int[np.ndarray, " k"]:
        """Frames from the first to the last one that shows each."""
        return self.last - self.first + 1

    def row(self) -> dict[str, float]:
        """Their number and how long they last, flat, for a table of clips.

        ``tubes``; ``tube_frames``, the mean number of frames that show one; and
        ``tube_share``, the share of the frames in which the region of a pixel is
        seen, mean over the pixels of the clip. NaN where there is no region.
        """
        seen = self.frames @ self.areas
        return {
            "tubes": float(len(self.ids)),
            "tube_frames": float(states.ratio(self.frames.sum(), len(self.ids))),
            "tube_share": float(states.ratio(seen, self.num_frames * self.areas.sum())),
        }


def tubes_of(labels: Integer[np.ndarray, "t h w"]) -> Tubes:
    """The regions of a clip.

    Args:
      labels: region of every pixel of every frame; negative ones are none.
    """
    ids, numbers = np.unique(labels, return_inverse=True)
    numbers = numbers.reshape(len(labels), -1)
    counts = np.stack([np.bincount(x, minlength=ids.size) for x in numbers])
    counts, ids = counts[:, ids >= 0], ids[ids >= 0]
    shown = counts > 0
    return Tubes(
        ids=ids,
        first=shown.argmax(axis=0),
        last=len(labels) - 1 - shown[::-1].argmax(axis=0),
        frames=shown.sum(axis=0),
        areas=counts.sum(axis=0),
        num_frames=len(labels),
    )


# -- whether they flicker --------------------------------------------------------------


def flicker(
    labels: Integer[np.ndarray, "t h w"],
    flows: Float[np.ndarray, "_ _ _ 2"],
    valid: Bool[np.ndarray, "_ _ _"] | None = None,
    *,
    radius: int = 1,
) -> float:
    """The share of points that change their region from one frame to the next.

    A segmentation that moves with the things it shows has 0, whatever its regions are;
    a single region for all has 0 too, so the number belongs beside that of the regions.

    Args:
      labels: region of every pixel of every frame, the same number for the same
        region; negative where there is none.
      flows: ``[t - 1, h, w, 2]``, for every frame but the last where its pixels are
        in the next one, as a displacement in columns (x) and rows (y).
      valid: ``[t - 1, h, w]``, the pixels whose displacement can be trusted; None for
        all. One that leaves the image, or that is not finite, never counts.
      radius: a point keeps its region if a pixel this near to where it goes, in rows
        and columns, has it: borders are known to the pixel at best, and the ends of
        displacements lie between pixels. 0 for the nearest pixel alone.

    Returns:
      From 0 to 1; NaN where no point counts, as in a clip of one frame.
    """
    pairs = len(labels) - 1
    if len(flows) != pairs or (valid is not None and len(valid) != pairs):
        raise ValueError(
            f"expected displacements for {pairs} pairs of frames, one fewer than the "
            f"{len(labels)} frames, but found {len(flows)} displacements and "
            f"{'none' if valid is None else len(valid)} masks."
        )
    counts = np.zeros(2, np.int64)
    for i in range(pairs):
        trusted = None if valid is None else valid[i]
        counts += changed_points(
            labels[i], labels[i + 1], flows[i], trusted, radius=radius
        )
    return float(states.ratio(counts[0], counts[1]))


def changed_points(
    labels: Integer[np.ndarray, "h w"],
    following: Integer[np.ndarray, "_ _"],
    flow: Float[np.ndarray, "_ _ 2"],
    valid: Bool[np.ndarray, "_ _"] | None = None,
    *,
    radius: int = 1,
) -> tuple[int, int]:
    """How many points change their region between two frames, and of how many.

    Args:
      labels: of the first frame; see `flicker`.
      following: of the second one.
      flow: from the first to the second.
      valid: where it can be trusted.
      radius: of the pixels that may have the region.
    """
    require_same_size(following.shape, labels.shape)
    require_same_size(flow.shape[:2], labels.shape)
    counts = np.isfinite(flow).all(axis=-1) & (labels >= 0)
    if valid is not None:
        require_same_size(valid.shape, labels.shape)
        counts &= valid
    ends = np.rint(np.where(counts[..., None], flow, 0)).astype(np.int64)
    places = np.indices(labels.shape) + np.stack([ends[..., 1], ends[..., 0]])
    sides = np.reshape(labels.shape, (2, 1, 1))
    counts &= ((places >= 0) & (places < sides)).all(axis=0)
    region, (rows, columns) = labels[counts], places[:, counts]
    kept = np.zeros(region.shape, bool)
    around = np.pad(following, radius, mode="edge")
    for down in range(2 * radius + 1):
        for right in range(2 * radius + 1):
            kept |= around[rows + down, columns + right] == region
    return int((~kept).sum()), region.size


# -- whether they are objects ----------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class ClipTubes:
    """The scores of one clip.

    Attributes:
      nodes: ``[k]``, the tube that fits each object best.
      ious: ``[k]``, its intersection over union with the object, over all frames.
      nmcovering: mean of these; NaN where the clip shows no object.
      nmcovering_at: ``[s]``, the same among the first `NUM_REGIONS` tubes only.
      num_nodes: tubes of the tree without the root.
      changed: points that change their region (`changed_points`), in all frames.
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
    table = contingency_table(
        np.asarray(tree.labels), objects, num_rows=tree.parents.shape[0]
    )
    counts, _ = node_counts(tree, table)
    overlaps = ious(counts, counts.sum(axis=1), counts[ROOT])[:, NO_OBJECT + 1 :]
    present = counts[ROOT, NO_OBJECT + 1 :] > 0
    overlaps = overlaps[:, present]
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
