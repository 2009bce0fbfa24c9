"""Which lines between points of integers are in each other's way; exactly."""

from collections.abc import Iterator

import numpy as np

from uhseg_jax.outlines.borders import ranges
from uhseg_jax.types import Bool, Int

__all__ = ["crossing", "enclosing", "passes"]

_MOST_PAIRS = 2**20  # that are compared at a time


def crossing(
    begins: Int[np.ndarray, "l 2"], ends: Int[np.ndarray, "l 2"]
) -> Int[np.ndarray, "p 2"]:
    """Pairs of lines with a point in common that is not an end of both.

    A line of no length is one of a pair with itself.

    Args:
      begins: x and y of where every line begins.
      ends: of where it ends.
    """
    low, high = np.minimum(begins, ends), np.maximum(begins, ends)
    order = np.argsort(low[:, 0], kind="stable")
    lefts = low[order, 0]
    # Those that begin no farther to the left than this one, but before it ends.
    count = np.searchsorted(lefts, high[order, 0], side="right")
    first = np.arange(1, len(order) + 1)
    points = np.flatnonzero((begins == ends).all(1))
    found = [np.stack([points, points], axis=1)]
    for one, other in _pairs(first, count):
        one, other = order[one], order[other]
        near = (low[one, 1] <= high[other, 1]) & (low[other, 1] <= high[one, 1])
        one, other = one[near], other[near]
        wrong = _meet(begins[one], ends[one], begins[other], ends[other])
        found.append(np.stack([one[wrong], other[wrong]], axis=1))
    return np.concatenate(found)


def _meet(
    a: Int[np.ndarray, "n 2"],
    b: Int[np.ndarray, "n 2"],
    c: Int[np.ndarray, "n 2"],
    d: Int[np.ndarray, "n 2"],
) -> Bool[np.ndarray, " n"]:
    """Whether lines ab and cd have a point in common that is not an end of both."""
    ac, ad, bc, bd = (_same(x, y) for x in (a, b) for y in (c, d))
    shared = ac.astype(int) + ad + bc + bd
    across = _sides_of(a, b, c) * _sides_of(a, b, d) <= 0
    across &= _sides_of(c, d, a) * _sides_of(c, d, b) <= 0
    for axis in (0, 1):  # on one line they may lie apart
        low = np.maximum(np.minimum(a, b), np.minimum(c, d))[..., axis]
        high = np.minimum(np.maximum(a, b), np.maximum(c, d))[..., axis]
        across &= low <= high
    # From a common end they go on; they overlap if they do so in the same direction.
    common = np.where((ac | ad)[..., None], a, b)
    one = np.where((ac | ad)[..., None], b, a)
    other = np.where((ac | bc)[..., None], d, c)
    together = (_sides_of(common, one, other) == 0) & (
        ((one - common) * (other - common)).sum(-1) > 0
    )
    return np.where(shared == 0, across, (shared > 1) | together)


def enclosing(
    points: Int[np.ndarray, "v 2"],
    begins: Int[np.ndarray, " l"],
    ends: Int[np.ndarray, " l"],
    others: Int[np.ndarray, "o 2"],
) -> Int[np.ndarray, " f"]:
    """The lines with a point between them and the chain that they stand for.

    Args:
      points: of all chains.
      begins: index of the first point of the chain of every line.
      ends: that of its last point.
      others: the points to look for; those on the chain of a line do not count.
    """
    lines = np.flatnonzero(ends > begins + 1)
    if not lines.size:
        return lines
    begins, ends = begins[lines], ends[lines]
    lengths = ends - begins + 1
    chain = points[ranges(begins, lengths)]
    first = np.cumsum(lengths) - lengths
    low = np.minimum.reduceat(chain, first)
    high = np.maximum.reduceat(chain, first)
    others = others[np.argsort(others[:, 0], kind="stable")]
    start = np.searchsorted(others[:, 0], low[:, 0], side="left")
    stop = np.searchsorted(others[:, 0], high[:, 0], side="right")
    found = []
    for line, other in _pairs(start, stop):
        point = others[other]
        near = (low[line, 1] <= point[:, 1]) & (point[:, 1] <= high[line, 1])
        for end in (points[begins[line]], points[ends[line]]):
            near &= ~_same(point, end)
        line, point = line[near], point[near]
        inside = _inside(points, begins[line], ends[line], point)
        found.append(lines[line[inside]])
    return np.unique(np.concatenate(found)) if found else lines[:0]


def _inside(
    points: Int[np.ndarray, "v 2"],
    begins: Int[np.ndarray, " n"],
    ends: Int[np.ndarray, " n"],
    point: Int[np.ndarray, "n 2"],
) -> Bool[np.ndarray, " n"]:
    """Whether a point lies in the polygon of a chain, for n of both."""
    lengths = ends - begins + 1
    index = ranges(begins, lengths)
    which = np.repeat(np.arange(len(begins)), lengths)
    is_last = index == ends[which]
    after = np.where(is_last, begins[which], index + 1)
    passed = passes(points[index], points[after], point[which])
    return np.bincount(which, passed, len(begins)) % 2 == 1


def passes(
    a: Int[np.ndarray, "n 2"],
    b: Int[np.ndarray, "n 2"],
    point: Int[np.ndarray, "n 2"],
) -> Bool[np.ndarray, " n"]:
    """Whether the edge from a to b crosses the ray from a point to the right."""
    below_a, below_b = a[..., 1] > point[..., 1], b[..., 1] > point[..., 1]
    side = _sides_of(a, b, point)
    return (below_a != below_b) & np.where(below_b, side > 0, side < 0)


def _sides_of(
    a: Int[np.ndarray, "n 2"], b: Int[np.ndarray, "*n 2"], c: Int[np.ndarray, "*n 2"]
) -> Int[np.ndarray, " n"]:
    """1 where c lies to the right of the way from a to b, as y grows down; 0 on it."""
    ab, ac = b - a, c - a
    return np.sign(ab[..., 0] * ac[..., 1] - ab[..., 1] * ac[..., 0])


def _same(
    a: Int[np.ndarray, "n 2"], b: Int[np.ndarray, "*n 2"]
) -> Bool[np.ndarray, " n"]:
    return (a == b).all(-1)


def _pairs(
    first: Int[np.ndarray, " n"], stop: Int[np.ndarray, " n"]
) -> Iterator[tuple[Int[np.ndarray, " p"], Int[np.ndarray, " p"]]]:
    """Every i with every number from first[i] up to stop[i], some pairs at a time."""
    counts = np.maximum(stop - first, 0)
    total = np.cumsum(counts)
    begin = 0
    while begin < len(counts):
        before = total[begin - 1] if begin else 0
        end = int(np.searchsorted(total, before + _MOST_PAIRS, side="right"))
        end = max(end, begin + 1)
        some = np.arange(begin, end)
        yield np.repeat(some, counts[some]), ranges(first[some], counts[some])
        begin = end
