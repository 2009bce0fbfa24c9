"""Masks as polygons along the edges of their pixels, which give the mask back exactly.

COCO joins the polygons of an annotation and knows no holes, so a piece with holes is
divided through each of them; the parts touch along the cut.
"""

from collections.abc import Iterator

import numpy as np
from scipy import ndimage

from uhseg_jax.types import Bool

__all__ = ["polygons"]

_TOUCHING = np.ones((3, 3), bool)  # the outside goes on at corners as well
_RIGHT, _DOWN, _LEFT, _UP = (0, 1), (1, 0), (0, -1), (-1, 0)
_STEPS = (_RIGHT, _DOWN, _LEFT, _UP)  # clockwise
# Where the pixels ahead lie from the corner (top left) of a pixel, when one walks that
# way: first the one to the right of the way, then the one to its left.
_AHEAD = {
    _RIGHT: ((0, 0), (-1, 0)),
    _DOWN: ((0, -1), (0, 0)),
    _LEFT: ((-1, -1), (0, -1)),
    _UP: ((-1, 0), (-1, -1)),
}


def polygons(mask: Bool[np.ndarray, "H W"]) -> list[list[int]]:
    """The outlines of a mask.

    Args:
      mask: True inside.

    Returns:
      ``[x, y, x, y, ...]`` of every piece, clockwise, in corners of pixels: the pixel
      in row r and column c lies between (c, r) and (c + 1, r + 1). Corners lie where
      an outline turns. No two polygons overlap.
    """
    return [
        _outline(np.pad(piece, 1), top, left)
        for piece, top, left in _pieces(mask, 0, 0)
    ]


def _pieces(
    mask: Bool[np.ndarray, "h w"], top: int, left: int
) -> Iterator[tuple[Bool[np.ndarray, "h w"], int, int]]:
    """Connected pieces without holes, each in its box, and where the box lies."""
    labels, _ = ndimage.label(mask)  # along edges
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        piece = labels[box] == number
        rows, columns = box
        y, x = top + rows.start, left + columns.start
        # The first of them holds a corner of the box, so it is the outside.
        _, *holes = ndimage.find_objects(
            ndimage.label(np.pad(~piece, 1, constant_values=True), _TOUCHING)[0]
        )
        if not holes:
            yield piece, y, x
            continue
        middles = [(hole[1].start + hole[1].stop) // 2 - 1 for hole in holes]
        cut = min(middles, key=lambda middle: abs(2 * middle - piece.shape[1]))
        yield from _pieces(piece[:, :cut], y, x)
        yield from _pieces(piece[:, cut:], y, x + cut)


def _outline(padded: Bool[np.ndarray, "h2 w2"], top: int, left: int) -> list[int]:
    """The one outline of a piece, followed with the piece to the right.

    Where two pixels of the piece meet at a corner only, it stays with the one it was
    at, for pieces are connected along edges.
    """
    inside = padded.tolist()
    row, column = 1, inside[1].index(True)
    start, direction = (row, column), 0
    corners = []
    while True:
        row, column = row + _STEPS[direction][0], column + _STEPS[direction][1]
        on_right, on_left = _AHEAD[_STEPS[direction]]
        if not inside[row + on_right[0]][column + on_right[1]]:
            turn = 1
        elif inside[row + on_left[0]][column + on_left[1]]:
            turn = -1
        else:
            continue
        corners += [column - 1 + left, row - 1 + top]
        direction = (direction + turn) % 4
        if (row, column) == start:
            return corners
