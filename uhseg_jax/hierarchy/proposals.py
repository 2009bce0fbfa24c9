"""Proposals: the regions of a tree as candidates for objects, the likeliest first.

Candidates are the connected components of all nodes but the root (or with ``connected``
false these nodes themselves), and unions of two of them that touch. One that nearly is
another of higher score is left out. Masks are unions of few pieces, so that thousands
of them cost no more than a small matrix.

The score of a region R with the share a of the image is the product of

* its persistence ``1 / n_in - 1 / n_out``: cuts of n regions (`RegionTree.cut`) show
  its node for ``n_in <= n < n_out``;
* its size, ``2 sqrt(a (1 - a))``: neither specks nor backgrounds are objects;
* the share of its outline that lies inside the image;
* the share of it that its largest connected component has.

That of a union is a sixteenth of the lower of the two, times the share of the shorter
outline that they have in common. docs/use/proposals.md tells how this was chosen.
"""

import dataclasses
from typing import Annotated, Any

import numpy as np

from uhseg_jax.hierarchy import host_cuts
from uhseg_jax.hierarchy.cuts import ROOT
from uhseg_jax.hierarchy.pieces import Groups, Pieces, components, find_pieces
from uhseg_jax.types import Bool, Float, Int
from uhseg_jax.validators import SHARE, Validated, integer, one_of, real

__all__ = ["NO_NODE", "ProposalOptions", "Proposals", "persistence", "propose"]

NO_NODE = -1
"""Node of a proposal that is none, where there are fewer than asked for."""

_MAX_IOU = real("an IoU above 0 and up to 1", lambda x: 0 < x <= 1)
_WEIGHT_OF_UNIONS = 1 / 16
_PAIRED = 512  # candidates of which unions are made
_MOST = 8192  # candidates and as many unions, that memory is bounded
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
    connected: Annotated[bool, one_of(False, True)] = True
    min_area: Annotated[float, SHARE] = 0.0
    pairs: Annotated[bool, one_of(False, True)] = True


@dataclasses.dataclass(frozen=True)
class Proposals:
    """Masks in the order of their scores, the highest first.

    Attributes:
      pieces: int32 ``[h, w]``, or ``[t, h, w]``: the piece of every pixel, from 0 and
        without gaps, in the order of their first pixels, row by row.
      contains: ``[p, m]``, whether a proposal holds a piece.
      scores: float64 ``[p]``, in [0, 1].
      nodes: int32 ``[p, 2]``, the node that a proposal is, or is a component of, and
        the other one where it is the union of two; else ``NO_NODE``.
    """

    pieces: Int[np.ndarray, "..."]
    contains: Bool[np.ndarray, "p m"]
    scores: Float[np.ndarray, " p"]
    nodes: Int[np.ndarray, "p 2"]

    def __len__(self) -> int:
        return len(self.scores)

    def piece_areas(self) -> Int[np.ndarray, " m"]:
        """Number of pixels of every piece."""
        return np.bincount(self.pieces.ravel(), minlength=self.contains.shape[1])

    def areas(self) -> Int[np.ndarray, " p"]:
        """Number of pixels of every proposal."""
        return self.contains @ self.piece_areas()

    def masks(self) -> Bool[np.ndarray, "p ..."]:
        """One boolean mask for every proposal."""
        return self.contains[:, self.pieces]

    def first(self, k: int) -> "Proposals":
        """The k of highest score, or all if there are fewer."""
        return Proposals(
            self.pieces, self.contains[:k], self.scores[:k], self.nodes[:k]
        )


def propose(tree: Any, options: ProposalOptions) -> Proposals:
    """The proposals of one tree; see `RegionTree.proposals`.

    They depend on the regions of the tree and on the order in which its splits open,
    not on how its nodes are numbered, but for the numbers in ``nodes``.
    """
    count = int(tree.num_nodes)
    parents, costs = np.asarray(tree.parents)[:count], np.asarray(tree.costs)[:count]
    labels, above = np.asarray(tree.labels), host_cuts.ancestry(parents)
    pieces = find_pieces(labels, connected=True)
    whole, parts = components(above[:, pieces.leaves], pieces)
    groups = parts if options.connected else whole
    scores = persistence(parents, costs)[groups.owners] * _shape(groups, pieces)
    if not options.connected:
        largest = np.zeros(count)
        np.maximum.at(largest, parts.owners, parts.areas)
        scores = scores * largest / np.maximum(whole.areas, 1)
        pieces = find_pieces(labels, connected=False)

    least = max(1, options.min_area * pieces.labels.size)
    chosen = np.flatnonzero(
        (groups.areas >= least) & ((groups.owners != ROOT) | (count == 1))
    )
    chosen = chosen[np.lexsort([-groups.areas[chosen], -scores[chosen]])][:_MOST]
    found = _Candidates(
        parts.contains(chosen, len(pieces.areas))
        if options.connected
        else above[chosen][:, pieces.leaves],
        scores[chosen],
        np.stack([groups.owners[chosen], np.full(len(chosen), NO_NODE)], axis=1),
        groups.areas[chosen],
        (groups.borders + groups.frames)[chosen],
    )
    found = found.take(_ranking(found))
    if options.pairs:
        distinct = _distinct(found, pieces.areas, options.max_iou, _PAIRED)
        found = found.joined(_unions(found.take(distinct), pieces))
        found = found.take(np.flatnonzero(found.areas >= least))
    found = found.take(_distinct(found, pieces.areas, options.max_iou, options.k))
    nodes = found.nodes.astype(np.int32)
    return Proposals(pieces.labels, found.contains, found.scores, nodes)


@dataclasses.dataclass(frozen=True)
class _Candidates:
    """Sets of pieces in the order of their scores.

    Attributes:
      contains: ``[p, m]``, whether each holds a piece.
      scores: ``[p]``.
      nodes: ``[p, 2]``, as of `Proposals`.
      areas: ``[p]``, in pixels.
      outlines: ``[p]``, in sides of pixels.
    """

    contains: Bool[np.ndarray, "p m"]
    scores: Float[np.ndarray, " p"]
    nodes: Int[np.ndarray, "p 2"]
    areas: Int[np.ndarray, " p"]
    outlines: Int[np.ndarray, " p"]

    def take(self, index: Int[np.ndarray, " q"]) -> "_Candidates":
        return _Candidates(**{name: x[index] for name, x in vars(self).items()})

    def joined(self, others: "_Candidates") -> "_Candidates":
        """Both, in the order of their scores; of equal ones these first."""
        joined = _Candidates(
            **{
                name: np.concatenate([x, getattr(others, name)])
                for name, x in vars(self).items()
            }
        )
        return joined.take(np.argsort(-joined.scores, kind="stable"))


def persistence(
    parents: Int[np.ndarray, " n"], costs: Float[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    """1 / n_in - 1 / n_out of every node; leaves divide after all other splits."""
    ranks = host_cuts.entry_ranks(parents, costs, len(parents))
    # After r splits, the nodes of rank <= r have entered and r of them are divided.
    regions = np.cumsum(np.bincount(ranks)) - np.arange(ranks.max() + 1)
    regions = np.append(regions, regions[-1] + 1)
    divided = np.full(len(parents), len(regions) - 1)
    divided[parents[1:]] = ranks[1:]
    return 1 / regions[ranks] - 1 / regions[divided]


def _shape(groups: Groups, pieces: Pieces) -> Float[np.ndarray, " g"]:
    """The terms of a score that tell objects by their size and place."""
    shares = groups.areas / pieces.labels.size
    inside = groups.borders / np.maximum(groups.borders + groups.frames, 1)
    return 2 * np.sqrt(shares * (1 - shares)) * inside


def _ranking(found: _Candidates) -> Int[np.ndarray, " p"]:
    """From high to low score; of equal ones the larger, then the one that comes first.

    That is the one that holds the first piece which the other does not.
    """
    columns = np.packbits(found.contains, axis=1).T
    return np.lexsort([*~columns[::-1], -found.areas, -found.scores])


def _unions(found: _Candidates, pieces: Pieces) -> _Candidates:
    """Unions of two candidates that touch and share no piece, but never of all."""
    from scipy.sparse import coo_array

    count = len(pieces.areas)
    one, other = pieces.edges.T
    ends = np.concatenate([one, other]), np.concatenate([other, one])
    lengths = np.tile(pieces.lengths.astype(np.float32), 2)
    sides = coo_array((lengths, ends), shape=(count, count)).tocsr()
    members = found.contains.astype(np.float32)
    common = members @ (sides @ members.T)
    one, other = np.nonzero(np.triu((common > 0) & (members @ members.T == 0)))
    common = common[one, other]
    shorter = np.minimum(found.outlines[one], found.outlines[other])
    lower = np.minimum(found.scores[one], found.scores[other])
    scores = _WEIGHT_OF_UNIONS * lower * common / shorter
    areas = found.areas[one] + found.areas[other]
    best = np.argsort(-scores, kind="stable")
    best = best[areas[best] < pieces.areas.sum()][:_MOST]
    one, other = one[best], other[best]
    return _Candidates(
        found.contains[one] | found.contains[other],
        scores[best],
        np.stack([found.nodes[one, 0], found.nodes[other, 0]], axis=1),
        areas[best],
        found.outlines[one] + found.outlines[other] - 2 * common[best].astype(np.int64),
    )


def _distinct(
    found: _Candidates, areas: Int[np.ndarray, " m"], max_iou: float, k: int
) -> Int[np.ndarray, " kept"]:
    """The first k candidates none of which overlaps an earlier one too much."""
    # Products of floats are far faster, and exact for integers up to these.
    dtype: Any = np.float32 if areas.sum() < 2**24 else np.float64
    contains, weights = found.contains.astype(dtype), areas.astype(dtype)
    # IoU > t where the shared area is more than t / (1 + t) times the sum of both.
    parts = (max_iou / (1 + max_iou) * found.areas).astype(dtype)
    exceeds = np.greater if max_iou < 1 else np.greater_equal
    kept = np.zeros(0, np.int64)
    for start in range(0, len(parts), _AT_ONCE):
        block = np.arange(start, min(start + _AT_ONCE, len(parts)))
        rivals = np.concatenate([kept, block])
        shared = (contains[block] * weights) @ contains[rivals].T
        alike = exceeds(shared, parts[block, None] + parts[rivals])
        fits = ~alike[:, : len(kept)].any(axis=1)
        among = alike[:, len(kept) :]
        for i in np.flatnonzero(fits):
            fits[i] = not (among[i, :i] & fits[:i]).any()
        kept = np.concatenate([kept, block[fits]])[:k]
        if len(kept) == k:
            break
    return kept
