"""Time and memory of one tree for an image of any size, made of photographs.

    python benchmarks/large_images.py PHOTOGRAPHS --side=10000

prints the seconds and the peak memory of `segment_raster`, and beside them those of the
tiles' forwards alone. Seconds of the processor are those of all its cores together, and
tell most on a machine that others use as well.
"""

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from uhseg_jax.images import find_images, read_image, resize
from uhseg_jax.pipeline import Segmenter
from uhseg_jax.rasters import DEFAULT_TILE, ArrayRaster, segment_source
from uhseg_jax.rasters.tiles import Tiling

_CELL = 1000  # pixels along a side of a photograph
_SAMPLE = 12  # tiles whose forwards are timed


def mosaic(folder: Path, side: int, path: Path) -> np.ndarray:
    """Photographs side by side, each mirrored in turn, on disk.

    Args:
      folder: of the photographs, used again and again.
      side: pixels along a side of the whole.
      path: a file for it, npy.
    """
    photographs = [resize(read_image(x), (_CELL, _CELL)) for x in find_images(folder)]
    count = -(-side // _CELL)
    image = np.lib.format.open_memmap(path, "w+", np.uint8, (side, side, 3))
    for index in range(count * count):
        top, left = (x * _CELL for x in divmod(index, count))
        cell = photographs[index * 7 % len(photographs)]
        cell = cell[:, ::-1] if index % 2 else cell
        part = image[top : top + _CELL, left : left + _CELL]
        part[...] = cell[: part.shape[0], : part.shape[1]]
    image.flush()
    return np.load(path, mmap_mode="r")


@contextmanager
def timed(into: dict[str, float], name: str) -> Iterator[None]:
    """Notes the seconds of a block, on the wall and of the processor."""
    wall, processor = time.perf_counter(), time.process_time()
    yield
    into[f"{name}_s"] = round(time.perf_counter() - wall, 1)
    into[f"{name}_processor_s"] = round(time.process_time() - processor, 1)


def main() -> None:
    """Reads the command line and prints what was measured as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photographs", type=Path)
    parser.add_argument("--side", type=int, default=10_000)
    parser.add_argument("--tile", type=int, default=DEFAULT_TILE)
    parser.add_argument("--overlap", type=int)
    parser.add_argument("--output", type=Path, help="keep the result here")
    args = parser.parse_args()

    found: dict[str, float] = {}
    segmenter = Segmenter.create()
    with tempfile.TemporaryDirectory() as folder:
        image = mosaic(args.photographs, args.side, Path(folder) / "mosaic.npy")
        overlap = args.tile // 4 if args.overlap is None else args.overlap
        tiles = list(Tiling(image.shape[:2], args.tile, overlap).tiles())
        some = [np.array(image[x.window.slices]) for x in tiles[:_SAMPLE]]
        np.asarray(segmenter.features(some[: segmenter.step]))  # compiles
        with timed(found, "total"):
            tree = segment_source(
                ArrayRaster(image),
                segmenter,
                args.output or Path(folder) / "result",
                args.tile,
                overlap,
            )
        found["peak_gb"] = round(
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2
        )
        with timed(found, "forwards"):
            for start in range(0, len(some), segmenter.step):
                np.asarray(segmenter.features(some[start : start + segmenter.step]))
        for name in ("forwards_s", "forwards_processor_s"):
            found[name] = round(found[name] * len(tiles) / len(some), 1)
        found["tiles"] = len(tiles)
        found["superpixels"] = len(tree.tree.labels)
        with timed(found, "cut"):
            found["regions"] = len(
                {int(x) for _, strip in tree.strips(num_regions=64) for x in
                 np.unique(strip)}
            )  # fmt: skip
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
