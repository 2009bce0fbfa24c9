"""What is found in the cores and tiles of a raster, kept on disk as it is found."""

from __future__ import annotations

import collections
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from uhseg_jax.parts import Parts
from uhseg_jax.pipeline import Segmenter
from uhseg_jax.processor import host_threads
from uhseg_jax.rasters.label_raster import LabelRaster
from uhseg_jax.rasters.raster_graph import graph_of_cores, numbers_of, within_float16
from uhseg_jax.rasters.raster_tree import LABELS
from uhseg_jax.rasters.reduced import Reduced
from uhseg_jax.rasters.superpixels import CoreRegions, Lattice, core_regions
from uhseg_jax.rasters.tiles import Tile, Tiling, pooled
from uhseg_jax.rasters.windows import Window, cores
from uhseg_jax.superpixels import RegionGraph, SuperpixelConfig
from uhseg_jax.types import Int

__all__ = ["SIDE", "Making"]

SIDE = 1024
"""Pixels along a side of a core, reduced."""


class Making:
    """The cores and tiles of a raster, kept on disk as they are found.

    Windows, cores and tiles are those of the reduced raster.

    Args:
      reduced: the raster.
      segmenter: whose backbone gives features.
      tiling: the tiles.
      work: folder of what is found.
    """

    def __init__(
        self, reduced: Reduced, segmenter: Segmenter, tiling: Tiling, work: Path
    ) -> None:
        self._reduced, self._segmenter, self._tiling = reduced, segmenter, tiling
        self._parts = Parts(work)
        k = reduced.scale
        self._labels = LabelRaster(
            work / LABELS, reduced.colors.size, SIDE * k, scale=k
        )
        config = getattr(segmenter.config, "superpixels", SuperpixelConfig())
        self._lattice = Lattice.over(reduced.size, tiling.shape, config)
        self._cores = dict(cores(reduced.size, SIDE))
        self._found: dict[tuple[int, int], Future[CoreRegions]] = {}
        self._reading = threading.Lock()  # libraries read one window at a time

    def run(self, on_tile: Callable[[int, int], None]) -> None:
        """Finds what is not there yet."""
        tiles = list(self._tiling.tiles())
        with ThreadPoolExecutor(host_threads(), "uhseg-raster") as pool:
            try:
                for at in self._cores:
                    self._found[at] = pool.submit(self._core, at)
                for done in self._tiles(tiles):
                    on_tile(done, len(tiles))
                for found in self._found.values():
                    found.result()
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise

    def numbers(self) -> Int[np.ndarray, " n"]:
        """The vertex of every cell, -1 of those without pixels."""
        found = numbers_of(self._regions())
        vertices = np.full(int(np.prod(self._lattice.cells)), -1, np.int32)
        vertices[found] = np.arange(len(found))
        return vertices

    def graph(self) -> RegionGraph:
        """The graph of all superpixels."""
        request = self._segmenter.config.request
        shapes = {at: window.shape for at, window in self._cores.items()}
        count = len(list(self._tiling.tiles()))
        return graph_of_cores(
            self._regions(),
            shapes,
            (self._tile(i) for i in range(count)),
            len(request.blocks),
        )

    def _regions(self) -> dict[tuple[int, int], CoreRegions]:
        return {at: found.result() for at, found in self._found.items()}

    # -- cores -----------------------------------------------------------------------

    def _core(self, at: tuple[int, int]) -> CoreRegions:
        """The superpixels of one core, from disk if they are there."""
        name = "core_{:04d}_{:04d}".format(*at)
        kept = self._parts.get(name)
        if kept is not None and self._labels.has(at):
            return CoreRegions(**kept)
        core = self._cores[at]
        window = core.grown(self._lattice.margin, self._reduced.size)
        pixels, valid, of_pixels = self._read(window)
        labels, regions = core_regions(pixels, valid, window, core, self._lattice)
        inner = self._reduced.full(core).within(self._reduced.full(window))
        self._labels.put(at, labels, of_pixels[inner])
        self._parts.put(name, **vars(regions))
        return regions

    def _read(self, window: Window) -> Any:
        with self._reading:
            return self._reduced.read(window)

    # -- tiles -----------------------------------------------------------------------

    def _tiles(self, tiles: Sequence[Tile]) -> Iterator[int]:
        """Finds the features of tiles, in groups that the devices take at once.

        A group is begun before the one before it is waited for.
        """
        done = 0
        left: collections.deque[int] = collections.deque()
        for index in range(len(tiles)):
            if self._parts.get(_tile_name(index)) is not None:
                done += 1
                yield done
            else:
                left.append(index)
        begun = None
        while left or begun is not None:
            step = min(self._segmenter.step, len(left))
            group = [left.popleft() for _ in range(step)]
            following = self._begin(tiles, group) if group else None
            if begun is not None:
                for index, features in zip(*begun, strict=False):
                    self._finish(index, tiles[index], np.asarray(features))
                    done += 1
                    yield done
            begun = following

    def _begin(self, tiles: Sequence[Tile], group: list[int]) -> tuple[list[int], Any]:
        images = []
        for index in group:
            pixels, valid, _ = self._read(tiles[index].window)
            pixels[~valid] = self._reduced.colors.mean
            images.append(pixels)
        return group, self._segmenter.features(images)

    def _finish(self, index: int, tile: Tile, features: np.ndarray) -> None:
        window = tile.window
        for row in range(window.top // SIDE, -(-window.bottom // SIDE)):
            for column in range(window.left // SIDE, -(-window.right // SIDE)):
                self._found[row, column].result()
        labels = self._labels.blocks(window)
        numbers, sums = pooled(features, labels, tile)
        # So that sums of the pixels of a superpixel are about one.
        unit = np.prod(self._reduced.size) / np.prod(self._lattice.cells)
        vectors = within_float16(sums / np.float32(unit))
        self._parts.put(_tile_name(index), numbers=numbers, vectors=vectors)

    def _tile(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        kept = self._parts.get(_tile_name(index))
        assert kept is not None, "it was found"
        return kept["numbers"], kept["vectors"]


def _tile_name(index: int) -> str:
    return f"tile_{index:06d}"
