"""Borders with fewer points, at most so far from where they were.

Every arc is simplified by itself (Ramer, 1972; Douglas & Peucker, 1973): between two
points that stay, the point farthest from the line between them stays too if it is
farther than the tolerance. Since both neighbours of an arc take the same points, no gap
opens between them. Lines that then cross, touch or pass over the end of another get
points back until none does (after Saalfeld, "Topologically Consistent Line
Simplification with the Douglas-Peucker Algorithm", 1999), so no region overlaps
another, is turned inside out or lost.
"""

import numpy as np

from uhseg_jax.outlines.borders import Borders, ranges
from uhseg_jax.outlines.crossings import crossing, enclosing
from uhseg_jax.types import Bool, Float, Int

__all__ = ["simplified"]


def simplified(borders: Borders, tolerance: float) -> Bool[np.ndarray, " v"]:
    """Which points of the arcs stay; the ends of arcs always do.

    Args:
      borders: the arcs.
      tolerance: how far, in pixels, a border may come to lie from where it was; with 0
        all points stay.
    """
    points, starts, lasts = borders.points, borders.starts[:-1], borders.starts[1:] - 1
    if tolerance == 0:
        return np.ones(len(points), bool)
    kept, is_last = np.zeros((2, len(points)), bool)
    is_last[lasts] = kept[lasts] = kept[starts] = True
    begins, ends = starts, lasts
    while True:
        _refine(points, kept, begins, ends, tolerance)
        found = np.flatnonzero(kept)
        lines = ~is_last[found[:-1]]
        begins, ends = found[:-1][lines], found[1:][lines]
        wrong = _in_the_way(points, kept, begins, ends)
        if not wrong.any():
            return kept
        begins, ends = _divided(points, kept, begins[wrong], ends[wrong])


def _refine(
    points: Int[np.ndarray, "v 2"],
    kept: Bool[np.ndarray, " v"],
    begins: Int[np.ndarray, " l"],
    ends: Int[np.ndarray, " l"],
    tolerance: float,
) -> None:
    """Keeps more points on these lines, until all that is left out is near enough."""
    while begins.size:
        _, distances = _farthest(points, begins, ends)
        beyond = distances > tolerance**2
        begins, ends = _divided(points, kept, begins[beyond], ends[beyond])


def _divided(
    points: Int[np.ndarray, "v 2"],
    kept: Bool[np.ndarray, " v"],
    begins: Int[np.ndarray, " l"],
    ends: Int[np.ndarray, " l"],
) -> tuple[Int[np.ndarray, " l2"], Int[np.ndarray, " l2"]]:
    """Keeps the farthest point of every line, which makes two of it."""
    middles, _ = _farthest(points, begins, ends)
    kept[middles] = True
    return np.concatenate([begins, middles]), np.concatenate([middles, ends])


def _in_the_way(
    points: Int[np.ndarray, "v 2"],
    kept: Bool[np.ndarray, " v"],
    begins: Int[np.ndarray, " l"],
    ends: Int[np.ndarray, " l"],
) -> Bool[np.ndarray, " l"]:
    """The lines that must be divided, since they are not where their border was."""
    wrong = np.zeros(len(begins), bool)
    wrong[crossing(points[begins], points[ends]).ravel()] = True
    others = np.unique(points[kept], axis=0)
    wrong[enclosing(points, begins, ends, others)] = True
    return wrong & (ends > begins + 1)  # others are borders as they were


def _farthest(
    points: Int[np.ndarray, "v 2"],
    begins: Int[np.ndarray, " l"],
    ends: Int[np.ndarray, " l"],
) -> tuple[Int[np.ndarray, " l"], Float[np.ndarray, " l"]]:
    """The point between the ends of every line that is farthest from it.

    Returns:
      Its index, and the square of its distance; -1 for that where there is none.
    """
    middles, distances = begins.copy(), np.full(len(begins), -1.0)
    lengths = ends - begins - 1
    some = np.flatnonzero(lengths > 0)
    if not some.size:
        return middles, distances
    index = ranges(begins[some] + 1, lengths[some])
    line = np.repeat(np.arange(len(some)), lengths[some])
    found = _squared_distances(
        points[index], points[begins[some]][line], points[ends[some]][line]
    )
    first = np.cumsum(lengths[some]) - lengths[some]
    highest = np.maximum.reduceat(found, first)
    (reached,) = np.nonzero(found == highest[line])
    lines, place = np.unique(line[reached], return_index=True)
    middles[some[lines]] = index[reached[place]]
    distances[some] = highest
    return middles, distances


def _squared_distances(
    points: Int[np.ndarray, "n 2"],
    begins: Int[np.ndarray, "n 2"],
    ends: Int[np.ndarray, "n 2"],
) -> Float[np.ndarray, " n"]:
    """Of every point to its own line between two points, which may be one."""
    along, away = ends - begins, points - begins
    squared = (along**2).sum(1)
    share = (along * away).sum(1) / np.maximum(squared, 1)
    nearest = share.clip(0, 1)[:, None] * along
    return ((away - nearest) ** 2).sum(1)
