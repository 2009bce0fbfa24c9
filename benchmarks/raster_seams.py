"""Whether tiles leave seams: trees by tiles beside trees of whole images.

    python benchmarks/raster_seams.py PHOTOGRAPHS --count=5

Photographs of 1,540 x 1,540 pixels become trees by tiles of 1,036 and, with as many
pixels to a patch, in one piece of 55 x 55 patches. Printed are the covering of the
regions of one cut by those of the other, and how dense the boundary is at the ends of
tiles beside everywhere. Two more rows say how alike trees in one piece are at all, from
the same superpixels: with features of the mirrored image, and with patches that lie
half a patch further.
"""

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np

from uhseg_jax import methods
from uhseg_jax.images import find_images, read_image, resize
from uhseg_jax.pipeline import Segmenter, tree_of_graph
from uhseg_jax.rasters import DEFAULT_TILE, RasterTree, segment_raster
from uhseg_jax.rasters.files import open_raster
from uhseg_jax.rasters.raster_graph import graph_of_cores
from uhseg_jax.rasters.reduced import Reduced
from uhseg_jax.rasters.superpixels import Lattice, core_regions
from uhseg_jax.rasters.tiles import Tile, pooled
from uhseg_jax.rasters.tones import Colors
from uhseg_jax.rasters.windows import Window, starts

_SIDE, _GRID = 1540, 55
_SCALE = 2  # pixels along a side of those that the model sees
_HALF_PATCH = 7  # of the pixels that the model sees
_BAND = 4  # pixels beside the end of a tile
_CUTS = (8, 32)


def covering(one: np.ndarray, other: np.ndarray) -> float:
    """Mean best overlap of the regions of one, by area, with those of another."""
    _, a = np.unique(one, return_inverse=True)
    _, b = np.unique(other, return_inverse=True)
    a, b = a.ravel(), b.ravel()
    shared = np.zeros((a.max() + 1, b.max() + 1))
    np.add.at(shared, (a, b), 1)
    areas, others = shared.sum(axis=1), shared.sum(axis=0)
    overlaps = shared / (areas[:, None] + others - shared)
    return float((overlaps.max(axis=1) * areas).sum() / areas.sum())


def at_ends(labels: np.ndarray, tile: int) -> float:
    """How dense the boundary is at the ends of tiles, beside everywhere: 1 is alike."""
    side = len(labels)
    ends = {0, side}
    inner = {
        x for first in starts(side, tile, tile // 4) for x in (first, first + tile)
    }
    near = np.zeros(side - 1, bool)
    for end in inner - ends:
        near[max(0, end - 1 - _BAND) : end + _BAND] = True
    down = labels[1:] != labels[:-1]
    right = (labels[:, 1:] != labels[:, :-1]).T
    return float(
        (down[near].mean() + right[near].mean()) / (down.mean() + right.mean())
    )


def otherwise(
    piece: RasterTree,
    image: np.ndarray,
    config: Any,
    *,
    margin: int = 0,
    mirrored: bool = False,
) -> RasterTree:
    """The tree of an image in one piece with features that are found otherwise.

    Args:
      piece: the tree, of which the superpixels are kept.
      image: RGB pixels.
      config: of "region_merging", with the grid and superpixels of one piece.
      margin: half a patch, in pixels that the model sees, is mirrored around the image;
        so there is one patch more on a side, and all lie half a patch further.
      mirrored: the model sees the image from behind, and features are turned back.
    """
    reduced = Reduced(Colors.of(open_raster(image)), _SCALE)
    window = Window(0, 0, *reduced.size)
    pixels, valid, _ = reduced.read(window)
    lattice = Lattice.over(reduced.size, reduced.size, config.superpixels)
    labels, regions = core_regions(pixels, valid, window, window, lattice)

    request = dataclasses.replace(config.request, grid=_GRID + (margin > 0))
    config = dataclasses.replace(config, request=request)
    segmenter = Segmenter.create(method="region_merging", config=config)
    around = ((margin, margin), (margin, margin))
    seen = np.pad(pixels, (*around, (0, 0)), mode="reflect")
    turn = -1 if mirrored else 1
    (features, *_) = segmenter.features([np.ascontiguousarray(seen[:, ::turn])])
    ones = np.ones(len(seen))
    numbers, sums = pooled(
        np.asarray(features)[:, ::turn],
        np.pad(labels, around, constant_values=-1),
        Tile(Window(0, 0, *seen.shape[:2]), ones, ones),
    )
    means = sums * (len(numbers) / labels.size)
    graph = graph_of_cores(
        {(0, 0): regions},
        {(0, 0): labels.shape},
        [(numbers, means)],
        len(request.blocks),
    )
    tree = tree_of_graph(graph, segmenter.method, config)
    return dataclasses.replace(piece, tree=tree)


def main() -> None:
    """Reads the command line and prints what was measured as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photographs", type=Path)
    parser.add_argument("--count", type=int, default=5)
    args = parser.parse_args()
    tiled = methods.METHODS["region_merging"].preset()
    pixels = (_SIDE / DEFAULT_TILE) ** 2
    count = round(tiled.superpixels.count * pixels)
    whole = dataclasses.replace(
        tiled,
        request=dataclasses.replace(tiled.request, grid=_GRID),
        superpixels=dataclasses.replace(tiled.superpixels, count=count),
    )
    rows = []
    for path in find_images(args.photographs)[: args.count]:
        image = resize(read_image(path), (_SIDE, _SIDE))
        ours = segment_raster(image, config=tiled)
        theirs = segment_raster(image, config=whole, tile=_SIDE)
        found = {
            "mirrored": otherwise(theirs, image, whole, mirrored=True),
            "moved": otherwise(theirs, image, whole, margin=_HALF_PATCH),
        }
        row: dict[str, float] = {}
        for number in _CUTS:
            one, other = (x.cut(num_regions=number) for x in (ours, theirs))
            row[f"covering_{number}"] = covering(other, one)
            row[f"covered_{number}"] = covering(one, other)
            for name, tree in found.items():
                cut = tree.cut(num_regions=number)
                row[f"covering_{name}_{number}"] = covering(other, cut)
            row[f"at_ends_{number}"] = at_ends(one, DEFAULT_TILE)
            row[f"at_ends_whole_{number}"] = at_ends(other, DEFAULT_TILE)
        rows.append(row)
        print(path.name, json.dumps({k: round(v, 3) for k, v in row.items()}))
    means = {k: round(float(np.mean([x[k] for x in rows])), 3) for k in rows[0]}
    print("mean", json.dumps(means))


if __name__ == "__main__":
    main()
