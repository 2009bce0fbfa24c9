"""Superpixels of any lattice and of any number, with features: a sparse graph.

The graph does not care where its vertices lie: in one image, in all frames of a clip,
in the slices of a volume or in the tiles of a scan. Here it is only vectors, areas and
borders, of as many vertices as there are, on the host.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from uhseg_jax.hierarchy.region_sums import region_sums
from uhseg_jax.superpixels.graph import SuperpixelGraph, graph_of_patches
from uhseg_jax.types import Float, Int, Integer

__all__ = ["RegionGraph", "joined"]


@dataclasses.dataclass(frozen=True)
class RegionGraph:
    """A region adjacency graph with features; numpy.

    Attributes:
      vectors: float32, features of the vertices, unit vectors or means of such.
      areas: float32, shares of the whole; positive, they sum to one.
      colors: float32, mean CIE Lab / 100.
      edges: int32, two vertices that touch, the lower first; each pair once.
      lengths: float32, of the borders, positive; in pairs of pixels.
      evidence: float32, mean contrast along a border; 0 between frames.
    """

    vectors: Float[np.ndarray, "n d"]
    areas: Float[np.ndarray, " n"]
    colors: Float[np.ndarray, "n 3"]
    edges: Int[np.ndarray, "e 2"]
    lengths: Float[np.ndarray, " e"]
    evidence: Float[np.ndarray, " e"]

    @classmethod
    def of_patches(cls, vectors: Float[np.ndarray, "h w d"]) -> RegionGraph:
        """The patches of one image, row by row, without any colours or contrast.

        Args:
          vectors: float32, of unit length.
        """
        h, w, d = vectors.shape
        graph = graph_of_patches((h, w), h * w)
        return cls(
            vectors=vectors.reshape(-1, d),
            areas=np.asarray(graph.areas),
            colors=np.asarray(graph.colors),
            edges=np.asarray(graph.edges),
            lengths=np.asarray(graph.lengths),
            evidence=np.asarray(graph.evidence),
        )

    def __len__(self) -> int:
        return len(self.areas)

    def condensed(self, regions: Integer[np.ndarray, " n"]) -> RegionGraph:
        """The graph of regions of its vertices: means, sums and common borders.

        Args:
          regions: of the vertices, from 0 without gaps.
        """
        count = int(regions.max()) + 1
        areas = np.bincount(regions, self.areas, count)
        shares = (self.areas / areas[regions]).astype(np.float32)
        edges, lengths, evidence = joined(
            regions[self.edges], self.lengths, self.evidence
        )
        return RegionGraph(
            vectors=region_sums(self.vectors, shares, regions, count),
            areas=areas.astype(np.float32),
            colors=region_sums(self.colors, shares, regions, count),
            edges=edges,
            lengths=lengths,
            evidence=evidence,
        )

    def padded(self, count: int, num_edges: int) -> SuperpixelGraph:
        """Areas, colours and borders with padding behind; every vertex is a patch.

        Args:
          count: vertices of the result, at least as many as there are.
          num_edges: its borders, at least as many as there are.
        """
        vertices, edges = count - len(self), num_edges - len(self.edges)
        return SuperpixelGraph(
            areas=np.pad(self.areas, (0, vertices)),
            colors=np.pad(self.colors, ((0, vertices), (0, 0))),
            weights=np.zeros((count, 0), np.float32),
            edges=np.pad(self.edges, ((0, edges), (0, 0))),
            lengths=np.pad(self.lengths, (0, edges)),
            evidence=np.pad(self.evidence, (0, edges)),
            patches=np.arange(count, dtype=np.int32)[:, None],
        )


def joined(
    edges: Integer[np.ndarray, "e 2"],
    lengths: Float[np.ndarray, " e"],
    evidence: Float[np.ndarray, " e"],
) -> tuple[Int[np.ndarray, "f 2"], Float[np.ndarray, " f"], Float[np.ndarray, " f"]]:
    """Borders with each pair once, sorted; lengths add, evidence is their mean.

    Args:
      edges: pairs of vertices, in any order and any number of times; pairs of one
        vertex with itself are left out.
      lengths: of the borders.
      evidence: of an edge along each.
    """
    apart = edges[:, 0] != edges[:, 1]
    edges, lengths, evidence = edges[apart], lengths[apart], evidence[apart]
    ends = np.sort(edges.astype(np.int64), axis=1)
    span = int(ends.max(initial=0)) + 1
    keys, found = np.unique(ends[:, 0] * span + ends[:, 1], return_inverse=True)
    totals = np.bincount(found, lengths, keys.size)
    sums = np.bincount(found, lengths.astype(np.float64) * evidence, keys.size)
    return (
        np.stack(np.divmod(keys, span), axis=1).astype(np.int32),
        totals.astype(np.float32),
        (sums / np.where(totals > 0, totals, 1)).astype(np.float32),
    )
