"""Labels of a smaller copy, brought to the size of the image with smoother borders."""

import numpy as np

from uhseg_jax.interpolation import bilinear_cells
from uhseg_jax.types import Float, Int

__all__ = ["enlarge_labels"]

_BAND = 1 << 17  # pixels; arrays of so many stay in the cache


def enlarge_labels(
    labels: Int[np.ndarray, "h w"], size: tuple[int, int]
) -> Int[np.ndarray, "H W"]:
    """Every pixel takes the label with the largest bilinear vote of the four around it.

    The borders are those of the labels' interpolated indicators, which cut the corners
    of the stairs that nearest labels would leave. Of equal votes the pixel above wins,
    then the one to the left. Memory is needed for the result and for one band of rows.

    Args:
      labels: labels of the copy's pixels.
      size: pixels (height, width) of the image.
    """
    if labels.shape == size:
        return labels
    (top, _), (bottom, down) = bilinear_cells(labels.shape[0], size[0])
    (left, _), (right, rightward) = bilinear_cells(labels.shape[1], size[1])
    enlarged = np.empty(size, labels.dtype)
    band = max(1, _BAND // size[1])
    for start in range(0, size[0], band):
        rows = slice(start, start + band)
        corners = [
            labels.take(y[rows], axis=0).take(x, axis=1)
            for y in (top, bottom)
            for x in (left, right)
        ]
        first, *others = corners
        mixed = np.flatnonzero(np.logical_or.reduce([x != first for x in others]))
        row, column = np.divmod(mixed, size[1])
        first.ravel()[mixed] = _vote(
            np.stack([x.ravel()[mixed] for x in corners]),
            down[rows][row].astype(np.float32),
            rightward[column].astype(np.float32),
        )
        enlarged[rows] = first
    return enlarged


def _vote(
    labels: Int[np.ndarray, "4 m"],
    down: Float[np.ndarray, " m"],
    right: Float[np.ndarray, " m"],
) -> Int[np.ndarray, " m"]:
    """The label with the most weight at points between four pixels.

    Args:
      labels: of the pixels above left, above right, below left and below right.
      down: how far the points lie below the upper pixels, of 1.
      right: how far they lie to the right of the left pixels, of 1.
    """
    weights = [
        (1 - down) * (1 - right),
        (1 - down) * right,
        down * (1 - right),
        down * right,
    ]
    votes = [
        sum(w * (other == label) for w, other in zip(weights, labels, strict=True))
        for label in labels
    ]
    winner = np.argmax(votes, axis=0)
    return np.take_along_axis(labels, winner[None], axis=0)[0]
