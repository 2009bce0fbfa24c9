"""The superpixel of every pixel of a raster, in files by tiles."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from uhseg_jax.hierarchy.tree import TreeFileError
from uhseg_jax.parts import Parts, read_arrays, write_arrays
from uhseg_jax.rasters.windows import Window, cores
from uhseg_jax.types import Int

__all__ = ["NO_DATA", "LabelRaster"]

NO_DATA = -1
"""The label of a pixel without data."""

_KEPT = 8  # tiles in memory
_FILE = "labels.npz"


class LabelRaster:
    """Labels of a raster of any size, of which windows are read.

    Args:
      folder: of the tiles.
      size: pixels (height, width) of the raster.
      side: of a tile.
      numbers: that are given for the labels on disk; None: these.
    """

    def __init__(
        self,
        folder: Path,
        size: tuple[int, int],
        side: int,
        numbers: Int[np.ndarray, " n"] | None = None,
    ) -> None:
        self.folder, self.size, self.side = folder, size, side
        self._numbers = None if numbers is None else np.append(numbers, NO_DATA)
        self._tiles = Parts(folder)
        self._cached = functools.lru_cache(_KEPT)(self._tile)

    @classmethod
    def load(cls, folder: Path) -> LabelRaster:
        """Reads what `save` wrote.

        Raises:
          TreeFileError: it is not there or damaged.
        """
        found = read_arrays(folder / _FILE) or {}
        if {*found} < {"size", "side"}:
            raise TreeFileError(
                f"{folder / _FILE}: expected what is known of saved labels, but the "
                "file is missing or damaged; segment the image again."
            )
        height, width = map(int, found["size"])
        return cls(folder, (height, width), int(found["side"]), found.get("numbers"))

    def save(self) -> None:
        """Writes down beside the tiles what they are tiles of."""
        about = {"size": np.array(self.size), "side": np.array(self.side)}
        if self._numbers is not None:
            about["numbers"] = self._numbers[:-1]
        write_arrays(self.folder / _FILE, **about)

    def windows(self) -> Iterator[Window]:
        """Those of the tiles, row by row."""
        return (window for _, window in cores(self.size, self.side))

    def put(self, at: tuple[int, int], labels: Int[np.ndarray, "h w"]) -> None:
        """Keeps the labels of a tile, by its row and column among the tiles."""
        self._tiles.put(_name(at), labels=labels)

    def has(self, at: tuple[int, int]) -> bool:
        """Whether there is a file of a tile."""
        return self._tiles.has(_name(at))

    def keep(self, place: Any) -> None:
        """Holds on to what deletes the folder when nothing does."""
        self._place = place

    def read(self, window: Window) -> Int[np.ndarray, "h w"]:
        """The labels of a window; `NO_DATA` where there is no data.

        Raises:
          TreeFileError: the file of a tile is missing or damaged.
        """
        side = self.side
        labels = np.empty(window.shape, np.int32)
        for row in range(window.top // side, -(-window.bottom // side)):
            for column in range(window.left // side, -(-window.right // side)):
                whole = Window(row * side, column * side, side, side)
                part = window.common(whole)
                tile = self._cached(row, column)
                labels[part.within(window)] = tile[part.within(whole)]
        return labels if self._numbers is None else self._numbers[labels]

    def _tile(self, row: int, column: int) -> Int[np.ndarray, "h w"]:
        found = self._tiles.get(_name((row, column)))
        if found is None or "labels" not in found:
            raise TreeFileError(
                f"{self.folder / _name((row, column))}.npz: expected the labels of a "
                "tile, but the file is missing or damaged; segment the image again."
            )
        return found["labels"]


def _name(at: tuple[int, int]) -> str:
    return f"tile_{at[0]:04d}_{at[1]:04d}"
