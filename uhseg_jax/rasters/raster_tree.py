"""The tree of regions of an image of any size: nodes in memory, pixels on disk."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from uhseg_jax.files import write_json
from uhseg_jax.hierarchy.placement import visible_nodes
from uhseg_jax.hierarchy.tree import RegionTree, TreeFileError
from uhseg_jax.rasters.filling import filled
from uhseg_jax.rasters.label_raster import NO_DATA, LabelRaster
from uhseg_jax.rasters.sources import Georeference
from uhseg_jax.rasters.windows import Window, thinned
from uhseg_jax.types import Int

__all__ = ["LABELS", "TREE", "RasterTree"]

LABELS = "superpixels"
"""The folder of the labels beside a tree."""

TREE = "tree.npz"
"""The file of the nodes; where it is, so is the rest."""

_ABOUT = "raster.json"
_STRIP = 2**24  # pixels


@dataclasses.dataclass(frozen=True)
class RasterTree:
    """A tree of nested regions of a raster.

    Attributes:
      tree: numpy, labels ``[n]``: the leaf of every superpixel.
      superpixels: of every pixel, on disk.
      title: what results call the raster.
      georeference: where it lies; None where that is not known.
    """

    tree: RegionTree
    superpixels: LabelRaster
    title: str = "raster"
    georeference: Georeference | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Pixels (height, width)."""
        return self.superpixels.size

    def cut(
        self, window: Window | None = None, **criterion: Any
    ) -> Int[np.ndarray, "h w"]:
        """A flat segmentation of a window, or of all: the node that holds each pixel.

        Args:
          window: of the pixels; None for all of them, which take four bytes each.
          criterion: that of `RegionTree.cut`.

        Returns:
          int32 node ids; -1 where there is no data.

        Raises:
          ValueError: as of `RegionTree.cut`.
          TreeFileError: labels on disk are missing or damaged.
        """
        return self._seen(window or Window(0, 0, *self.size), self._nodes(criterion))

    def strips(
        self, rows: int | None = None, **criterion: Any
    ) -> Iterator[tuple[Window, Int[np.ndarray, "h W"]]]:
        """A cut from top to bottom, so that little is in memory at a time.

        Args:
          rows: of a strip; None: those of a tile of labels, or fewer where the raster
            is wide.
          criterion: that of `RegionTree.cut`.

        Yields:
          The window of a strip and its node ids; see `cut`.
        """
        height, width = self.size
        rows = rows or max(1, min(self.superpixels.side, _STRIP // width))
        nodes = self._nodes(criterion)
        for top in range(0, height, rows):
            window = Window(top, 0, min(rows, height - top), width)
            yield window, self._seen(window, nodes)

    def overview(self, longest: int = 1024) -> RegionTree:
        """The tree over a smaller copy: of every block of pixels the one in the middle.

        It has the same nodes, so a cut of it has the same regions as one of the raster.
        Where there is no data it has the region of the nearest pixel with data.

        Args:
          longest: pixels of its longer side at the most; the copy is that of
            `RasterSource.overview`.
        """
        rows, columns = thinned(self.size, longest)
        vertices = np.empty((len(rows), len(columns)), np.int32)
        for window in self.superpixels.windows():
            down = slice(*np.searchsorted(rows, (window.top, window.bottom)))
            right = slice(*np.searchsorted(columns, (window.left, window.right)))
            chosen = rows[down, None] - window.top, columns[right] - window.left
            vertices[down, right] = self.superpixels.read(window)[chosen]
        return self.tree.over(filled(vertices, vertices != NO_DATA))

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Writes the tree beside its superpixels, which lie in that folder already.

        The nodes are written last: a folder with them is whole.

        Raises:
          OSError: it cannot be written; the message names the file.
        """
        folder = Path(folder)
        self.superpixels.save()
        place = self.georeference and dataclasses.asdict(self.georeference)
        about = {"title": self.title, "georeference": place}
        write_json(folder / _ABOUT, about)
        self.tree.save(folder / TREE)

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> RasterTree:
        """Reads a folder that `segment_raster` wrote.

        Raises:
          FileNotFoundError: there is no tree in it.
          TreeFileError: something in it is damaged.
        """
        folder = Path(folder)
        tree = RegionTree.load(folder / TREE)
        try:
            about = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
            place = about["georeference"]
            where = place and Georeference(place["crs"], tuple(place["transform"]))
            title = str(about["title"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise TreeFileError(
                f"{folder / _ABOUT}: expected what is known of a raster, but the file "
                f"is missing or damaged ({error}); segment the image again."
            ) from error
        superpixels = LabelRaster.load(folder / LABELS)
        if superpixels.count not in (None, len(tree.labels)):
            raise TreeFileError(
                f"{folder}: expected the tree of its {superpixels.count} superpixels, "
                f"but found one of {len(tree.labels)}; segment the image again."
            )
        return cls(tree, superpixels, title, where)

    def _nodes(self, criterion: dict[str, Any]) -> Int[np.ndarray, " n1"]:
        """The node of every superpixel in a cut, and behind them that of no data."""
        nodes = np.asarray(visible_nodes(self.tree, **criterion))[self.tree.labels]
        return np.append(nodes, NO_DATA).astype(np.int32)

    def _seen(
        self, window: Window, nodes: Int[np.ndarray, " n1"]
    ) -> Int[np.ndarray, "h w"]:
        found: np.ndarray = nodes[self.superpixels.read(window)]  # -1 is the last
        return found
