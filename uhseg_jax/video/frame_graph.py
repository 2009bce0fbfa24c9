"""The superpixels of frames, one frame after the other, and the graph of them all.

Every frame is divided as an image is; superpixels of neighbouring frames touch where
they share pixels. So a region of the graph is a tube: it holds pixels of any number of
frames.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import jax
import numpy as np

from uhseg_jax.batches import filled
from uhseg_jax.entry import entry_point
from uhseg_jax.pipeline import Segmenter
from uhseg_jax.processor import host_threads
from uhseg_jax.spectral import numerics
from uhseg_jax.superpixels import (
    RegionGraph,
    SuperpixelConfig,
    Superpixels,
    superpixels_of,
)
from uhseg_jax.superpixels.principal import principal
from uhseg_jax.types import Array, Float, Int, Integer, Pixels
from uhseg_jax.video.frames import first_ones
from uhseg_jax.video.time_edges import overlaps, time_lengths

__all__ = ["FrameRegions", "frame_regions", "graph_of_frames"]

_NUM_DIRECTIONS = 256  # of features that the graph of many frames has


@dataclasses.dataclass(frozen=True)
class FrameRegions:
    """The superpixels of one frame with their features; numpy.

    Attributes:
      labels: the superpixel of every pixel, from 0; uint16 where that is enough.
      vectors: float16, features of unit length.
      areas: float32, shares of the frame; they sum to one.
      colors: float32, mean CIE Lab / 100.
      edges: int32, two superpixels that touch, the lower first.
      lengths: float32, of their borders.
      evidence: float32, mean contrast along each.
    """

    labels: Integer[np.ndarray, "H W"]
    vectors: Float[np.ndarray, "n d"]
    areas: Float[np.ndarray, " n"]
    colors: Float[np.ndarray, "n 3"]
    edges: Int[np.ndarray, "e 2"]
    lengths: Float[np.ndarray, " e"]
    evidence: Float[np.ndarray, " e"]

    def __len__(self) -> int:
        return len(self.areas)

    @classmethod
    def of(
        cls, superpixels: Superpixels, vectors: Float[np.ndarray, "n d"]
    ) -> FrameRegions:
        """Without the padding that a program needs.

        Args:
          superpixels: of a frame.
          vectors: of them, those of padding behind the others.
        """
        graph = superpixels.graph
        count = np.count_nonzero(graph.areas)
        borders = np.asarray(graph.lengths) > 0
        small = len(graph.areas) <= 1 << 16
        return cls(
            labels=superpixels.labels.astype(np.uint16 if small else np.int32),
            vectors=vectors[:count].astype(np.float16),
            areas=np.asarray(graph.areas)[:count],
            colors=np.asarray(graph.colors)[:count],
            edges=np.asarray(graph.edges)[borders],
            lengths=np.asarray(graph.lengths)[borders],
            evidence=np.asarray(graph.evidence)[borders],
        )


def frame_regions(
    frames: Iterable[Pixels], segmenter: Segmenter
) -> Iterator[FrameRegions]:
    """Divides frames, one after the other, and averages features over superpixels.

    Frames go to the devices in the groups of the segmenter; while these have the
    forwards, threads divide the frames. Memory is that of two groups.

    Args:
      frames: RGB pixels.
      segmenter: whose backbone gives the features that its config asks for.

    Raises:
      VideoError: a frame cannot be had; those before it are given first.
    """
    groups = iter(frames)
    with ThreadPoolExecutor(host_threads(), "uhseg-frames") as pool:
        begun, failure = None, None
        while failure is None:
            group, failure = first_ones(groups, segmenter.step)
            following = _begin(group, segmenter, pool) if group else None
            if begun is not None:
                yield from _finish(*begun, segmenter)
            begun = following
            if begun is None:
                break
        if begun is not None:
            yield from _finish(*begun, segmenter)
        if failure is not None:
            raise failure


def graph_of_frames(frames: Sequence[FrameRegions]) -> RegionGraph:
    """The graph of the superpixels of all frames, in their order.

    Superpixel i of a frame is a vertex behind all those of the frames before.

    Args:
      frames: neighbours in time; one at least.
    """
    starts = np.cumsum([0, *map(len, frames)])
    spatial = sum(float(x.lengths.sum()) for x in frames) / len(frames)
    between = [
        _between(one, other, start, spatial)
        for (one, other), start in zip(
            itertools.pairwise(frames), starts.tolist(), strict=False
        )
    ]
    within = [
        (x.edges + np.int32(start), x.lengths, x.evidence)
        for x, start in zip(frames, starts.tolist(), strict=False)
    ]
    edges, lengths, evidence = zip(*within, *between, strict=True)
    return RegionGraph(
        vectors=principal(np.concatenate([x.vectors for x in frames]), _NUM_DIRECTIONS),
        areas=np.concatenate([x.areas for x in frames]) / np.float32(len(frames)),
        colors=np.concatenate([x.colors for x in frames]),
        edges=np.concatenate(edges),
        lengths=np.concatenate(lengths),
        evidence=np.concatenate(evidence),
    )


def _begin(
    group: list[Pixels], segmenter: Segmenter, pool: ThreadPoolExecutor
) -> tuple[Any, list[Future[Superpixels]]]:
    """Hands a group to the devices and to the threads."""
    rows, columns = segmenter.grid
    config = getattr(segmenter.config, "superpixels", SuperpixelConfig())
    divided = [pool.submit(superpixels_of, x, (rows, columns), config) for x in group]
    return segmenter.features(group), divided


def _finish(
    features: Any, divided: list[Future[Superpixels]], segmenter: Segmenter
) -> Iterator[FrameRegions]:
    superpixels = [x.result() for x in divided]
    weights = np.stack(filled([x.graph.weights for x in superpixels], len(features)))
    vectors = _pool(features, weights, len(segmenter.config.request.blocks))
    for one, rows in zip(superpixels, vectors, strict=False):
        yield FrameRegions.of(one, rows)


@entry_point
def _pool(
    features: Any, weights: Float[np.ndarray, "b n hw"], num_blocks: int
) -> Float[np.ndarray, "b n d"]:
    return np.asarray(_pooled(features, weights, num_blocks))


def _pooled_fn(
    features: Float[Array, "b h w d"],
    weights: Float[Array, "b n hw"],
    num_blocks: int,
) -> Float[Array, "b n d"]:
    """Means over superpixels, to which every block adds as much; of unit length."""
    b, h, w, d = features.shape
    pooled = numerics.matmul(weights, features.reshape(b, h * w, d))
    rows = numerics.normalize_blocks(pooled.reshape(-1, d), num_blocks)
    return rows.reshape(b, -1, d).astype("float16")


_pooled = jax.jit(_pooled_fn, static_argnums=2)


def _between(
    one: FrameRegions, other: FrameRegions, start: int, spatial: float
) -> tuple[Int[np.ndarray, "e 2"], Float[np.ndarray, " e"], Float[np.ndarray, " e"]]:
    """The edges between two neighbouring frames."""
    pairs, shared = overlaps(one.labels, other.labels)
    lengths = time_lengths(shared, one.labels.size, spatial)
    offsets = np.array([start, start + len(one)], np.int32)
    return pairs + offsets, lengths, np.zeros_like(lengths)
