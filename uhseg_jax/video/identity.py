"""Ids for the regions of a window, from those known of the frames that it shares."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from uhseg_jax.hierarchy.placement import visible_nodes
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.metrics.contingency import ious
from uhseg_jax.types import Int
from uhseg_jax.video.agreement import agreeing_cut
from uhseg_jax.video.carried import Carried
from uhseg_jax.video.frame_graph import FrameRegions
from uhseg_jax.video.prototypes import Prototypes, paired, similarities, unit_rows

__all__ = ["identified"]

# Covering the known regions better by a tenth is worth splits that cost a fifth more.
# Flicker of two clips is 0.017 and 0.029 without it, 0.016 and 0.023 at 2 and at 4.
_AGREEMENT = 2.0
_LEAST_OVERLAP = 0.2  # intersection over union, of regions with one id
# On two clips, regions with one id in neighbouring windows have 0.92 and more but for a
# twentieth; of the pairs of different regions in one window a twentieth at most has it.
_LEAST_SIMILARITY = 0.9  # of a region with the one that it is again
_RATE = 0.5  # by which what is remembered of a region moves with each window
_REMEMBERED = 64  # regions beside those of a window


def identified(
    carried: Carried, frames: Sequence[FrameRegions], tree: RegionTree, num_regions: int
) -> Carried:
    """What is known of a window when its regions have ids, of all its frames.

    Args:
      carried: from the window before; of its frames the first of ``frames`` are.
      frames: of the window.
      tree: over the superpixels of all frames, one after the other.
      num_regions: of the window at most.
    """
    pixels = np.concatenate(
        [np.bincount(x.labels.ravel(), minlength=len(x)) for x in frames]
    )
    names, columns = np.unique(
        np.concatenate([np.zeros(0, np.int32), *carried.ids]), return_inverse=True
    )
    leaves = np.asarray(tree.labels)

    def shared(rows: Int[np.ndarray, " n"], count: int) -> Int[np.ndarray, "r c"]:
        """Pixels that the regions of the first superpixels share with known ones."""
        table = np.zeros((count, names.size), np.int64)
        np.add.at(table, (rows[: columns.size], columns), pixels[: columns.size])
        return table

    if names.size:
        known = shared(leaves, len(tree.parents))
        held = agreeing_cut(tree, known, num_regions, weight=_AGREEMENT)
    else:
        held = np.asarray(visible_nodes(tree, num_regions=num_regions))
    nodes, regions = np.unique(held[leaves], return_inverse=True)
    found = _described(regions, pixels, frames, carried.start)
    memory = carried.memory or Prototypes.none(found.vectors.shape[1])
    ids = _linked(found, memory, shared(regions, nodes.size), names)
    new = ids == 0
    ids[new] = carried.next_id + np.arange(np.count_nonzero(new))
    ends = np.cumsum([len(x) for x in frames])[:-1]
    return Carried(
        start=carried.start,
        ids=tuple(np.split(ids[regions], ends)),
        memory=memory.with_seen(
            dataclasses.replace(found, ids=ids),
            rate=_RATE,
            most=_REMEMBERED + num_regions,
        ),
        next_id=carried.next_id + int(np.count_nonzero(new)),
    )


def _described(
    regions: Int[np.ndarray, " n"],
    pixels: Int[np.ndarray, " n"],
    frames: Sequence[FrameRegions],
    start: int,
) -> Prototypes:
    """Mean features and colours of the regions of a window, as yet without ids.

    Args:
      regions: of the superpixels of all frames, from 0.
      pixels: of the superpixels.
      frames: of the window.
      start: number of the first of them.
    """
    count = int(regions.max()) + 1
    shares = np.zeros((count, len(regions)), np.float32)
    shares[regions, np.arange(len(regions))] = pixels
    shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1)
    vectors = np.zeros((count, frames[0].vectors.shape[1]), np.float32)
    colors = np.zeros((count, 3), np.float32)
    seen = np.full(count, start, np.int32)
    first = 0
    for number, frame in enumerate(frames, start):
        own = shares[:, first : first + len(frame)]
        vectors += own @ frame.vectors.astype(np.float32)
        colors += own @ frame.colors
        seen[own.any(axis=1)] = number
        first += len(frame)
    return Prototypes(np.zeros(count, np.int32), unit_rows(vectors), colors, seen)


def _linked(
    found: Prototypes,
    memory: Prototypes,
    shared: Int[np.ndarray, "r c"],
    names: Int[np.ndarray, " c"],
) -> Int[np.ndarray, " r"]:
    """The id of each region; 0 for those that are new.

    Args:
      found: the regions.
      memory: of which ids can be.
      shared: pixels that the regions share with those known of the same frames.
      names: ids of the known ones, sorted; all are remembered.
    """
    ids = np.zeros(len(found.ids), np.int32)
    alike = similarities(found, memory)
    places = np.flatnonzero(np.isin(memory.ids, names))
    places = places[np.argsort(memory.ids[places])]
    overlap = ious(shared, shared.sum(axis=1), shared.sum(axis=0))
    pairs = paired(overlap * alike[:, places].clip(0, 1), _LEAST_OVERLAP)
    ids[pairs >= 0] = names[pairs[pairs >= 0]]
    left, free = np.flatnonzero(ids == 0), ~np.isin(memory.ids, ids)
    pairs = paired(alike[left][:, free], _LEAST_SIMILARITY)
    ids[left[pairs >= 0]] = memory.ids[free][pairs[pairs >= 0]]
    return ids
