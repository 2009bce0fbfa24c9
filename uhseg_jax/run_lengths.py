"""Masks as COCO stores them: lengths of runs down the columns, compressed.

The masks of one label map are unions of its runs, so pixels are passed over once and
not once for every mask.
"""

import warnings
from typing import Any

import numpy as np

from uhseg_jax.types import Bool, Int, Integer

__all__ = [
    "RLE",
    "box_of",
    "compress",
    "counts_of",
    "decode",
    "encode",
    "expand",
    "runs_of",
]

RLE = dict[str, Any]
"""Run lengths as pycocotools has them: "size", [height, width], and "counts", bytes."""

_PIXELS_AT_ONCE = 2**22  # of a label map, when its runs are sought

# Digits of compressed counts: five bits each, the least first, and one that says that
# more follow; the highest bit of the last is the sign.
_ZERO, _BITS, _DIGIT, _MORE, _SIGN = ord("0"), 5, 0x1F, 0x20, 0x10
_LONGEST = 8  # digits, far beyond what an image has pixels


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


def box_of(counts: list[int], height: int) -> list[int]:
    """Left, top, width and height of the box around a mask that has a pixel.

    Args:
      counts: lengths of the alternating runs, as `counts_of` gives them.
      height: of the image.
    """
    ends = np.cumsum(counts)
    begins, lasts = ends[0::2][: len(counts) // 2], ends[1::2] - 1
    kept = begins <= lasts
    begins, lasts = begins[kept], lasts[kept]
    left, right = int(begins[0]) // height, int(lasts[-1]) // height
    # A run that goes on in the next column has pixels at the bottom and at the top.
    goes_on = bool((begins // height != lasts // height).any())
    top = 0 if goes_on else int((begins % height).min())
    bottom = height - 1 if goes_on else int((lasts % height).max())
    return [left, top, right - left + 1, bottom - top + 1]


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


def expand(counts: bytes) -> Int[np.ndarray, " r"]:
    """The lengths of alternating runs that the counts of an `RLE` hold.

    pycocotools reads what is damaged without a word, and past its end.

    Raises:
      ValueError: these bytes hold none.
    """
    digits = np.frombuffer(counts, np.uint8).astype(np.int64) - _ZERO
    if not digits.size or digits.min() < 0 or digits.max() > _DIGIT | _MORE:
        raise ValueError("expected run lengths in COCO's letters, from 0 to o.")
    ends = np.flatnonzero(digits & _MORE == 0)  # the last digit of every number
    starts = np.concatenate([[0], ends + 1])
    if starts[-1] != digits.size:
        raise ValueError("expected run lengths, but the last one breaks off.")
    starts = starts[:-1]
    places = np.arange(digits.size) - np.repeat(starts, ends + 1 - starts)
    if places.max() >= _LONGEST:
        raise ValueError("expected run lengths, but one has too many digits.")
    found = np.add.reduceat((digits & _DIGIT) << (_BITS * places), starts)
    sign = (digits[ends] & _SIGN) > 0
    found[sign] -= 1 << (_BITS * (places[ends[sign]] + 1))
    # From the fourth on they are differences to the last but one.
    for first in (1, 2):
        found[first::2] = np.cumsum(found[first::2])
    return found
