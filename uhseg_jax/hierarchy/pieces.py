"""Pieces of a label map, how they touch, and what regions made of them look like."""

import dataclasses
import functools
import itertools

import numpy as np

from uhseg_jax.hierarchy.lattice import require_cells
from uhseg_jax.types import Bool, Int

__all__ = ["Groups", "Pieces", "components", "find_pieces"]

_TABLE = 2**24  # pairs of pieces that are counted in a table


@dataclasses.dataclass(frozen=True)
class Pieces:
    """A partition of an image that is fine enough for all regions of a tree.

    Attributes:
      labels: int32 ``[h, w]``, or ``[t, h, w]``: the piece of every pixel, from 0 and
        without gaps, in the order of their first pixels, row by row.
      leaves: ``[m]``, the leaf of the tree that holds each piece.
      areas: ``[m]``, in pixels.
    """

    labels: Int[np.ndarray, "..."]
    leaves: Int[np.ndarray, " m"]
    areas: Int[np.ndarray, " m"]

    @functools.cached_property
    def frames(self) -> Int[np.ndarray, " m"]:
        """``[m]``, sides of pixels of each on the frame of the image.

        Of a clip on that of every image of it: the first and the last cut nothing off.
        """
        axes = (-2, -1) if self.labels.ndim > 1 else ()
        ends = [self.labels.take(i, axis).ravel() for axis in axes for i in (0, -1)]
        sides = np.concatenate([np.zeros(0, np.int32), *ends])
        return np.bincount(sides, minlength=len(self.areas))

    @property
    def edges(self) -> Int[np.ndarray, "e 2"]:
        """``[e, 2]``, pairs of pieces that touch by a side or a corner, lower first.

        Pixels of two frames next to each other touch too.
        """
        return self._contacts[0]

    @property
    def lengths(self) -> Int[np.ndarray, " e"]:
        """``[e]``, sides of pixels between the two; 0 where only corners touch."""
        return self._contacts[1]

    @functools.cached_property
    def _contacts(self) -> tuple[Int[np.ndarray, "e 2"], Int[np.ndarray, " e"]]:
        """Edges and lengths, which take a pass over the pixels for every direction."""
        count = len(self.areas)
        sides, corners = _touching(self.labels, count)
        if count**2 <= _TABLE:  # a clip has millions of contacts, slow to sort
            table = np.bincount(sides, minlength=count**2)
            touch = table + np.bincount(corners, minlength=count**2) > 0
            keys = np.flatnonzero(touch)
            return np.stack(np.divmod(keys, count), axis=1), table[keys]
        keys, index = np.unique(np.concatenate([sides, corners]), return_inverse=True)
        lengths = np.bincount(index[: len(sides)], minlength=len(keys))
        return np.stack(np.divmod(keys, count), axis=1), lengths


@dataclasses.dataclass(frozen=True)
class Groups:
    """Sets of pieces, such as the connected components of all nodes of a tree.

    Attributes:
      owners: ``[g]``, the node that holds each.
      areas: ``[g]``, in pixels.
      borders: ``[g]``, sides of pixels towards the rest of the image.
      frames: ``[g]``, sides of pixels on the frame of the image.
      members: ``[v]``, the group of every pair of a node and one of its pieces.
      pieces: ``[v]``, the piece of every such pair.
    """

    owners: Int[np.ndarray, " g"]
    areas: Int[np.ndarray, " g"]
    borders: Int[np.ndarray, " g"]
    frames: Int[np.ndarray, " g"]
    members: Int[np.ndarray, " v"]
    pieces: Int[np.ndarray, " v"]

    def contains(
        self, chosen: Int[np.ndarray, " c"], num_pieces: int
    ) -> Bool[np.ndarray, "c m"]:
        """Whether the chosen groups hold each of the pieces."""
        rows = np.full(len(self.owners), -1)
        rows[chosen] = np.arange(len(chosen))
        row = rows[self.members]
        found = np.zeros((len(chosen), num_pieces), bool)
        found[row[row >= 0], self.pieces[row >= 0]] = True
        return found


def find_pieces(labels: Int[np.ndarray, "..."], *, connected: bool) -> Pieces:
    """The leaves of a label map, or the connected components of each, as pieces.

    Args:
      labels: leaf of every pixel, not negative; leaves without pixels are no pieces.
      connected: whether pieces are components, by sides or corners of pixels.

    Raises:
      ValueError: components of vertices are wanted, which lie nowhere.
    """
    found = labels
    if connected:
        from skimage import measure

        require_cells(labels.shape, "A search for connected components")
        found = measure.label(labels, background=-1, connectivity=labels.ndim) - 1
    numbers = found.ravel()
    first = np.full(int(numbers.max()) + 1, numbers.size)
    first[numbers[::-1]] = np.arange(numbers.size)[::-1]  # the last of equals stays
    count = int(np.count_nonzero(first < numbers.size))
    order = np.argsort(first)[:count]
    places = np.zeros(len(first), np.int32)
    places[order] = np.arange(count)
    pieces = places[found]
    return Pieces(
        labels=pieces,
        leaves=labels.ravel()[first[order]],
        areas=np.bincount(pieces.ravel(), minlength=count),
    )


def _touching(
    pieces: Int[np.ndarray, "..."], count: int
) -> tuple[Int[np.ndarray, " s"], Int[np.ndarray, " c"]]:
    """Where two pieces touch by a side and where by a corner, as `_changes` has it."""
    found: dict[bool, list[Int[np.ndarray, " _"]]] = {True: [], False: []}
    nothing = np.zeros(0, np.int64)
    steps = list(itertools.product((-1, 0, 1), repeat=pieces.ndim))
    for step in steps[len(steps) // 2 + 1 :] if pieces.ndim > 1 else ():
        # Of opposite steps the one that goes on first.
        one = pieces[tuple(slice(max(x, 0), min(x, 0) or None) for x in step)]
        other = pieces[tuple(slice(max(-x, 0), min(-x, 0) or None) for x in step)]
        found[np.count_nonzero(step) == 1].append(_changes(one, other, count))
    sides, corners = (np.concatenate([nothing, *found[x]]) for x in (True, False))
    return sides, corners


def _changes(
    one: Int[np.ndarray, "*s"], other: Int[np.ndarray, "*s"], count: int
) -> Int[np.ndarray, " changes"]:
    """Where two maps differ, the lower value times the count and the higher one."""
    differ = one != other
    low, high = np.sort(np.stack([one[differ], other[differ]]), axis=0).astype(np.int64)
    return low * count + high


def components(
    contains: Bool[np.ndarray, "n m"], pieces: Pieces
) -> tuple[Groups, Groups]:
    """All nodes of a tree, and the connected components of each, as sets of pieces.

    Args:
      contains: whether a node holds a piece.
      pieces: of the tree.

    Returns:
      One group for each node, without pieces where a node is empty; and the components,
      by the numbers of their nodes and then of their first pieces.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    # A vertex for every node and piece of it.
    owners, places = np.nonzero(contains)
    vertices = np.full(contains.shape, -1)
    vertices[owners, places] = np.arange(len(owners))
    one, other = pieces.edges.T
    node, edge = np.nonzero(contains[:, one] & contains[:, other])
    start, end = vertices[node, one[edge]], vertices[node, other[edge]]
    shape = (len(owners), len(owners))
    graph = coo_array((np.ones(len(node)), (start, end)), shape)
    count, found = connected_components(graph, directed=False)

    ends, lengths = pieces.edges.ravel(), np.repeat(pieces.lengths, 2)
    sides = np.bincount(ends, lengths, len(pieces.areas)).astype(np.int64)

    def groups(members: Int[np.ndarray, " v"], owners: Int[np.ndarray, " g"]) -> Groups:
        def summed(
            group: Int[np.ndarray, " x"], values: Int[np.ndarray, " x"]
        ) -> Int[np.ndarray, " g"]:
            return np.bincount(group, values, len(owners)).astype(np.int64)

        inside = summed(members[start], pieces.lengths[edge])
        return Groups(
            owners=owners,
            areas=summed(members, pieces.areas[places]),
            borders=summed(members, sides[places]) - 2 * inside,
            frames=summed(members, pieces.frames[places]),
            members=members,
            pieces=places,
        )

    owner = np.zeros(count, np.int64)
    owner[found] = owners
    return groups(owners, np.arange(len(contains))), groups(found, owner)
