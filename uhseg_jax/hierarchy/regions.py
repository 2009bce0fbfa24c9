"""Regions of an image as masks with numbers: of one tree, a cut or a selection.

Those of a clip or a volume are regions of all its frames; `Regions.frame` gives them in
one of them.
"""

import dataclasses
from typing import Any

import numpy as np

from uhseg_jax.hierarchy.boxes import label_boxes
from uhseg_jax.hierarchy.cuts import NO_PARENT
from uhseg_jax.hierarchy.lattice import require_cells, require_image
from uhseg_jax.hierarchy.proposals import NO_NODE
from uhseg_jax.outlines.polygons import Polygon, outlines_of
from uhseg_jax.run_lengths import RLE, compress, counts_of, runs_of
from uhseg_jax.types import Bool, Int

__all__ = ["NO_NODE", "VOID", "Regions"]

VOID = -1
"""Label of pixels in no region."""


@dataclasses.dataclass(frozen=True)
class Regions:
    """Some regions of an image, numbered from 0 without gaps.

    Attributes:
      pieces: int32 ``[h, w]``, or ``[t, h, w]``: the piece of every pixel, from 0;
        ``VOID`` where no region is.
      contains: ``[k, m]``, whether a region holds a piece.
      nodes: int32 ``[k]``, the node of the whole tree that a region is, or is a
        component of; ``NO_NODE`` where it is a union of several.
      parents: int32 ``[k]``, the smallest of these regions around each; ``NO_PARENT``
        if there is none.
    """

    pieces: Int[np.ndarray, "..."]
    contains: Bool[np.ndarray, "k m"]
    nodes: Int[np.ndarray, " k"]
    parents: Int[np.ndarray, " k"]

    @classmethod
    def numbered(
        cls,
        pieces: Int[np.ndarray, "..."],
        contains: Bool[np.ndarray, "k m"],
        nodes: Int[np.ndarray, " k"],
    ) -> "Regions":
        """Regions with the pieces that they hold, numbered anew.

        Args:
          pieces: of every pixel, or ``VOID``.
          contains: whether a region holds a piece; an inner one comes after those
            around it.
          nodes: of the regions.
        """
        held = contains.any(0)
        numbers = np.where(held, np.cumsum(held) - 1, VOID).astype(np.int32)
        numbers = np.append(numbers, np.int32(VOID))  # of pixels of no piece
        contains = contains[:, held]
        parents = np.full(len(nodes), NO_PARENT, np.int32)
        if nodes.size:
            # Regions around one of its pieces are a chain, the outer ones first.
            around = contains[:, contains.argmax(1)].T
            np.fill_diagonal(around, False)
            around = np.tril(around)
            last = len(nodes) - 1 - around[:, ::-1].argmax(1)
            parents = np.where(around.any(1), last, NO_PARENT).astype(np.int32)
        return cls(numbers[pieces], contains, nodes.astype(np.int32), parents)

    def __len__(self) -> int:
        return len(self.nodes)

    def only(self, wanted: Bool[np.ndarray, " k"]) -> "Regions":
        """Some of these regions, numbered anew."""
        return Regions.numbered(self.pieces, self.contains[wanted], self.nodes[wanted])

    def frame(self, index: int) -> "Regions":
        """The same regions of a clip in one of its frames.

        They keep their numbers, and those that are not in it have no pixel.

        Args:
          index: of the frame, or of the slice of a volume.

        Raises:
          ValueError: these are not regions of a clip.
        """
        if self.pieces.ndim != 3:
            raise ValueError(
                "expected regions of a clip, [t, h, w], but these have shape "
                f"{list(self.pieces.shape)}; only a clip has frames."
            )
        return dataclasses.replace(self, pieces=self.pieces[index])

    def areas(self) -> Int[np.ndarray, " k"]:
        """Number of pixels of every region."""
        count, num_pieces = self.contains.shape
        inside = self.pieces[self.pieces != VOID]
        sizes = np.bincount(inside, minlength=num_pieces)
        region, piece = np.nonzero(self.contains)
        return np.bincount(region, sizes[piece], count).astype(np.int64)

    def mask(self, index: int) -> Bool[np.ndarray, "..."]:
        """The pixels of one region."""
        return self._with_void(index)[self.pieces]

    def masks(self) -> Bool[np.ndarray, "k ..."]:
        """One boolean mask for every region."""
        return self._with_void(slice(None))[:, self.pieces]

    def polygons(self, tolerance: float = 0.0) -> list[list[Polygon]]:
        """The outlines of every region, with holes; see `RegionTree.polygons`.

        Borders are simplified once, so regions that are disjoint stay so without gaps,
        and nested ones nested. They may differ a little from those of other choices.

        Args:
          tolerance: how far, in pixels, they may be from the sides of pixels.

        Raises:
          ValueError: the tolerance is negative, or these are regions of a clip.
        """
        require_image(self.pieces.shape, "Regions.polygons")
        outlines = outlines_of(self.pieces, tolerance)
        return [outlines.polygons(x) for x in self.contains]

    def boxes(self) -> Int[np.ndarray, "k e"]:
        """x, y, width and height of every region, in pixels; 0 where it has none.

        Of a clip x, y, the first frame, width, height and the number of frames.
        """
        require_cells(self.pieces.shape, "Regions.boxes")
        sides, held = self.pieces.shape[::-1], self.contains
        found = label_boxes(self.pieces, held.shape[1]).T
        starts, ends = found[: len(sides)], found[len(sides) :]
        first = [
            np.where(held, x, side).min(1, initial=side)
            for x, side in zip(starts, sides, strict=True)
        ]
        last = np.stack([np.where(held, x, 0).max(1, initial=0) for x in ends], axis=1)
        begin = np.minimum(np.stack(first, axis=1), last)  # 0 of one without pixels
        return np.concatenate([begin, last - begin], axis=1)

    def rles(self) -> list[RLE]:
        """Every region as pycocotools has masks, compressed.

        Raises:
          ValueError: these are regions of a clip.
        """
        require_image(self.pieces.shape, "Regions.rles")
        held = self._with_void(slice(None))
        pieces, lengths = runs_of(self.pieces)
        size = self.pieces.shape
        return [compress(counts_of(x[pieces], lengths), size) for x in held]

    def labels(self) -> Int[np.ndarray, "..."]:
        """The region of every pixel; ``VOID`` where there is none.

        Raises:
          ValueError: regions overlap, as nested ones do.
        """
        holders = self.contains.sum(0)
        if (holders > 1).any():
            raise ValueError(
                "expected disjoint regions, since a pixel of a label map has one "
                "number, but some lie in others; choose them with flat=True."
            )
        numbers = np.full(len(holders) + 1, VOID, np.int32)
        index, piece = np.nonzero(self.contains)
        numbers[piece] = index
        return numbers[self.pieces]

    def _with_void(self, index: Any) -> Bool[np.ndarray, "*k m1"]:
        """Which pieces are held, with one more that stands for the void."""
        held = np.pad(self.contains, [(0, 0), (0, 1)])
        return held[index]
