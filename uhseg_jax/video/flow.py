"""Optical flow between neighbouring frames, and where it can be relied on.

The flow is that of OpenCV's dense inverse search (Kroeger et al., ECCV 2016). It serves
to tell a region that changes from one that moves; no region is found by it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

import numpy as np

from uhseg_jax.optional import imported
from uhseg_jax.types import Bool, Float, Pixels

__all__ = ["consistent", "flow_between", "flows_of"]

# Sundaram, Brox and Keutzer (ECCV 2010): the way there and back may miss its start by
# this share of both squared lengths, and by this many squared pixels.
_SHARE = 0.01
_SLACK = 0.5


def flow_between(one: Pixels, other: Pixels) -> Float[np.ndarray, "H W 2"]:
    """Where the points of one frame are in another.

    Args:
      one: RGB pixels.
      other: those of another frame of the same size.

    Returns:
      float32, (to the right, downwards) in pixels for every pixel of ``one``.

    Raises:
      optional.MissingPackageError: OpenCV is not installed.
    """
    cv2 = imported("cv2", "Optical flow")
    gray = [cv2.cvtColor(x, cv2.COLOR_RGB2GRAY) for x in (one, other)]
    height, width = gray[0].shape
    # The search wants a few of its 8 x 8 patches along either side.
    beyond = [(0, max(0, 32 - height)), (0, max(0, 32 - width))]
    gray = [np.pad(x, beyond, mode="edge") for x in gray]
    search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flow: np.ndarray = search.calc(*gray, None)
    return flow[:height, :width]


def consistent(
    there: Float[np.ndarray, "H W 2"], back: Float[np.ndarray, "H W 2"]
) -> Bool[np.ndarray, "H W"]:
    """Which pixels return to where they began: seen in both frames, and found again.

    Args:
      there: flow from one frame to another.
      back: from that to the first.
    """
    height, width = there.shape[:2]
    rows, columns = np.indices((height, width))
    column = np.rint(columns + there[..., 0]).astype(np.int64)
    row = np.rint(rows + there[..., 1]).astype(np.int64)
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    returning = back[row.clip(0, height - 1), column.clip(0, width - 1)]
    missed = np.square(there + returning).sum(axis=-1)
    lengths = np.square(there).sum(axis=-1) + np.square(returning).sum(axis=-1)
    return inside & (missed < _SHARE * lengths + _SLACK)


def flows_of(
    frames: Iterable[Pixels],
) -> Iterator[tuple[Float[np.ndarray, "H W 2"], Bool[np.ndarray, "H W"]]]:
    """The flow from every frame to the next, and where it can be relied on.

    Args:
      frames: RGB pixels of one size; two are in memory at a time.

    Yields:
      `flow_between` and `consistent`; one fewer than there are frames.

    Raises:
      optional.MissingPackageError: OpenCV is not installed.
    """
    for one, other in itertools.pairwise(frames):
        there = flow_between(one, other)
        yield there, consistent(there, flow_between(other, one))
