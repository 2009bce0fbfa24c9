"""One graph of all superpixels of a raster, from what was found in cores and tiles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from uhseg_jax.rasters.superpixels import CoreRegions, borders_between
from uhseg_jax.superpixels import RegionGraph
from uhseg_jax.superpixels.principal import principal
from uhseg_jax.superpixels.region_graph import joined
from uhseg_jax.types import Float, Int

__all__ = ["graph_of_cores", "numbers_of", "within_float16"]

_LAB_UNIT = 100.0  # of L, the largest value
_NUM_DIRECTIONS = 256  # of features that the graph has
_ROWS = 4096  # vectors that are normalised at once


def numbers_of(cores: Mapping[tuple[int, int], CoreRegions]) -> Int[np.ndarray, " n"]:
    """The cells of all superpixels that have pixels, rising: vertex i is of cell i."""
    return np.unique(np.concatenate([x.numbers for x in cores.values()]))


def graph_of_cores(
    cores: Mapping[tuple[int, int], CoreRegions],
    shapes: Mapping[tuple[int, int], tuple[int, int]],
    tiles: Iterable[tuple[Int[np.ndarray, " k"], Float[np.ndarray, "k d"]]],
    num_blocks: int,
) -> RegionGraph:
    """The graph of the superpixels of a raster.

    Memory is that of one vector for every superpixel, float16.

    Args:
      cores: by row and column among the cores.
      shapes: of their pixels.
      tiles: of each its superpixels and the sums of features over them, as they come
        from `tiles.pooled`; read once.
      num_blocks: of features side by side, each of which counts as much.
    """
    numbers = numbers_of(cores)
    areas, colors = np.zeros(len(numbers)), np.zeros((len(numbers), 3))
    edges, lengths, evidence = ([x] for x in borders_between(cores, shapes))
    for core in cores.values():
        found = np.searchsorted(numbers, core.numbers)
        areas[found] += core.areas
        colors[found] += core.colors
        edges.append(core.edges)
        lengths.append(core.lengths)
        evidence.append(core.evidence)
    pairs = np.searchsorted(numbers, np.concatenate(edges))
    return RegionGraph(
        _vectors(numbers, tiles, num_blocks),
        (areas / areas.sum()).astype(np.float32),
        (colors / areas[:, None] / _LAB_UNIT).astype(np.float32),
        *joined(pairs, np.concatenate(lengths), np.concatenate(evidence)),
    )


def within_float16(values: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
    """Numbers as float16; the largest that there is for those beyond it."""
    most = np.finfo(np.float16).max
    found: np.ndarray = np.clip(values, -most, most).astype(np.float16)
    return found


def _vectors(
    numbers: Int[np.ndarray, " n"],
    tiles: Iterable[tuple[Int[np.ndarray, " k"], Float[np.ndarray, "k d"]]],
    num_blocks: int,
) -> Float[np.ndarray, "n p"]:
    """Sums over tiles, of unit length, along their principal directions."""
    vectors = np.zeros((len(numbers), 0), np.float16)
    for which, sums in tiles:
        if not vectors.size:
            vectors = np.zeros((len(numbers), sums.shape[1]), np.float16)
        found = np.searchsorted(numbers, which)
        vectors[found] = within_float16(vectors[found] + sums.astype(np.float32))
    for start in range(0, len(numbers), _ROWS):
        rows = vectors[start : start + _ROWS]
        blocks = _normalized(rows.astype(np.float32).reshape(len(rows), num_blocks, -1))
        rows[:] = _normalized(blocks.reshape(len(rows), -1))
    return principal(vectors, _NUM_DIRECTIONS)


def _normalized(rows: Float[np.ndarray, "... d"]) -> Float[np.ndarray, "... d"]:
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    return rows / np.maximum(lengths, np.finfo(np.float32).tiny)
