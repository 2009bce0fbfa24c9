"""An image of any size to one tree of regions."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from uhseg_jax import backbones
from uhseg_jax.derivatives import require_values
from uhseg_jax.images import ImageLike, PathLike
from uhseg_jax.methods import DEFAULT_METHOD, Method
from uhseg_jax.pipeline import Segmenter, require_graphs, tree_of_graph
from uhseg_jax.rasters.files import open_raster
from uhseg_jax.rasters.label_raster import LabelRaster
from uhseg_jax.rasters.making import SIDE, Making
from uhseg_jax.rasters.raster_tree import LABELS, TREE, RasterTree
from uhseg_jax.rasters.reduced import Reduced
from uhseg_jax.rasters.sources import RasterSource
from uhseg_jax.rasters.tiles import Tiling
from uhseg_jax.rasters.tones import Colors

__all__ = ["DEFAULT_TILE", "segment_raster", "segment_source"]

DEFAULT_TILE = 1036
"""Pixels along a side of a tile: twice the side that the default model sees."""


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
        `RasterTree.load` reads; the same call goes on in it after it was stopped, and
        a tree that is finished clears what calls of other settings left there. None: a
        temporary one, which goes with the tree.
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
    tiling = _tiling(reduced, tile, overlap)
    work = folder / f".parts-{_digest(segmenter, tiling, reduced)}"
    making = Making(reduced, segmenter, tiling, work)
    making.run(on_tile or (lambda done, count: None))
    tree = tree_of_graph(making.graph(), segmenter.method, segmenter.config)
    (folder / TREE).unlink(missing_ok=True)  # written last, of these superpixels
    shutil.rmtree(folder / LABELS, ignore_errors=True)
    os.replace(work / LABELS, folder / LABELS)
    labels = LabelRaster(
        folder / LABELS, source.size, SIDE * k, making.numbers(), scale=k
    )
    found = RasterTree(tree, labels, source.title, source.georeference)
    found.save(folder)
    for parts in folder.glob(".parts-*"):  # and those of other settings
        shutil.rmtree(parts, ignore_errors=True)
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


def _tiling(reduced: Reduced, tile: int, overlap: int) -> Tiling:
    """The tiles over the blocks of a raster.

    Args:
      reduced: the raster.
      tile: pixels of the raster along a side.
      overlap: pixels of it that neighbours share at the least, below ``tile``.
    """
    side, shared = (-(-x // reduced.scale) for x in (tile, overlap))
    return Tiling(reduced.size, side, min(shared, side - 1))


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
