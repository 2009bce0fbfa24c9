"""Masks as COCO stores them: lengths of runs down the columns, compressed.

The masks of one label map are unions of its runs, so pixels are passed over once and
not once for every mask.
"""

import warnings
from typing import Any

import numpy as np

from uhseg_jax.types import Bool, Int, Integer

__all__ = ["RLE", "compress", "counts_of", "decode", "encode", "runs_of"]

RLE = dict[str, Any]  # pycocotools': "size", [height, width], and "counts", bytes

_PIXELS_AT_ONCE = 2**22  # of a label map, when its runs are sought


def runs_of(
    labels: Integer[np.ndarray, "h w"],
) -> tuple[Integer[np.ndarray, " r"], Int[np.ndarray, " r"]]:
    """Labels and lengths of the runs of a label map, down its columns."""
    height, width = labels.shape
    columns = max(1, _PIXELS_AT_ONCE // height)
    found, starts = [], []
    for left in range(0, width, columns):
        part = labels[:, left : left + columns].ravel(order="F")
        begins = np.flatnonzero(np.concatenate([[True], part[1:] != part[:-1]]))
        found.append(part[begins])
        starts.append(begins + left * height)
    ends = np.concatenate([*starts, [labels.size]])
    return np.concatenate(found), np.diff(ends)


def counts_of(
    inside: Bool[np.ndarray, " r"], lengths: Int[np.ndarray, " r"]
) -> list[int]:
    """Lengths of the alternating runs of a mask, the first one outside (perhaps 0).

    Args:
      inside: which runs of `runs_of` belong to the mask.
      lengths: of all of them.
    """
    begins = np.flatnonzero(np.concatenate([[True], inside[1:] != inside[:-1]]))
    counts = np.add.reduceat(lengths, begins).tolist()
    return [0, *counts] if inside[0] else counts


def compress(counts: list[int], size: tuple[int, ...]) -> RLE:
    """The mask of these alternating runs, in an image of this height and width."""
    from pycocotools import mask as coco_mask

    height, width = size
    uncompressed = {"size": [height, width], "counts": counts}
    return coco_mask.frPyObjects(uncompressed, height, width)


def encode(mask: Bool[np.ndarray, "h w"]) -> RLE:
    """A mask, compressed."""
    from pycocotools import mask as coco_mask

    return coco_mask.encode(np.asfortranarray(mask, np.uint8))


def decode(rle: RLE) -> Bool[np.ndarray, "h w"]:
    """The pixels of a compressed mask."""
    from pycocotools import mask as coco_mask

    with warnings.catch_warnings():  # its arrays lack what NumPy 2 asks of them
        warnings.simplefilter("ignore", DeprecationWarning)
        return coco_mask.decode(rle).astype(bool)
