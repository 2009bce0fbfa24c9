"""Polygons of regions, with holes, whose borders are those of their neighbours."""

import dataclasses
from collections.abc import Iterable, Iterator

import numpy as np

from uhseg_jax.outlines.borders import Borders, find_borders
from uhseg_jax.outlines.crossings import passes
from uhseg_jax.outlines.simplification import simplified
from uhseg_jax.types import Bool, Int
from uhseg_jax.validators import NON_NEGATIVE, check

__all__ = ["Outlines", "Polygon", "outlines_of", "outlines_of_strips"]


@dataclasses.dataclass(frozen=True)
class Polygon:
    """A piece of a region, in corners of pixels: pixel (0, 0) ends at x = 1, y = 1.

    Attributes:
      outer: int64 ``[n, 2]``, x and y of its outline, clockwise as y grows down; the
        last point is not the first.
      holes: the same of every hole in it, the other way round.
    """

    outer: Int[np.ndarray, "n 2"]
    holes: tuple[Int[np.ndarray, "_ 2"], ...] = ()

    @property
    def rings(self) -> tuple[Int[np.ndarray, "_ 2"], ...]:
        """The outline and those of the holes."""
        return (self.outer, *self.holes)

    def area(self) -> float:
        """In pixels."""
        return float(sum(map(_doubled_area, self.rings))) / 2


@dataclasses.dataclass(frozen=True)
class Outlines:
    """The borders of a label map, of which polygons of any of its regions are made.

    Attributes:
      borders: all arcs.
      chains: the points that stay of every arc.
    """

    borders: Borders
    chains: tuple[Int[np.ndarray, "_ 2"], ...]

    def polygons(
        self, contains: Bool[np.ndarray, " m"], *, junctions: bool = False
    ) -> list[Polygon]:
        """The pieces of a union of regions, connected by sides of pixels.

        Args:
          contains: which regions of the label map belong to it.
          junctions: keep points on straight lines where other borders begin, which
            neighbours need to meet where lines are bent, as on a map.

        Returns:
          Its pieces, the largest first; no two overlap, and outlines touch others, or
          their holes, in single points only.
        """
        rings = list(self._rings(contains))
        rings = rings if junctions else _straightened(rings)
        areas = np.array([_doubled_area(x) for x in rings], np.int64)
        order = np.argsort(-areas, kind="stable").tolist()
        outer = [rings[i] for i in order if areas[i] > 0]
        holes: list[list[Int[np.ndarray, "_ 2"]]] = [[] for _ in outer]
        inner = [rings[i] for i in order if areas[i] < 0]
        for place, ring in zip(_around(outer, inner), inner, strict=True):
            holes[place].append(ring)
        found = [Polygon(x, tuple(y)) for x, y in zip(outer, holes, strict=True)]
        return sorted(found, key=lambda polygon: -polygon.area())

    def _rings(
        self, contains: Bool[np.ndarray, " m"]
    ) -> Iterator[Int[np.ndarray, "_ 2"]]:
        """Closed chains with the region to their right; none passes a point twice."""
        inside = np.append(contains, False)[self.borders.sides]  # -1 is the last
        (arcs,) = np.nonzero(inside[:, 0] != inside[:, 1])
        forward = inside[arcs, 1]
        ends = np.where(forward[:, None], *_both_ways(self.borders.ends[arcs]))
        leaving, reaching = np.where(
            forward[:, None], *_both_ways(self.borders.directions[arcs])
        ).T
        turned = ~forward
        leaving, reaching = (leaving + 2 * turned) % 4, (reaching + 2 * turned) % 4
        following = _joined(ends, leaving, reaching).tolist()
        chains = [
            self.chains[arc] if ahead else self.chains[arc][::-1]
            for arc, ahead in zip(arcs.tolist(), forward.tolist(), strict=True)
        ]
        for ring in _cycles(following, ends[:, 0].tolist()):
            yield np.concatenate([chains[x][:-1] for x in ring])


def outlines_of(labels: Int[np.ndarray, "h w"], tolerance: float = 0.0) -> Outlines:
    """The borders of a label map, simplified once for the regions on both sides.

    Args:
      labels: the region of every pixel, from 0; -1 where there is none.
      tolerance: how far, in pixels, a border may come to lie from the sides of pixels
        that it follows; with 0 it lies on them.

    Raises:
      ValueError: the tolerance is negative.
    """
    return outlines_of_strips([labels], labels.shape[1], tolerance)


def outlines_of_strips(
    strips: Iterable[Int[np.ndarray, "_ w"]], width: int, tolerance: float = 0.0
) -> Outlines:
    """The same of a label map that comes in strips, such as one that fills no memory.

    Args:
      strips: rows of it from top to bottom, some at a time.
      width: how many columns each has.
      tolerance: as for `outlines_of`.

    Raises:
      ValueError: the tolerance is negative.
    """
    tolerance = check("tolerance", tolerance, NON_NEGATIVE)
    borders = find_borders(strips, width)
    kept = simplified(borders, tolerance)
    before = np.concatenate([[0], np.cumsum(kept)])[borders.starts]
    chains = np.split(borders.points[kept], before[1:-1]) if len(before) > 1 else []
    return Outlines(borders, tuple(chains))


def _both_ways(
    pairs: Int[np.ndarray, "a 2"],
) -> tuple[Int[np.ndarray, "a 2"], Int[np.ndarray, "a 2"]]:
    return pairs, pairs[:, ::-1]


def _joined(
    ends: Int[np.ndarray, "a 2"],
    leaving: Int[np.ndarray, " a"],
    reaching: Int[np.ndarray, " a"],
) -> Int[np.ndarray, " a"]:
    """The arc with which the outline of a region goes on after each of its arcs.

    Where two of its pixels meet at a corner only, four arcs do. It stays with the pixel
    that it was at, and turns to the right.
    """
    keys, corners = 4 * ends[:, 0] + leaving, 4 * ends[:, 1]
    order = np.argsort(keys)
    found, stop = np.searchsorted(keys[order], [corners, corners + 4])
    to_the_right = np.searchsorted(keys[order], corners + (reaching + 1) % 4)
    return order[np.where(stop - found > 1, to_the_right, found)]


def _cycles(following: list[int], begins: list[int]) -> Iterator[list[int]]:
    """Closed ways along arcs, divided where they come to a point again.

    Args:
      following: the arc after each.
      begins: the corner where each begins.
    """
    waits = [True] * len(following)
    for arc in range(len(following)):
        if not waits[arc]:
            continue
        way: list[int] = []
        places: dict[int, int] = {}
        while waits[arc]:
            waits[arc] = False
            corner = begins[arc]
            if corner in places:
                part = way[places[corner] :]
                del way[places[corner] :]
                for passed in part:
                    del places[begins[passed]]
                yield part
            places[corner] = len(way)
            way.append(arc)
            arc = following[arc]
        yield way


def _straightened(
    rings: list[Int[np.ndarray, "_ 2"]],
) -> list[Int[np.ndarray, "_ 2"]]:
    """Rings without points where they do not turn, but with those where they touch."""
    if not rings:
        return []
    points = np.concatenate(rings)
    _, index, counts = np.unique(
        points @ [2**32, 1], return_inverse=True, return_counts=True
    )
    touching = np.split(counts[index] > 1, np.cumsum([len(x) for x in rings])[:-1])
    return [x[_turns(x) | touches] for x, touches in zip(rings, touching, strict=True)]


def _turns(ring: Int[np.ndarray, "n 2"]) -> Bool[np.ndarray, " n"]:
    to, on = ring - np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0) - ring
    return to[:, 0] * on[:, 1] != to[:, 1] * on[:, 0]


def _doubled_area(ring: Int[np.ndarray, "n 2"]) -> int:
    """Twice the area of a ring, negative for one that turns to the left."""
    (x, y), (later_x, later_y) = ring.T, np.roll(ring, -1, axis=0).T
    return int((x * later_y - later_x * y).sum())


def _around(
    outer: list[Int[np.ndarray, "_ 2"]], inner: list[Int[np.ndarray, "_ 2"]]
) -> Iterator[int]:
    """Which outline every hole lies in: the innermost around it, since pieces nest.

    Args:
      outer: the outlines, larger ones first.
      inner: the holes.
    """
    if len(outer) == 1:
        yield from [0] * len(inner)
        return
    low = 2 * np.array([x.min(0) for x in outer])
    high = 2 * np.array([x.max(0) for x in outer])
    for hole in inner:
        # The middle of an edge lies on no other outline; doubled, of integers.
        middle = hole[0] + hole[1]
        (near,) = np.nonzero(((low < middle) & (middle < high)).all(1))
        yield next(i for i in near[::-1].tolist() if _holds(2 * outer[i], middle))


def _holds(ring: Int[np.ndarray, "n 2"], point: Int[np.ndarray, " 2"]) -> bool:
    """Whether a point that is not on a ring lies in it."""
    return bool(
        passes(
            ring, np.roll(ring, -1, axis=0), np.broadcast_to(point, ring.shape)
        ).sum()
        % 2
    )
