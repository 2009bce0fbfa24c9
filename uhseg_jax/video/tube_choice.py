"""Which tubes of a clip are likely to be its objects, without looking at the truth.

The score of a tube R is the product of

* its persistence ``1 / n_in - 1 / n_out``: cuts of n regions (`RegionTree.cut`) show
  its node for ``n_in <= n < n_out``;
* its size in every frame, ``2 sqrt(a (1 - a))`` of its share a of the frame, averaged
  over the clip: neither specks nor backgrounds are objects, and what is there for half
  of the clip counts half;
* the share of its outline in the frames that lies inside the image.

These are the terms of proposals in an image (`hierarchy.proposals`), read for a clip;
nothing is learned. With optical flow there is one more:

* its motion ``m / (m + m')``, where m is the mean length of the flow in it, and m' that
  outside of it, both apart from the motion of the camera (`own_motion`).
"""

import dataclasses

import numpy as np

from uhseg_jax.hierarchy import host_cuts
from uhseg_jax.hierarchy.cuts import ROOT
from uhseg_jax.hierarchy.proposals import persistence
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.types import Float, Int

__all__ = ["ScoredTubes", "own_motion", "score_tubes"]

_ROUNDS = 10  # of fitting the camera's motion


@dataclasses.dataclass(frozen=True)
class ScoredTubes:
    """The nodes of a clip's tree with the scores of their tubes.

    Attributes:
      parents: ``[n]``, of the tree.
      scores: float64 ``[n]``, at least 0; 0 of the root if there are others.
    """

    parents: Int[np.ndarray, " n"]
    scores: Float[np.ndarray, " n"]

    def best(self, k: int) -> Int[np.ndarray, " c"]:
        """The nodes of at most k tubes of which no two overlap, best first.

        A tube is taken if none was that lies in it or around it; of equal scores the
        lower node comes first.
        """
        above = host_cuts.ancestry(self.parents)
        free = self.scores > 0
        chosen: list[int] = []
        for node in np.argsort(-self.scores, kind="stable").tolist():
            if len(chosen) == k:
                break
            if free[node]:
                chosen.append(node)
                free &= ~(above[node] | above[:, node])
        return np.array(chosen, np.int64)


def score_tubes(
    tree: RegionTree, motion: Float[np.ndarray, "m h w"] | None = None
) -> ScoredTubes:
    """How likely every tube is an object.

    Args:
      tree: of a clip, in numpy, with labels ``[t, h, w]``.
      motion: how far every pixel of the first m frames moves by itself
        (`own_motion`); None where nobody knows.
    """
    count = int(tree.num_nodes)
    parents = np.asarray(tree.parents)[:count].astype(np.int64)
    costs = np.asarray(tree.costs)[:count]
    labels = np.asarray(tree.labels)
    shares = _areas(labels, parents) / labels[0].size
    size = np.sqrt(np.clip(shares * (1 - shares), 0, None)).mean(axis=0) * 2
    scores = persistence(parents, costs) * size * _inside(labels, parents)
    if motion is not None:
        scores = scores * _moving(labels[: len(motion)], parents, motion)
    if count > 1:
        scores[ROOT] = 0
    return ScoredTubes(parents, scores)


def own_motion(flow: Float[np.ndarray, "t h w 2"]) -> Float[np.ndarray, "t h w"]:
    """The length of the flow in every pixel after the camera's motion is taken off.

    That is the affine motion of a frame which most pixels share: fitted by least
    squares, in ten rounds in which a pixel counts the less the worse it fits.
    """
    height, width = flow.shape[1:3]
    rows, columns = np.meshgrid(
        np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij"
    )
    places = np.stack([np.ones_like(rows), rows, columns], axis=-1).reshape(-1, 3)
    found = [_apart_from(x.reshape(-1, 2).astype(np.float64), places) for x in flow]
    return np.stack(found).reshape(flow.shape[:3]).astype(np.float32)


def _apart_from(
    moves: Float[np.ndarray, "p 2"], places: Float[np.ndarray, "p 3"]
) -> Float[np.ndarray, " p"]:
    """How far points move apart from the affine motion that most share."""
    step = max(1, len(moves) // 20_000)  # points enough for six numbers
    few, where = moves[::step], places[::step]
    weights = np.ones(len(few))
    fit = np.zeros((3, 2))
    for _ in range(_ROUNDS):
        weighted = where * weights[:, None]
        fit = np.linalg.lstsq(weighted.T @ where, weighted.T @ few, rcond=None)[0]
        lengths = np.linalg.norm(few - where @ fit, axis=1)
        scale = max(float(np.median(lengths)), 1e-3)
        weights = 1 / (1 + (lengths / scale) ** 2)
    return np.asarray(np.linalg.norm(moves - places @ fit, axis=1))


def _areas(
    labels: Int[np.ndarray, "t h w"], parents: Int[np.ndarray, " n"]
) -> Int[np.ndarray, "t n"]:
    """Number of pixels of every node in every frame."""
    count = len(parents)
    areas = np.stack([np.bincount(x.ravel(), minlength=count) for x in labels])
    return _summed(areas, parents)


def _inside(
    labels: Int[np.ndarray, "t h w"], parents: Int[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    """The share of a node's outline in the frames that lies inside the image."""
    count = len(parents)
    both: dict[str, list[np.ndarray]] = {"ends": [], "lengths": []}
    ends, lengths = both.values()
    frames = np.zeros(count, np.int64)
    for frame in labels.astype(np.int64):
        sides = [(frame[:, 1:], frame[:, :-1]), (frame[1:], frame[:-1])]
        keys = np.concatenate([(x * count + y)[x != y] for x, y in sides])
        found, number = np.unique(keys, return_counts=True)
        ends.append(found)
        lengths.append(number)
        border = np.concatenate([frame[0], frame[-1], frame[:, 0], frame[:, -1]])
        frames += np.bincount(border, minlength=count)
    one, other = np.divmod(np.concatenate(ends), count)
    length = np.concatenate(lengths)
    touching = np.bincount(one, length, count) + np.bincount(other, length, count)
    # What two leaves have in common lies within the nodes that hold both.
    shared = np.bincount(_common(one, other, parents), length, count)
    borders = _summed(touching - 2 * shared, parents)
    return np.asarray(borders / np.maximum(borders + _summed(frames, parents), 1))


def _common(
    one: Int[np.ndarray, " e"],
    other: Int[np.ndarray, " e"],
    parents: Int[np.ndarray, " n"],
) -> Int[np.ndarray, " e"]:
    """The lowest node that holds both of two; children have higher numbers."""
    one, other = one.copy(), other.copy()
    apart = np.flatnonzero(one != other)
    while apart.size:
        low, high = np.sort([one[apart], other[apart]], axis=0)
        one[apart], other[apart] = low, parents[high]
        apart = apart[one[apart] != other[apart]]
    return one


def _moving(
    labels: Int[np.ndarray, "t h w"],
    parents: Int[np.ndarray, " n"],
    motion: Float[np.ndarray, "t h w"],
) -> Float[np.ndarray, " n"]:
    """The mean motion in a node, as a share of that and the mean motion outside."""
    count = len(parents)
    area = _summed(np.bincount(labels.ravel(), minlength=count), parents)
    moved = np.bincount(labels.ravel(), motion.ravel(), minlength=count)
    moved = _summed(moved, parents)
    within = moved / np.maximum(area, 1)
    beyond = (moved[ROOT] - moved) / np.maximum(area[ROOT] - area, 1)
    return np.asarray(within / np.maximum(within + beyond, 1e-12))


def _summed(values: np.ndarray, parents: Int[np.ndarray, " n"]) -> np.ndarray:
    """Of every node the sum over itself and all below; children come later."""
    totals = values.copy()
    for node in range(len(parents) - 1, 0, -1):
        totals[..., parents[node]] += totals[..., node]
    return totals
