"""Scores of the regions of clips through time, against the objects in every frame.

As DAVIS has it, twice: of the best node of the tree for each object, which an oracle
chooses, and of those that are handed in without a look at the truth. "foreground" is
DAVIS-2016: one object, one tube, and the first and the last frame do not count.
"objects" is DAVIS-2017 without prompts: up to 20 tubes, matched with the objects to
the largest J&F.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from uhseg_jax.datasets.clips import ClipExample, ClipSource
from uhseg_jax.datasets.source import DatasetError, Example, Source
from uhseg_jax.hierarchy.segmentation import Segmentation
from uhseg_jax.images import read_image
from uhseg_jax.metrics import best_match, states, tube_covering, tubes
from uhseg_jax.metrics.curves import Curve
from uhseg_jax.metrics.davis import (
    INNER_FRAMES,
    MAX_PROPOSALS,
    ClipScores,
    DavisState,
    match_proposals,
    score_regions,
)
from uhseg_jax.protocols.clip_methods import ClipMethod
from uhseg_jax.protocols.protocol import Protocol
from uhseg_jax.protocols.tube_sets import FoundClip, TubeSet
from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.types import Float, Int, Integer
from uhseg_jax.video.flow import flows_of
from uhseg_jax.video.tube_choice import own_motion

__all__ = ["TASKS", "VIDEO", "VideoScorer", "VideoScores"]

TASKS = {"foreground": (INNER_FRAMES, 1), "objects": (slice(None), MAX_PROPOSALS)}
"""For each task the frames that count, and how many tubes are handed in at most."""

_LEVELS = (8, 32)  # regions of the cuts whose flicker is measured


@pytree_dataclass
class VideoScores:
    """Scores over any number of clips.

    Attributes:
      oracle: of the best tube for every object.
      chosen: of the tubes that were handed in.
      by_motion: of those that were chosen with optical flow too.
      covered: ``[]``, `metrics.tube_covering.tube_nmcovering`, in fixed point.
      lasting: ``[l]``, ``tube_share`` of `metrics.tubes.Tubes.row`, of cuts to 8 and 32
        regions, summed over clips in fixed point (`metrics.states`).
      changed: ``[l]``, points of these that change their region.
      points: ``[l]``, of how many.
      counts: ``[3]``, clips, frames and tubes.
      leaves: ``[]``, of all clips.
    """

    oracle: DavisState
    chosen: DavisState
    by_motion: DavisState
    covered: Int[np.ndarray, ""]
    lasting: Int[np.ndarray, " l"]
    changed: Int[np.ndarray, " l"]
    points: Int[np.ndarray, " l"]
    counts: Int[np.ndarray, " 3"]
    leaves: Int[np.ndarray, ""]


class VideoScorer:
    """Scores tubes at the size of the frames.

    Args:
      task: one of `TASKS`.
      flow: whether optical flow is asked how things move.
    """

    levels = _LEVELS
    ranked_by = "oracle/jf_mean"

    def __init__(self, *, task: str, flow: bool):
        self._frames, self._most = TASKS[task]
        self._flow = flow

    def empty(self) -> VideoScores:
        """The scores of no clip."""
        none, levels = DavisState.empty(), np.zeros(len(_LEVELS), np.int64)
        counts = np.zeros(3, np.int64)
        zero = np.zeros((), np.int64)
        return VideoScores(none, none, none, zero, levels, levels, levels, counts, zero)

    def score(
        self, result: Segmentation, example: Example
    ) -> tuple[VideoScores, dict[str, float]]:
        """Scores one clip.

        Raises:
          DatasetError: no frame that counts shows an object.
        """
        assert isinstance(result, FoundClip)
        assert isinstance(example, ClipExample)
        found, truth = result.tubes, example.objects_through_time
        _require_objects(example, self._frames)
        j = found.similarities(truth)
        oracle = _oracle(found, j, truth, self._frames)
        chosen = self._handed_in(found, truth, None)
        none = self.empty()
        by_motion, changed, points = none.by_motion, none.changed, none.points
        cuts = [found.cut(level) for level in _LEVELS]
        lasting = np.array([tubes.tubes_of(x).row()["tube_share"] for x in cuts])
        row = {**_prefixed("oracle", oracle.row()), **_prefixed("chosen", chosen.row())}
        if self._flow:
            motion, changed, points = _moving(example, cuts)
            moved = self._handed_in(found, truth, motion)
            by_motion = by_motion.update(moved)
            row |= _prefixed("by_motion", moved.row())
            row |= _at_levels("flicker", states.ratio(changed, points))
        covered = tube_covering.tube_nmcovering(found.counts(truth))
        row |= {"tube_nmcovering": covered, **_at_levels("tube_share", lasting)}
        counts = np.array([1, len(truth), len(j)])
        row |= {"frames": len(truth), "nodes": len(j) - 1, "leaves": found.num_leaves}
        return VideoScores(
            none.oracle.update(oracle),
            none.chosen.update(chosen),
            by_motion,
            states.to_fixed_point(covered),
            states.to_fixed_point(lasting),
            changed,
            points,
            counts,
            np.asarray(found.num_leaves),
        ), row

    def compute(self, state: VideoScores) -> dict[str, float]:
        """``oracle/...`` and ``chosen/...`` as `DavisState` names them, and others.

        With flow also ``by_motion/...`` and ``flicker_at_N``, the share of points that
        change their region from one frame to the next, of all clips cut to N regions.
        ``tube_nmcovering`` is the mean over clips of the covering of the objects by
        tubes, as sets of pixels of all frames. ``tube_share_at_N`` is the mean share of
        the frames in which the region of a pixel is seen.
        """
        clips, frames, nodes = state.counts.tolist()
        found = {
            **_prefixed("oracle", state.oracle.compute()),
            **_prefixed("chosen", state.chosen.compute()),
        }
        if self._flow:
            found |= _prefixed("by_motion", state.by_motion.compute())
            found |= _at_levels("flicker", states.ratio(state.changed, state.points))
        covered = states.mean(state.covered, np.asarray(clips))
        found["tube_nmcovering"] = float(covered)
        found |= _at_levels("tube_share", states.mean(state.lasting, np.asarray(clips)))
        return {
            **found,
            "objects": int(state.oracle.objects),
            "images": clips,
            "skipped": 0,
            "frames": frames,
            "mean_nodes": float(states.ratio(nodes - clips, clips)),
            "mean_leaves": float(states.ratio(state.leaves, clips)),
        }

    def curves(self, state: VideoScores) -> dict[str, Curve]:
        """None."""
        del state
        return {}

    def _handed_in(
        self,
        found: TubeSet,
        truth: Integer[np.ndarray, "t H W"],
        motion: Float[np.ndarray, "m H W"] | None,
    ) -> ClipScores:
        painted = found.painted(found.likeliest(self._most, motion).tolist())
        return match_proposals(painted, truth, frames=self._frames)


def _oracle(
    found: TubeSet,
    j: Float[np.ndarray, "n k t"],
    truth: Integer[np.ndarray, "t H W"],
    frames: slice,
) -> ClipScores:
    """Every object with the tube whose mean of J is the highest; several may share."""
    candidates = np.flatnonzero(best_match.candidates(len(j)))
    best = candidates[j[candidates][..., frames].mean(axis=-1).argmax(axis=0)]
    scores = []
    for number, tube in enumerate(best.tolist(), start=1):
        alone = np.where(truth < 0, -1, truth == number).astype(np.int8)[frames]
        mask = found.mask(tube).astype(np.int8)[frames]
        scores.append(score_regions(mask, alone, num_regions=1, num_objects=1))
    js, fs = (np.concatenate([x[0] for x in one]) for one in zip(*scores, strict=True))
    return ClipScores(best, js, fs)


def _moving(
    example: ClipExample, cuts: Sequence[Int[np.ndarray, "t H W"]]
) -> tuple[Float[np.ndarray, "m H W"], Int[np.ndarray, " l"], Int[np.ndarray, " l"]]:
    """What moves by itself; points that change their region in cuts, and of how many.

    Memory is that of two frames and of one number for each pixel.
    """
    moved = np.zeros((len(example.frames) - 1, *example.labels.shape), np.float32)
    counts = np.zeros((len(cuts), 2), np.int64)
    flows: Iterator[Any] = flows_of(map(read_image, example.frames))
    for i, (flow, valid) in enumerate(flows):
        moved[i] = own_motion(flow[None])[0]
        for total, cut in zip(counts, cuts, strict=True):
            total += tubes.changed_points(cut[i], cut[i + 1], flow, valid)
    return moved, counts[:, 0], counts[:, 1]


def _require_objects(example: ClipExample, frames: slice) -> None:
    shown = example.objects_through_time[frames]
    if len(shown) == 0 or shown.max() < 1:
        raise DatasetError(
            f"{example.name}: expected masks that show an object in a frame that "
            "counts (of DAVIS-2016 the first and the last do not), but those of its "
            f"{len(example.frames)} frames show none; leave the clip out of the names."
        )


def _prefixed(prefix: str, scores: dict[str, float]) -> dict[str, float]:
    counts = ("objects", "clips")
    return {f"{prefix}/{k}": v for k, v in scores.items() if k not in counts}


def _at_levels(name: str, values: np.ndarray) -> dict[str, float]:
    return {
        f"{name}_at_{level}": float(value)
        for level, value in zip(_LEVELS, values, strict=True)
    }


def _scorer(source: Source, *, task: str, tracking: str, flow: bool) -> VideoScorer:
    """The scorer of a dataset.

    Raises:
      DatasetError: it holds no clips.
      optional.MissingPackageError: flow is wanted, but OpenCV is not there.
    """
    del tracking
    _require_clips(source)
    return VideoScorer(task=task, flow=flow)


def _fit(
    segmenter: Any, source: Source, *, task: str, tracking: str, flow: bool
) -> ClipMethod:
    del task, flow
    return ClipMethod(segmenter, _require_clips(source), tracking)


def _require_clips(source: Source) -> ClipSource:
    if not isinstance(source, ClipSource):
        raise DatasetError(
            f"{source.name}: expected clips with the masks of their objects, such as "
            "davis2016, but it holds images; score it by another protocol."
        )
    return source


VIDEO = Protocol(
    "video",
    "regions of clips through time against the objects in every frame: J and F as "
    "DAVIS has them, of the best tubes and of those that seem likely",
    _scorer,
    options=("task", "tracking", "flow"),
    fit=_fit,
)
"""The protocol as it is registered."""
