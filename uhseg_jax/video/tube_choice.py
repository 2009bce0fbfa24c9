"""Which tubes of a clip are likely to be its objects, without looking at the truth.

The score of a tube R is the product of

* its persistence ``1 / n_in - 1 / n_out``: cuts of n regions (`RegionTree.cut`) show
  its node for ``n_in <= n < n_out``, as for proposals in an image
  (`hierarchy.proposals`);
* the mean over the frames of the clip of its size there, ``2 sqrt(a (1 - a))`` of its
  share a of the frame, times ``exp(-b^2 / 2)`` of ``b = |R on the frame's sides| /
  sqrt(|R|)``. Neither specks nor backgrounds are objects, a background lies along the
  sides of the image, and what is there for half of the clip counts half. The last term
  and its width of 1 are those of Zhu et al., "Saliency Optimization from Robust
  Background Detection", CVPR 2014.

Nothing is learned. With optical flow there is one more:

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
    areas, sides = _areas(labels, parents), _sides(labels, parents)
    shares = areas / labels[0].size
    size = 2 * np.sqrt(np.clip(shares * (1 - shares), 0, None))
    apart = np.exp(-np.square(sides) / np.maximum(areas, 1) / 2)
    scores = persistence(parents, costs) * (size * apart).mean(axis=0)
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


def _sides(
    labels: Int[np.ndarray, "t h w"], parents: Int[np.ndarray, " n"]
) -> Int[np.ndarray, "t n"]:
    """Sides of the pixels of every node on the sides of every frame."""
    around = np.concatenate(
        [labels[:, 0], labels[:, -1], labels[:, :, 0], labels[:, :, -1]], axis=1
    )
    sides = np.stack([np.bincount(x, minlength=len(parents)) for x in around])
    return _summed(sides, parents)


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
    """Of every node, along the last axis, the sum over itself and all below."""
    return np.moveaxis(host_cuts.gathered(parents, np.moveaxis(values, -1, 0)), 0, -1)
