"""Photographs of many sizes, out of the three that scikit-image carries."""

import importlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from uhseg_jax.images import resize
from uhseg_jax.scratch import scratch_folder
from uhseg_jax.types import UInt8

__all__ = ["TWELVE", "folder_of", "photograph", "random_sizes"]

# (rows, columns) of photographs as people have them on their disks.
TWELVE = (
    *((776, 543), (372, 275), (1009, 622), (553, 793), (568, 780), (874, 728)),
    *((605, 1000), (701, 910), (1036, 1371), (437, 609), (279, 403), (229, 445)),
)
_NAMES = ("astronaut", "coffee", "chelsea")
_QUALITY = 92  # of JPEG


def photograph(index: int, size: tuple[int, int]) -> UInt8[np.ndarray, "H W 3"]:
    """A part of one of three photographs, at some size.

    Args:
      index: which photograph, and which part of it; the same gives the same pixels.
      size: (rows, columns).
    """
    data = importlib.import_module("skimage.data")
    whole = np.asarray(getattr(data, _NAMES[index % len(_NAMES)])())
    rows, columns = whole.shape[:2]
    # The largest part of that aspect, a little smaller each time.
    scale = min(rows / size[0], columns / size[1]) * (1 - index % 7 / 20)
    height, width = (max(int(scale * x), 1) for x in size)
    rng = np.random.default_rng(index)
    top, left = rng.integers(rows - height + 1), rng.integers(columns - width + 1)
    return resize(whole[top : top + height, left : left + width], size)


def random_sizes(count: int, *, low: int, high: int) -> Iterator[tuple[int, int]]:
    """Sizes (rows, columns) with aspects up to 3 : 1, small ones as often as large."""
    rng = np.random.default_rng(0)
    for _ in range(count):
        long = np.exp(rng.uniform(np.log(low), np.log(high)))
        short = max(long / np.exp(rng.uniform(0, np.log(3))), low)
        sides = (round(long), round(short))
        yield sides if rng.integers(2) else sides[::-1]


@contextmanager
def folder_of(sizes: Sequence[tuple[int, int]]) -> Iterator[Path]:
    """A folder of JPEG files, one of every size."""
    with scratch_folder() as folder:
        for index, size in enumerate(sizes):
            path = folder / f"{index:04}.jpg"
            Image.fromarray(photograph(index, size)).save(path, quality=_QUALITY)
        yield folder
