"""Whether tiles leave seams: trees by tiles beside trees of whole images.

    python benchmarks/raster_seams.py PHOTOGRAPHS --count=5

Photographs of 1,540 x 1,540 pixels become trees by tiles of 1,036 and, with as many
pixels to a patch, in one piece of 55 x 55 patches. Printed are the covering of the
regions of one cut by those of the other, and how dense the boundary is at the ends of
tiles beside everywhere.
"""

import argparse
import dataclasses
import json
from pathlib import Path

import numpy as np

from uhseg_jax import methods
from uhseg_jax.images import find_images, read_image, resize
from uhseg_jax.rasters import DEFAULT_TILE, segment_raster
from uhseg_jax.rasters.windows import starts

_SIDE, _GRID = 1540, 55
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
        row: dict[str, float] = {}
        for number in _CUTS:
            one, other = (x.cut(num_regions=number) for x in (ours, theirs))
            row[f"covering_{number}"] = covering(other, one)
            row[f"covered_{number}"] = covering(one, other)
            row[f"at_ends_{number}"] = at_ends(one, DEFAULT_TILE)
            row[f"at_ends_whole_{number}"] = at_ends(other, DEFAULT_TILE)
        rows.append(row)
        print(path.name, json.dumps({k: round(v, 3) for k, v in row.items()}))
    means = {k: round(float(np.mean([x[k] for x in rows])), 3) for k in rows[0]}
    print("mean", json.dumps(means))


if __name__ == "__main__":
    main()
