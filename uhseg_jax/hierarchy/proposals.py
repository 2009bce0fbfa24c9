"""Proposals: the regions of a tree as candidates for objects, the likeliest first.

Every node but the root is a candidate, or with ``connected`` every connected component
of one; candidates that nearly are one that ranks higher are left out. All masks are
unions of few pieces, so that thousands of them cost no more than a small matrix.

The score of a node is its persistence: what it costs to divide it, less what it cost to
make it. A cut of the tree (`RegionTree.cut`, by cost) shows the node at exactly the
costs in between.
"""

import dataclasses
from typing import Annotated, Any

import numpy as np

from uhseg_jax.hierarchy import host_cuts
from uhseg_jax.hierarchy.cuts import NO_PARENT, ROOT
from uhseg_jax.types import Bool, Float, Int
from uhseg_jax.validators import SHARE, Validated, integer, one_of, real

__all__ = ["NO_NODE", "ProposalOptions", "Proposals", "propose"]

NO_NODE = -1

_MAX_IOU = real("an IoU above 0 and up to 1", lambda x: 0 < x <= 1)
_AT_ONCE = 256  # candidates that are compared with those kept


@dataclasses.dataclass(frozen=True)
class ProposalOptions(Validated):
    """Which proposals `propose` returns.

    Attributes:
      k: how many at most.
      max_iou: a candidate that overlaps one of higher rank by more than this IoU is
        left out; equal ones always are.
      connected: whether candidates are connected components, by sides or corners of
        pixels, instead of regions that may lie in several pieces.
      min_area: share of the image below which a candidate is left out.
      pairs: whether unions of two touching candidates are candidates too.
    """

    k: Annotated[int, integer(1)] = 1000
    max_iou: Annotated[float, _MAX_IOU] = 0.95
    connected: Annotated[bool, one_of(False, True)] = False
    min_area: Annotated[float, SHARE] = 0.0
    pairs: Annotated[bool, one_of(False, True)] = False


@dataclasses.dataclass(frozen=True)
class Proposals:
    """Masks in the order of their scores, the highest first.

    Attributes:
      pieces: int32 ``[h, w]``, the piece of every pixel, from 0 and without gaps, in
        the order of their first pixels, row by row.
      contains: ``[p, m]``, whether a proposal holds a piece.
      scores: float64 ``[p]``, in [0, 1].
      nodes: int32 ``[p, 2]``, the node that a proposal is, or is a component of, and
        the other one where it is the union of two; else ``NO_NODE``.
    """

    pieces: Int[np.ndarray, "h w"]
    contains: Bool[np.ndarray, "p m"]
    scores: Float[np.ndarray, " p"]
    nodes: Int[np.ndarray, "p 2"]

    def __len__(self) -> int:
        return len(self.scores)

    def piece_areas(self) -> Int[np.ndarray, " m"]:
        """Number of pixels of every piece."""
        return _areas_of(self.pieces, self.contains.shape[1])

    def areas(self) -> Int[np.ndarray, " p"]:
        """Number of pixels of every proposal."""
        return self.contains @ self.piece_areas()

    def masks(self) -> Bool[np.ndarray, "p h w"]:
        """One boolean mask for every proposal."""
        return self.contains[:, self.pieces]

    def first(self, k: int) -> "Proposals":
        """The k of highest score, or all if there are fewer."""
        return Proposals(
            self.pieces, self.contains[:k], self.scores[:k], self.nodes[:k]
        )


@dataclasses.dataclass(frozen=True)
class _Nodes:
    """The node arrays of a tree in numpy, without padding.

    Attributes:
      parents: ``[n]``.
      births: float64 ``[n]``, the cost from which on cuts show a node; 0 for the root.
      deaths: float64 ``[n]``, the cost from which on they show its children; 1 for
        leaves.
    """

    parents: Int[np.ndarray, " n"]
    births: Float[np.ndarray, " n"]
    deaths: Float[np.ndarray, " n"]


def propose(tree: Any, options: ProposalOptions) -> Proposals:
    """The proposals of one tree; see `RegionTree.proposals`.

    They depend on the regions and costs of the tree alone: not on how its nodes are
    numbered, but for the numbers in ``nodes``.
    """
    nodes = _nodes_of(tree)
    pieces, leaves = _pieces_of(np.asarray(tree.labels), connected=options.connected)
    areas = _areas_of(pieces, len(leaves))
    contains = host_cuts.ancestry(nodes.parents)[:, leaves]
    owners = np.arange(len(nodes.parents))
    edges = _touching(pieces)
    if options.connected:
        contains, owners = _components(contains, edges)
    chosen = contains.any(axis=1) & ((owners != ROOT) | (len(nodes.parents) == 1))
    contains, owners = contains[chosen], owners[chosen]
    scores = (nodes.deaths - nodes.births)[owners]
    both = np.stack([owners, np.full_like(owners, NO_NODE)], axis=1)
    if options.pairs:
        one, other = _pairs(contains, edges)
        contains = np.concatenate([contains, contains[one] | contains[other]])
        both = np.concatenate([both, np.stack([owners[one], owners[other]], axis=1)])
        scores = np.concatenate([scores, np.minimum(scores[one], scores[other]) / 2])

    sizes = contains @ areas
    large = np.flatnonzero(sizes >= options.min_area * pieces.size)
    order = large[_ranking(scores[large], sizes[large], contains[large])]
    kept = order[_distinct(contains[order], areas, options)]
    return Proposals(pieces, contains[kept], scores[kept], both[kept].astype(np.int32))


def _nodes_of(tree: Any) -> _Nodes:
    count = int(tree.num_nodes)
    parents = np.asarray(tree.parents)[:count]
    deaths = host_cuts.split_costs(parents, np.asarray(tree.costs)[:count])
    deaths = np.minimum(deaths, 1).astype(np.float64)
    births = np.zeros(count)
    for node, parent in enumerate(parents.tolist()):
        if parent != NO_PARENT:
            births[node] = deaths[parent]
            deaths[node] = max(deaths[node], births[node])
    return _Nodes(parents, births, deaths)


def _areas_of(pieces: Int[np.ndarray, "h w"], count: int) -> Int[np.ndarray, " m"]:
    return np.bincount(pieces.ravel(), minlength=count)


def _pieces_of(
    leaves: Int[np.ndarray, "h w"], *, connected: bool
) -> tuple[Int[np.ndarray, "h w"], Int[np.ndarray, " m"]]:
    """The piece of every pixel, in the order of their first pixels, and their leaves.

    Empty leaves are no pieces.
    """
    found = leaves
    if connected:
        from skimage import measure

        found = measure.label(leaves, background=-1, connectivity=2) - 1
    numbers = found.ravel()
    first = np.full(int(numbers.max()) + 1, numbers.size)
    first[numbers[::-1]] = np.arange(numbers.size)[::-1]  # the last of equals stays
    order = np.argsort(first)[: np.count_nonzero(first < numbers.size)]
    places = np.zeros(len(first), np.int32)
    places[order] = np.arange(len(order))
    return places[found], leaves.ravel()[first[order]]


def _touching(pieces: Int[np.ndarray, "h w"]) -> Int[np.ndarray, "e 2"]:
    """The pairs of pieces that touch by a side or a corner, the lower first."""
    ends = [
        np.stack([one.ravel(), other.ravel()])[:, (one != other).ravel()]
        for one, other in (
            (pieces[:, 1:], pieces[:, :-1]),
            (pieces[1:], pieces[:-1]),
            (pieces[1:, 1:], pieces[:-1, :-1]),
            (pieces[1:, :-1], pieces[:-1, 1:]),
        )
    ]
    low, high = np.sort(np.concatenate(ends, axis=1), axis=0).astype(np.int64)
    count = int(pieces.max()) + 1
    return np.stack(np.divmod(np.unique(low * count + high), count), axis=1)


def _components(
    contains: Bool[np.ndarray, "n m"], edges: Int[np.ndarray, "e 2"]
) -> tuple[Bool[np.ndarray, "c m"], Int[np.ndarray, " c"]]:
    """The connected components of every node, and the node of each."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    # A vertex for every node and piece of it.
    owners, pieces = np.nonzero(contains)
    vertices = np.full(contains.shape, -1)
    vertices[owners, pieces] = np.arange(len(owners))
    one, other = edges.T
    node, edge = np.nonzero(contains[:, one] & contains[:, other])
    ends = vertices[node, one[edge]], vertices[node, other[edge]]
    graph = coo_array((np.ones(len(node)), ends), shape=(len(owners), len(owners)))
    count, component = connected_components(graph, directed=False)
    members = np.zeros((count, contains.shape[1]), bool)
    members[component, pieces] = True
    owner = np.empty(count, np.int64)
    owner[component] = owners
    return members, owner


def _pairs(
    contains: Bool[np.ndarray, "c m"], edges: Int[np.ndarray, "e 2"]
) -> tuple[Int[np.ndarray, " q"], Int[np.ndarray, " q"]]:
    """The pairs of candidates that touch and share no piece."""
    members = contains.astype(np.float32)
    touches = np.zeros((contains.shape[1],) * 2, np.float32)
    touches[edges[:, 0], edges[:, 1]] = touches[edges[:, 1], edges[:, 0]] = 1
    touch = (members @ touches @ members.T > 0) & (members @ members.T == 0)
    one, other = np.nonzero(np.triu(touch))
    return one, other


def _ranking(
    scores: Float[np.ndarray, " p"],
    areas: Int[np.ndarray, " p"],
    contains: Bool[np.ndarray, "p m"],
) -> Int[np.ndarray, " p"]:
    """From high to low score; of equal ones the larger, then the one that comes first.

    That is the one that holds the first piece which the other does not.
    """
    columns = np.packbits(contains, axis=1).T
    return np.lexsort([*~columns[::-1], -areas, -scores])


def _distinct(
    contains: Bool[np.ndarray, "p m"],
    areas: Int[np.ndarray, " m"],
    options: ProposalOptions,
) -> Int[np.ndarray, " kept"]:
    """The first candidates none of which overlaps an earlier one of them too much."""
    # Products of floats are far faster, and exact below 2^53 pixels.
    weighted, members = contains * areas.astype(np.float64), contains.astype(np.float64)
    sizes = weighted.sum(axis=1)
    kept = np.zeros(0, np.int64)
    for start in range(0, len(contains), _AT_ONCE):
        block = np.arange(start, min(start + _AT_ONCE, len(contains)))
        rivals = np.concatenate([kept, block])
        shared = weighted[block] @ members[rivals].T
        ious = shared / (sizes[block, None] + sizes[rivals] - shared)
        alike = (ious > options.max_iou) | (ious == 1)
        fits = ~alike[:, : len(kept)].any(axis=1)
        among = alike[:, len(kept) :]
        for i in range(len(block)):
            fits[i] &= not (among[i, :i] & fits[:i]).any()
        kept = np.concatenate([kept, block[fits]])[: options.k]
        if len(kept) == options.k:
            break
    return kept
