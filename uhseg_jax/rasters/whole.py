"""An image of any size to one tree of regions."""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import json
import os
import shutil
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from uhseg_jax import backbones
from uhseg_jax.derivatives import require_values
from uhseg_jax.images import ImageLike, PathLike
from uhseg_jax.methods import DEFAULT_METHOD, Method
from uhseg_jax.parts import Parts
from uhseg_jax.pipeline import Segmenter, require_graphs, tree_of_graph
from uhseg_jax.processor import host_threads
from uhseg_jax.rasters.files import open_raster
from uhseg_jax.rasters.label_raster import LabelRaster
from uhseg_jax.rasters.raster_graph import graph_of_cores, numbers_of
from uhseg_jax.rasters.raster_tree import LABELS, RasterTree
from uhseg_jax.rasters.reduced import Reduced
from uhseg_jax.rasters.sources import RasterSource
from uhseg_jax.rasters.superpixels import CoreRegions, Lattice, core_regions
from uhseg_jax.rasters.tiles import Tile, Tiling, pooled
from uhseg_jax.rasters.tones import Colors
from uhseg_jax.rasters.windows import Window, cores
from uhseg_jax.superpixels import SuperpixelConfig
from uhseg_jax.types import Int

__all__ = ["DEFAULT_TILE", "segment_raster", "segment_source"]

DEFAULT_TILE = 1036
"""Pixels along a side of a tile: twice the side that the default model sees."""

_SIDE = 1024  # pixels along a side of a core, reduced


def segment_raster(
    image: ImageLike | RasterSource,
    *,
    output: PathLike | None = None,
    tile: int = DEFAULT_TILE,
    overlap: int | None = None,
    bands: Sequence[int] | None = None,
    method: str | Method = DEFAULT_METHOD,
    model: str | backbones.Variant = backbones.DEFAULT_VARIANT,
    config: Any = None,
    checkpoint_dir: PathLike | None = None,
    dtype: str = backbones.AUTO,
) -> RasterTree:
    """The tree of nested regions of an image of any size, without seams.

    The image is read by windows. Its tiles go through the backbone, each resized to
    what the method asks for, and where they overlap their features are blended;
    superpixels are found in windows that agree where they meet; all of them are one
    graph, and the method works on that.

        >>> import uhseg_jax
        >>> tree = uhseg_jax.segment_raster("scan.tif")  # doctest: +SKIP
        >>> for window, labels in tree.strips(num_regions=50):  # doctest: +SKIP
        ...     ...

    Memory is that of some windows and of one vector for each superpixel.

    Args:
      image: a file, an array ``[H, W]`` or ``[H, W, bands]``, which may be mapped from
        disk, or a `rasters.RasterSource`.
      output: a folder for the tree and the superpixels of the pixels, which
        `RasterTree.load` reads; the same call goes on in it after it was stopped. None:
        a temporary one, which goes with the tree.
      tile: pixels of the image along a side of a tile. With 37 patches on a side, a
        patch is 28 pixels of 1036, and superpixels are found in blocks of two by two
        pixels, as the model sees them. Larger tiles see more of what is around and less
        of what is small.
      overlap: pixels that neighbouring tiles share at the least; None for a quarter.
      bands: numbers of the bands that are red, green and blue, from 1, or of one; None
        for the first three, or the first.
      method: "region_merging" or "recursive_spectral", or a `Method` that takes graphs.
      model: as for `segment`.
      config: the method's frozen config; None for its default. Its superpixels are
        those of each tile.
      checkpoint_dir: as for `segment`.
      dtype: as for `segment`.

    Raises:
      ValueError: unknown method, model or dtype, a config of another method, a method
        that needs the patches of one image, or an overlap that is no less than a tile.
      images.ImageError: the image cannot be read, or has no data.
      backbones.WeightsError: the weights could not be had.
      OSError: ``output`` cannot be written; what is finished stays there.
    """
    require_values("segment_raster", image)
    source = open_raster(image)
    segmenter = Segmenter.create(
        method=method,
        model=model,
        config=config,
        checkpoint_dir=checkpoint_dir,
        dtype=dtype,
    )
    require_graphs(segmenter.method)
    if output is not None:
        return segment_source(source, segmenter, output, tile, overlap, bands)
    place = tempfile.mkdtemp(prefix="uhseg-raster-")
    try:
        tree = segment_source(source, segmenter, place, tile, overlap, bands)
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise
    # When the last tree with these superpixels goes, or the process ends.
    weakref.finalize(tree.superpixels, shutil.rmtree, place, ignore_errors=True)
    return tree


def segment_source(
    source: RasterSource,
    segmenter: Segmenter,
    folder: PathLike,
    tile: int = DEFAULT_TILE,
    overlap: int | None = None,
    bands: Sequence[int] | None = None,
    *,
    on_tile: Callable[[int, int], None] | None = None,
) -> RasterTree:
    """The tree of a raster, by a segmenter that is there already.

    Args:
      source: the raster.
      segmenter: of a method that takes graphs.
      folder: for the result, and for what was found so far.
      tile: as for `segment_raster`.
      overlap: as for `segment_raster`.
      bands: as for `segment_raster`.
      on_tile: is told how many tiles are done and how many there are, after each.

    Raises:
      ValueError: the method needs the patches of one image, or the overlap is no less
        than a tile.
      RasterError: the raster cannot be read, or has no data.
      OSError: the folder cannot be written; what is finished stays there.
    """
    require_graphs(segmenter.method)
    overlap = tile // 4 if overlap is None else overlap
    if not 0 <= overlap < tile:
        raise ValueError(
            f"expected an overlap from 0 to below the side of a tile, {tile}, but got "
            f"{overlap}."
        )
    folder = Path(folder)
    reduced = Reduced(
        Colors.of(source, bands), _scale(source.size, tile, segmenter.image_size)
    )
    k = reduced.scale
    tiling = Tiling(reduced.size, -(-tile // k), -(-overlap // k))
    work = folder / f".parts-{_digest(segmenter, tiling, reduced)}"
    making = _Making(reduced, segmenter, tiling, work)
    making.run(on_tile or (lambda done, count: None))
    tree = tree_of_graph(making.graph(), segmenter.method, segmenter.config)
    shutil.rmtree(folder / LABELS, ignore_errors=True)
    os.replace(work / LABELS, folder / LABELS)
    labels = LabelRaster(
        folder / LABELS, source.size, _SIDE * k, making.numbers(), scale=k
    )
    found = RasterTree(tree, labels, source.title, source.georeference)
    found.save(folder)
    shutil.rmtree(work, ignore_errors=True)
    return found


def _scale(size: tuple[int, int], tile: int, seen: tuple[int, int]) -> int:
    """Pixels along a side of those in which superpixels are found.

    They are the size of those that the backbone sees, or somewhat smaller.

    Args:
      size: pixels (height, width) of the raster.
      tile: of a tile.
      seen: pixels of a tile as it goes through the backbone.
    """
    return max(1, min(min(tile, x) // y for x, y in zip(size, seen, strict=True)))


class _Making:
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
            work / LABELS, reduced.colors.size, _SIDE * k, scale=k
        )
        config = getattr(segmenter.config, "superpixels", SuperpixelConfig())
        self._lattice = Lattice.over(reduced.size, tiling.shape, config)
        self._cores = dict(cores(reduced.size, _SIDE))
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

    def graph(self) -> Any:
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
        for at, core in self._cores.items():
            if all(tile.window.common(core).shape):
                self._found[at].result()
        labels = self._labels.blocks(tile.window)
        numbers, sums = pooled(features, labels, tile)
        # So that sums of the pixels of a superpixel are about one.
        unit = np.prod(self._reduced.size) / np.prod(self._lattice.cells)
        vectors = (sums / np.float32(unit)).astype(np.float16)
        self._parts.put(_tile_name(index), numbers=numbers, vectors=vectors)

    def _tile(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        kept = self._parts.get(_tile_name(index))
        assert kept is not None, "it was found"
        return kept["numbers"], kept["vectors"]


def _tile_name(index: int) -> str:
    return f"tile_{index:06d}"


def _digest(segmenter: Segmenter, tiling: Tiling, reduced: Reduced) -> str:
    """Tells computations apart whose parts differ."""
    colors = reduced.colors
    about = {
        "scale": reduced.scale,
        "backbone": segmenter.backbone.settings(),
        "request": repr(segmenter.config.request),
        "superpixels": repr(getattr(segmenter.config, "superpixels", None)),
        "tiling": dataclasses.astuple(tiling),
        "bands": colors.bands,
        "ends": colors.ends,
        "source": colors.source.identity(),
    }
    content = json.dumps(about, sort_keys=True, default=str).encode()
    return hashlib.sha256(content).hexdigest()[:12]
