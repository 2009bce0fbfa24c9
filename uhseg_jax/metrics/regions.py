"""Region scores of BSDS500: covering, Rand index, Variation of Information.

Arbelaez et al., "Contour Detection and Hierarchical Image Segmentation", PAMI 2011,
as the benchmark's `evaluation_reg_image` and `collect_eval_reg` compute them. A
hierarchy is a series of scales: ODS takes the one scale that is best for the whole set,
OIS the best one of every image, Best the best region of any scale for every human
region. Several annotators of an image all count.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from uhseg_jax.hierarchy.tree import ROOT, RegionTree
from uhseg_jax.metrics import partitions, states
from uhseg_jax.metrics.contingency import ious
from uhseg_jax.metrics.cut_tables import CutTables
from uhseg_jax.metrics.scales import NUM_REGIONS, cut_maps
from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.types import Float, Int, Integer

__all__ = ["ImageRegions", "RegionState", "score_cuts", "score_tree"]

# Covered pixels are kept to 1e-6 of a pixel: pixels of a set leave room for no more.
_PIXEL_BITS = 20


@dataclasses.dataclass(frozen=True)
class ImageRegions:
    """The scores of one image at ``t`` scales.

    Attributes:
      covered: ``[t]``, covered pixels: |R| max IoU(R, R') summed over the regions R of
        all annotators.
      covered_best: the same with R' from any scale.
      pixels: pixels of all annotators.
      rand_index: ``[t]``, mean over annotators, in [0, 1].
      variation: ``[t]``, mean over annotators, in bits.
    """

    covered: Float[np.ndarray, " t"]
    covered_best: float
    pixels: int
    rand_index: Float[np.ndarray, " t"]
    variation: Float[np.ndarray, " t"]

    def at(self, scales: slice | Int[np.ndarray, " s"]) -> "ImageRegions":
        """The scores of some of the scales; Best is the same for all."""
        return dataclasses.replace(
            self,
            covered=self.covered[scales],
            rand_index=self.rand_index[scales],
            variation=self.variation[scales],
        )

    @property
    def coverings(self) -> Float[np.ndarray, " t"]:
        """Covering of the image alone at every scale, in [0, 1]."""
        return self.covered / max(self.pixels, 1)

    def row(self) -> dict[str, float]:
        """The scores of this image at its best scales, flat, for a table of images."""
        return {
            "covering": float(self.coverings.max()),
            "covering_best": self.covered_best / max(self.pixels, 1),
            "pri": float(self.rand_index.max()),
            "voi": float(self.variation.min()),
        }


def score_tree(
    tree: RegionTree,
    annotations: Sequence[Integer[np.ndarray, "..."]],
    *,
    num_regions: Sequence[int] = NUM_REGIONS,
    costs: Sequence[float] = (),
) -> ImageRegions:
    """Scores the cuts of a tree against several annotators.

    One pass over the pixels for each annotator; the scales are sums of its rows. Best
    takes every node of the tree, whether or not one of the scales shows it.

    Args:
      tree: one tree; its labels are of the annotations' size.
      annotations: for every annotator the region of every pixel, any ids from 0;
        negative where a pixel does not count.
      num_regions: scales, as for `cut_maps`.
      costs: scales, likewise, after those.

    Raises:
      ValueError: the sizes differ, or there is no annotation.
    """
    maps = cut_maps(tree, num_regions, costs=costs)
    return score_cuts(CutTables.of(tree, annotations, maps))


def score_cuts(tables: CutTables) -> ImageRegions:
    """The scores of cuts, from their tables; see `score_tree`."""
    cuts = [[nodes[shown] for shown in tables.shown] for nodes in tables.nodes]
    covered, rand, variation = (
        [[measure(table) for table in annotator] for annotator in cuts]
        for measure in (
            partitions.covered_pixels,
            partitions.rand_index,
            partitions.variation_of_information,
        )
    )
    sizes = [nodes[ROOT] for nodes in tables.nodes]  # of the annotators' regions
    best = [
        ious(nodes, nodes.sum(axis=1), size).max(axis=0)
        for nodes, size in zip(tables.nodes, sizes, strict=True)
    ]
    return ImageRegions(
        covered=np.sum(covered, axis=0),
        covered_best=float(sum(s @ b for s, b in zip(sizes, best, strict=True))),
        pixels=int(sum(size.sum() for size in sizes)),
        rand_index=np.mean(rand, axis=0),
        variation=np.mean(variation, axis=0),
    ).at(tables.scale)


@pytree_dataclass
class RegionState(states.Additive):
    """The scores of any number of images; states of disjoint images merge by addition.

    All but the two counts are sums over images in fixed point (`states`).

    Attributes:
      covered: ``[t]``, covered pixels at every scale.
      covered_ois: ``[]``, covered pixels at the best scale of every image.
      covered_best: ``[]``, covered pixels with the best region of any scale.
      pixels: ``[]``, pixels of all annotators.
      rand_index: ``[t]``, at every scale.
      rand_index_ois: ``[]``, at the best scale of every image.
      variation: ``[t]``, bits, at every scale.
      variation_ois: ``[]``, bits, at the best scale of every image.
      images: ``[]``, images scored.
    """

    covered: Int[np.ndarray, " t"]
    covered_ois: Int[np.ndarray, ""]
    covered_best: Int[np.ndarray, ""]
    pixels: Int[np.ndarray, ""]
    rand_index: Int[np.ndarray, " t"]
    rand_index_ois: Int[np.ndarray, ""]
    variation: Int[np.ndarray, " t"]
    variation_ois: Int[np.ndarray, ""]
    images: Int[np.ndarray, ""]

    @classmethod
    def empty(cls, num_scales: int) -> "RegionState":
        """The state of no image."""
        scales, one = np.zeros(num_scales, np.int64), np.zeros((), np.int64)
        return cls(scales, one, one, one, scales, one, scales, one, one)

    def update(self, image: ImageRegions) -> "RegionState":
        """The state with one image more."""
        fixed = states.to_fixed_point
        return self.merge(
            RegionState(
                fixed(image.covered, bits=_PIXEL_BITS),
                fixed(image.covered.max(), bits=_PIXEL_BITS),
                fixed(image.covered_best, bits=_PIXEL_BITS),
                np.asarray(image.pixels),
                fixed(image.rand_index),
                fixed(image.rand_index.max()),
                fixed(image.variation),
                fixed(image.variation.min()),
                np.asarray(1),
            )
        )

    def coverings(self) -> Float[np.ndarray, " t"]:
        """Covering of the whole set at every scale, in [0, 1]; NaN for no image."""
        return states.ratio(
            states.from_fixed_point(self.covered, bits=_PIXEL_BITS), self.pixels
        )

    def compute(self) -> dict[str, float]:
        """All scores, flat; NaN where nothing was scored.

        ``covering_ods``, ``covering_ois``, ``covering_best`` (fractions of 1, pooled
        over pixels and annotators), ``pri_ods``, ``pri_ois`` (fractions of 1),
        ``voi_ods``, ``voi_ois`` (bits, less is better), ``images``.
        """
        ois, best = (
            states.ratio(states.from_fixed_point(x, bits=_PIXEL_BITS), self.pixels)
            for x in (self.covered_ois, self.covered_best)
        )
        return {
            "covering_ods": float(self.coverings().max()),
            "covering_ois": float(ois),
            "covering_best": float(best),
            "pri_ods": float(states.mean(self.rand_index, self.images).max()),
            "pri_ois": float(states.mean(self.rand_index_ois, self.images)),
            "voi_ods": float(states.mean(self.variation, self.images).min()),
            "voi_ois": float(states.mean(self.variation_ois, self.images)),
            "images": int(self.images),
        }
