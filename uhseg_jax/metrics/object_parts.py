"""F-measure of objects and parts: how many regions are objects, or parts of objects.

Pont-Tuset and Marques, "Measures and Meta-Measures for the Supervised Evaluation of
Image Segmentation", CVPR 2013. A region and one of an annotator are the same object
where each covers nearly all of the other. A region that lies in an annotator's region
and makes up a good share of it is a part of that object, and counts a little; the
object counts for as much of it as such regions make up.

Constants and conventions are those of the authors' code (SEISM), by which the published
figures were computed: it has 0.9 where the paper has 0.95, leaves out the smallest
regions, and of regions of one size takes those that begin later in reading order first.
Precision and recall of a set are means over its images.
"""

import dataclasses

import numpy as np

from uhseg_jax.metrics import states
from uhseg_jax.metrics.curves import Curve, f_measure
from uhseg_jax.metrics.cut_tables import CutTables
from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.types import Bool, Float, Int

__all__ = ["ImageObjectParts", "ObjectPartsState", "score_cuts"]

# Shares as fractions of integers, so that they are compared exactly.
_OBJECT = (9, 10)  # of a region within another that lies in it
_PART = (1, 4)  # of an object that a part makes up
_JUDGED = (99, 100)  # of the image, which the judged regions make up
_PART_WEIGHT = 0.1


@dataclasses.dataclass(frozen=True)
class ImageObjectParts:
    """The scores of one image at ``t`` scales.

    Attributes:
      recall: ``[t]``, in [0, 1], over the regions of all annotators.
      precision: ``[t]``, in [0, 1].
    """

    recall: Float[np.ndarray, " t"]
    precision: Float[np.ndarray, " t"]

    def at(self, scales: slice | Int[np.ndarray, " s"]) -> "ImageObjectParts":
        """The scores of some of the scales."""
        return ImageObjectParts(self.recall[scales], self.precision[scales])

    @property
    def f_measures(self) -> Float[np.ndarray, " t"]:
        """F of the image alone at every scale, in [0, 1]."""
        return f_measure(self.recall, self.precision)

    def row(self) -> dict[str, float]:
        """The score of this image at its best scale, flat, for a table of images."""
        return {"fop": float(self.f_measures.max())}


def score_cuts(tables: CutTables) -> ImageObjectParts:
    """Scores the cuts of a tree against several annotators."""
    judged = tables.shown & _largest(tables.areas, tables.starts, tables.shown)
    is_object, is_part = np.zeros((2, len(tables.areas)), bool)
    made_up_of = np.zeros(len(tables.areas))  # by regions of annotators, mean
    found, wanted = np.zeros(len(judged)), 0
    for nodes, starts in zip(tables.nodes, tables.region_starts, strict=True):
        pairs = _Pairs.of(nodes, starts)
        is_object |= pairs.same[:, pairs.judged].any(axis=1)
        is_part |= pairs.parts[:, pairs.judged].any(axis=1)
        made_up_of += _share(pairs.holding.sum(axis=1), pairs.node_areas)
        # Products in float64 (BLAS) are exact for counts below 2^53.
        objects = judged.astype(np.float64) @ pairs.same > 0
        parts = judged.astype(np.float64) @ pairs.wholes > 0
        covered = tables.shown.astype(np.float64) @ pairs.within.astype(np.float64)
        found += _weighted(
            objects, parts, _share(covered, pairs.region_areas), pairs.judged
        )
        wanted += int(pairs.judged.sum())
    precise = _weighted(is_object, is_part, made_up_of / len(tables.nodes), judged)
    return ImageObjectParts(
        _share(found, np.asarray(wanted)), _share(precise, judged.sum(axis=1))
    ).at(tables.scale)


@dataclasses.dataclass(frozen=True)
class _Pairs:
    """What the nodes of a tree and the regions of one annotator are to each other.

    Attributes:
      same: ``[n, c]``, they are one object.
      parts: ``[n, c]``, the node is a part of the region.
      wholes: ``[n, c]``, the region is a part of the node.
      within: int64 ``[n, c]``, shared pixels where the node lies in a larger region.
      holding: int64 ``[n, c]``, shared pixels where the region lies in a larger node.
      node_areas: int64 ``[n]``.
      region_areas: int64 ``[c]``.
      judged: ``[c]``, the regions that count.
    """

    same: Bool[np.ndarray, "n c"]
    parts: Bool[np.ndarray, "n c"]
    wholes: Bool[np.ndarray, "n c"]
    within: Int[np.ndarray, "n c"]
    holding: Int[np.ndarray, "n c"]
    node_areas: Int[np.ndarray, " n"]
    region_areas: Int[np.ndarray, " c"]
    judged: Bool[np.ndarray, " c"]

    @classmethod
    def of(
        cls, shared: Int[np.ndarray, "n c"], starts: Int[np.ndarray, " c"]
    ) -> "_Pairs":
        node_areas, region_areas = shared.sum(axis=1), shared[0]  # the root's pixels
        inside = _makes_up(shared, node_areas[:, None], _OBJECT)
        around = _makes_up(shared, region_areas[None, :], _OBJECT)
        within, holding = inside & ~around, around & ~inside
        every = np.ones((1, len(region_areas)), bool)
        return cls(
            same=inside & around,
            parts=within & _makes_up(shared, region_areas[None, :], _PART),
            wholes=holding & _makes_up(shared, node_areas[:, None], _PART),
            within=np.where(within, shared, 0),
            holding=np.where(holding, shared, 0),
            node_areas=node_areas,
            region_areas=region_areas,
            judged=_largest(region_areas, starts, every)[0],
        )


def _makes_up(
    shared: Int[np.ndarray, "n c"],
    areas: Int[np.ndarray, "#n #c"],
    share: tuple[int, int],
) -> Bool[np.ndarray, "n c"]:
    """Whether shared pixels are at least a share of an area, and any at all."""
    part, whole = share
    return (whole * shared >= part * areas) & (shared > 0)


def _largest(
    areas: Int[np.ndarray, " n"],
    starts: Int[np.ndarray, " n"],
    shown: Bool[np.ndarray, "d n"],
) -> Bool[np.ndarray, "d n"]:
    """Which regions, taken from the largest on, are needed to make up the image."""
    order = np.lexsort((-starts, -areas))
    taken = np.where(shown[:, order], areas[order], 0)
    before = np.cumsum(taken, axis=1) - taken
    part, whole = _JUDGED
    needed = np.zeros_like(shown)
    needed[:, order] = whole * before < part * taken.sum(axis=1, keepdims=True)
    return needed & (areas > 0)


def _weighted(
    objects: Bool[np.ndarray, "*#d n"],
    parts: Bool[np.ndarray, "*#d n"],
    made_up: Float[np.ndarray, "*#d n"],
    judged: Bool[np.ndarray, "*#d n"],
) -> Float[np.ndarray, " d"]:
    """Judged regions, summed: an object is 1, a part less, others what is made up."""
    weights = np.where(objects, 1.0, np.where(parts, _PART_WEIGHT, made_up))
    return np.where(judged, weights, 0).sum(axis=1)


def _share(parts: states.Numbers, wholes: states.Numbers) -> np.ndarray:
    return np.asarray(np.nan_to_num(states.ratio(parts, wholes), nan=0.0))


@pytree_dataclass
class ObjectPartsState(states.Additive):
    """The scores of any number of images; states of disjoint images merge by addition.

    All but the last are sums over images in fixed point (`states`).

    Attributes:
      recall: ``[t]``, at every scale.
      precision: ``[t]``, at every scale.
      best: ``[2]``, recall and precision, each image at the scale that is best for it.
      images: ``[]``, images scored.
    """

    recall: Int[np.ndarray, " t"]
    precision: Int[np.ndarray, " t"]
    best: Int[np.ndarray, " 2"]
    images: Int[np.ndarray, ""]

    @classmethod
    def empty(cls, num_scales: int) -> "ObjectPartsState":
        """The state of no image."""
        scales = np.zeros(num_scales, np.int64)
        return cls(scales, scales, np.zeros(2, np.int64), np.zeros((), np.int64))

    def update(self, image: ImageObjectParts) -> "ObjectPartsState":
        """The state with one image more."""
        at = int(np.argmax(image.f_measures))  # the first of equals
        recall, precision = map(states.to_fixed_point, (image.recall, image.precision))
        best = np.array([recall[at], precision[at]])
        return self.merge(ObjectPartsState(recall, precision, best, np.asarray(1)))

    def curve(self) -> tuple[Float[np.ndarray, " t"], Float[np.ndarray, " t"]]:
        """Recall and precision of the whole set at every scale; NaN for no image."""
        return (
            states.mean(self.recall, self.images),
            states.mean(self.precision, self.images),
        )

    def recall_and_precision(self) -> Curve:
        """The same as a curve, from coarse to fine."""
        return Curve.recall_and_precision(*self.curve())

    def f_measures(self) -> Float[np.ndarray, " t"]:
        """F of the whole set at every scale, in [0, 1]; NaN for no image."""
        return f_measure(*self.curve())

    def compute(self) -> dict[str, float]:
        """``fop_ods``, ``fop_ois`` (fractions of 1) and ``images``."""
        recall, precision = np.split(states.mean(self.best, self.images), 2)
        return {
            "fop_ods": float(self.f_measures().max()),
            "fop_ois": f_measure(recall, precision).item(),
            "images": int(self.images),
        }
