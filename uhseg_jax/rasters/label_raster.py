"""The superpixel of every pixel of a raster, in files by tiles."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from uhseg_jax.hierarchy.tree import TreeFileError
from uhseg_jax.parts import Parts, read_arrays, write_arrays
from uhseg_jax.rasters.windows import Window, cores
from uhseg_jax.superpixels.enlarging import enlarge_labels
from uhseg_jax.types import Bool, Int

__all__ = ["NO_DATA", "LabelRaster"]

NO_DATA = -1
"""The label of a pixel without data."""

_KEPT = 8, 64  # tiles in memory: those of a row, but so many
_FILE = "labels.npz"


class LabelRaster:
    """Labels of a raster of any size, of which windows are read.

    Args:
      folder: of the tiles.
      size: pixels (height, width) of the raster.
      side: pixels along a side of a tile.
      numbers: that are given for the labels on disk; None: these.
      scale: pixels along a side of the block that one label on disk is of; it divides
        ``side``. Pixels take the labels of blocks as `enlarge_labels` says.
    """

    def __init__(
        self,
        folder: Path,
        size: tuple[int, int],
        side: int,
        numbers: Int[np.ndarray, " n"] | None = None,
        scale: int = 1,
    ) -> None:
        self.folder, self.size, self.side, self.scale = folder, size, side, scale
        self._numbers = None if numbers is None else np.append(numbers, NO_DATA)
        self._tiles = Parts(folder)
        kept = np.clip(-(-size[1] // side), *_KEPT)
        self._cached = functools.lru_cache(int(kept))(self._tile)

    @classmethod
    def load(cls, folder: Path) -> LabelRaster:
        """Reads what `save` wrote.

        Raises:
          TreeFileError: it is not there or damaged.
        """
        found = read_arrays(folder / _FILE) or {}
        if not {"size", "side", "scale"} <= {*found}:
            raise TreeFileError(
                f"{folder / _FILE}: expected what is known of saved labels, but the "
                "file is missing or damaged; segment the image again."
            )
        height, width = map(int, found["size"])
        side, scale = int(found["side"]), int(found["scale"])
        return cls(folder, (height, width), side, found.get("numbers"), scale)

    @property
    def count(self) -> int | None:
        """How many numbers are given for labels on disk; None: those are not others."""
        return None if self._numbers is None else int(self._numbers.max(initial=-1)) + 1

    def save(self) -> None:
        """Writes down beside the tiles what they are tiles of."""
        numbers = {"size": self.size, "side": self.side, "scale": self.scale}
        about = {name: np.array(x) for name, x in numbers.items()}
        if self._numbers is not None:
            about["numbers"] = self._numbers[:-1]
        write_arrays(self.folder / _FILE, **about)

    def windows(self) -> Iterator[Window]:
        """Those of the tiles, row by row."""
        return (window for _, window in cores(self.size, self.side))

    def put(
        self,
        at: tuple[int, int],
        labels: Int[np.ndarray, "h w"],
        valid: Bool[np.ndarray, "H W"] | None = None,
    ) -> None:
        """Keeps the labels of a tile, by its row and column among the tiles.

        Args:
          at: row and column.
          labels: of the blocks.
          valid: where pixels have data; None: where their blocks have a label.
        """
        arrays = {"labels": labels}
        if valid is not None and self.scale > 1 and not valid.all():
            arrays |= {"valid": np.packbits(valid, axis=1)}
        self._tiles.put(_name(at), **arrays)

    def has(self, at: tuple[int, int]) -> bool:
        """Whether a tile is there and whole."""
        return "labels" in (self._tiles.get(_name(at)) or {})

    def read(self, window: Window) -> Int[np.ndarray, "h w"]:
        """The labels of a window; `NO_DATA` where there is no data.

        Raises:
          TreeFileError: the file of a tile is missing or damaged.
        """
        blocks = self.blocks(self._of_pixels(window))
        if self.scale > 1:
            blocks = self._enlarged(blocks, window)
        return blocks if self._numbers is None else self._numbers[blocks]

    def blocks(self, window: Window) -> Int[np.ndarray, "h w"]:
        """The labels on disk, of the blocks of a window.

        Args:
          window: rows and columns of blocks.

        Raises:
          TreeFileError: the file of a tile is missing or damaged.
        """
        labels = np.empty(window.shape, np.int32)
        for at, whole, part in self._crossed(window, self.side // self.scale):
            tile = self._cached(*at)["labels"]
            labels[part.within(window)] = tile[part.within(whole)]
        return labels

    def _of_pixels(self, window: Window) -> Window:
        """The blocks that the pixels of a window look at."""
        if self.scale == 1:
            return window
        k = self.scale
        top, left = window.top // k, window.left // k
        shape = -(-window.bottom // k) - top, -(-window.right // k) - left
        height, width = (-(-x // k) for x in self.size)
        return Window(top, left, *shape).grown(1, (height, width))

    def _enlarged(
        self, blocks: Int[np.ndarray, "h w"], window: Window
    ) -> Int[np.ndarray, "H W"]:
        """The labels of pixels, from those of the blocks that they look at."""
        k, around = self.scale, self._of_pixels(window)
        whole = Window(*(x * k for x in around))
        voted = enlarge_labels(blocks, whole.shape)[window.within(whole)]
        if (blocks == NO_DATA).any():
            own = np.repeat(np.repeat(blocks, k, 0), k, 1)[window.within(whole)]
            lost = (voted == NO_DATA) | (own == NO_DATA)
            voted = np.where(lost, own, voted)
        for at, tile, part in self._crossed(window, self.side):
            valid = self._cached(*at).get("valid")
            if valid is not None:
                there = np.unpackbits(valid, axis=1)[part.within(tile)]
                voted[part.within(window)][there == 0] = NO_DATA
        return voted

    def _crossed(
        self, window: Window, side: int
    ) -> Iterator[tuple[tuple[int, int], Window, Window]]:
        """The tiles of a side that a window crosses, and what of it lies in each."""
        for row in range(window.top // side, -(-window.bottom // side)):
            for column in range(window.left // side, -(-window.right // side)):
                whole = Window(row * side, column * side, side, side)
                yield (row, column), whole, window.common(whole)

    def _tile(self, row: int, column: int) -> dict[str, np.ndarray]:
        found = self._tiles.get(_name((row, column)))
        if found is None or "labels" not in found:
            raise TreeFileError(
                f"{self.folder / _name((row, column))}.npz: expected the labels of a "
                "tile, but the file is missing or damaged; segment the image again."
            )
        return found


def _name(at: tuple[int, int]) -> str:
    return f"tile_{at[0]:04d}_{at[1]:04d}"
