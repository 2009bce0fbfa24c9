"""One outline for formats that have no holes, or one polygon for a region.

From one of its points the outline goes to the nearest of a hole, around the hole, and
back on the same line. Such a seam has no width, so that whoever fills an outline by
counting how often he crosses it, or by its turns, fills the same as with the hole.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from uhseg_jax.outlines.polygons import Polygon
from uhseg_jax.types import Int

__all__ = ["in_one", "without_holes"]

Ring = Int[np.ndarray, "_ 2"]

_MOST_PAIRS = 2**20  # of points that are compared at a time


def without_holes(polygon: Polygon) -> Ring:
    """The outline of a polygon, led around its holes.

    Returns:
      ``[n, 2]``, x and y, where the ends of seams stand twice.
    """
    return _sewn(polygon.rings)


def in_one(polygons: Iterable[Polygon]) -> Ring:
    """One outline around all pieces of a region and their holes; at least one piece."""
    return _sewn([ring for polygon in polygons for ring in polygon.rings])


def _sewn(rings: Sequence[Ring]) -> Ring:
    """An outline along all rings."""
    if len(rings) == 1:
        return rings[0]
    points, lengths = np.concatenate(rings), [len(x) for x in rings]
    stops = np.cumsum(lengths)
    after = np.arange(1, len(points) + 1)
    after[stops - 1] = stops - lengths
    seams: dict[int, list[int]] = {}
    for one, other in _seams(points, np.repeat(np.arange(len(rings)), lengths)):
        seams.setdefault(one, []).append(other)
    way = points[list(_walk(after.tolist(), seams))]
    return way[(way != np.roll(way, 1, axis=0)).any(1)]  # seams may have no length


def _walk(after: list[int], seams: dict[int, list[int]]) -> Iterator[int]:
    """Points along the first ring, and at every seam along the ring that it leads to.

    Args:
      after: the next point of the ring of every point.
      seams: where those lead to that begin in a point; emptied.
    """
    ways = [(0, 0)]  # of every ring that is being walked, its begin and where one is
    yield 0
    while ways:
        start, point = ways[-1]
        if seams.get(point):
            other = seams[point].pop()
            ways.append((other, other))
            yield other
        elif after[point] != start:
            ways[-1] = (start, after[point])
            yield after[point]
        else:
            ways.pop()
            if ways:
                yield start
                yield ways[-1][1]


def _seams(
    points: Int[np.ndarray, "n 2"], rings: Int[np.ndarray, " n"]
) -> Iterator[tuple[int, int]]:
    """A tree of seams between rings, the first ring first, the shortest ones first.

    Args:
      points: of all rings.
      rings: the number of the ring of every point.

    Yields:
      A point of a ring that was reached before, and one of a ring that was not.
    """
    x, y = np.ascontiguousarray(points.T)
    waits = rings != 0
    distances = np.full(len(points), np.iinfo(np.int64).max)
    nearest = np.zeros(len(points), np.int64)
    reached = np.flatnonzero(~waits)
    while waits.any():
        (others,) = np.nonzero(waits)
        size = max(1, _MOST_PAIRS // len(others))
        for begin in range(0, len(reached), size):
            some = reached[begin : begin + size]
            apart = (x[others, None] - x[some]) ** 2 + (y[others, None] - y[some]) ** 2
            best = apart.argmin(1)
            apart = apart[np.arange(len(others)), best]
            nearer = apart < distances[others]
            distances[others[nearer]] = apart[nearer]
            nearest[others[nearer]] = some[best[nearer]]
        other = int(others[distances[others].argmin()])
        yield int(nearest[other]), other
        reached = np.flatnonzero(rings == rings[other])
        waits[reached] = False
