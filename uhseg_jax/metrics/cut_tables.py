"""What the cuts of a tree share with the regions that several people drew.

All scores of regions are arithmetic on the same small tables, which take one pass over
the pixels for each person, however many cuts there are.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from uhseg_jax.hierarchy import host_cuts
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.metrics.contingency import contingency_table, node_counts
from uhseg_jax.types import Bool, Int, Integer

__all__ = ["CutTables"]


@dataclasses.dataclass(frozen=True)
class CutTables:
    """Cuts of one tree against several annotators, whose pixels all count or do not.

    Attributes:
      nodes: for every annotator int64 ``[n, c]``, pixels that each node of the tree
        shares with each region of the annotator.
      areas: int64 ``[n]``, pixels of every node, whether or not they count.
      starts: int64 ``[n]``, first pixel of every node in reading order.
      region_starts: for every annotator int64 ``[c]``, that of each region.
      shown: bool ``[d, n]``, the nodes that are the regions of a cut; cuts that show
        the same are there once.
      scale: ``[t]``, the row of ``shown`` that holds each of the cuts asked for.
    """

    nodes: tuple[Int[np.ndarray, "n _"], ...]
    areas: Int[np.ndarray, " n"]
    starts: Int[np.ndarray, " n"]
    region_starts: tuple[Int[np.ndarray, " _"], ...]
    shown: Bool[np.ndarray, "d n"]
    scale: Int[np.ndarray, " t"]

    @classmethod
    def of(
        cls,
        tree: RegionTree,
        annotations: Sequence[Integer[np.ndarray, "..."]],
        maps: Int[np.ndarray, "t padded"],
    ) -> "CutTables":
        """Counts.

        Args:
          tree: one tree; its labels are of the annotations' size.
          annotations: for every annotator the region of every pixel, any ids from 0;
            negative where a pixel does not count.
          maps: the node as which each node is seen at each scale (`scales.cut_maps`).

        Raises:
          ValueError: the sizes differ, or there is no annotation.
        """
        if len(annotations) == 0:
            raise ValueError(
                "expected at least one annotator's segmentation of the image, but "
                "found none; leave the image out, or give its ground truth."
            )
        labels, count = np.asarray(tree.labels), int(tree.num_nodes)
        nodes, region_starts = [], []
        for regions in annotations:
            leaves = contingency_table(labels, regions, num_rows=len(tree.parents))
            nodes.append(node_counts(tree, leaves)[0])
            region_starts.append(_starts(regions, leaves.shape[1]))
        starts = _starts(labels, count)
        leaves = np.flatnonzero(starts < labels.size)
        parents = np.asarray(tree.parents)[:count]
        starts = host_cuts.gathered(parents, starts, np.minimum)
        shown = np.zeros((len(maps), count), bool)
        np.put_along_axis(shown, maps[:, leaves], True, axis=1)
        shown, scale = np.unique(shown, axis=0, return_inverse=True)
        return cls(
            tuple(nodes),
            tree.areas()[:count],
            starts,
            tuple(region_starts),
            shown,
            scale.ravel(),
        )


def _starts(labels: Integer[np.ndarray, "..."], count: int) -> Int[np.ndarray, " c"]:
    """First pixel of every label in reading order; the number of pixels if it is none.

    Negative labels are none.
    """
    starts = np.full(count, labels.size)
    pixels = np.flatnonzero(labels.ravel() >= 0)[::-1]
    starts[labels.ravel()[pixels]] = pixels  # of several the last, hence the first
    return starts
