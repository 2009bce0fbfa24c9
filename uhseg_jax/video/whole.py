"""A clip, all its frames at once, to one tree of regions through time."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from uhseg_jax import backbones
from uhseg_jax.derivatives import require_values
from uhseg_jax.images import PathLike
from uhseg_jax.methods import DEFAULT_METHOD, Method
from uhseg_jax.parts import Parts
from uhseg_jax.pipeline import Segmenter, require_graphs, tree_of_graph
from uhseg_jax.video.clips import ClipLike, open_clip
from uhseg_jax.video.frame_graph import FrameRegions, frame_regions, graph_of_frames
from uhseg_jax.video.frames import FrameSource, VideoError
from uhseg_jax.video.video_tree import VideoTree

__all__ = ["segment_frames", "segment_video"]


def segment_video(
    clip: ClipLike,
    *,
    method: str | Method = DEFAULT_METHOD,
    model: str | backbones.Variant = backbones.DEFAULT_VARIANT,
    config: Any = None,
    checkpoint_dir: PathLike | None = None,
    dtype: str = backbones.AUTO,
    parts: PathLike | None = None,
) -> VideoTree:
    """The tree of nested regions of a clip: each keeps its id through all frames.

    Every frame is divided into superpixels; those of all frames are one graph, in which
    superpixels of neighbouring frames touch where they share pixels. The method works
    on that graph, so frames are not segmented one by one and then matched.

        >>> import uhseg_jax
        >>> tree = uhseg_jax.segment_video("clip.mp4")  # doctest: +SKIP
        >>> tree.cut(num_regions=8)  # doctest: +SKIP

    Memory is that of the labels of all frames and of one vector for each superpixel.
    For clips without an end there is `stream_video`.

    Args:
      clip: a file (needs the extra ``video``), a folder of images, a list of images, an
        array ``[t, H, W, 3]``, or a `video.FrameSource`. All frames have one size.
      method: "region_merging" or "recursive_spectral", or a `Method` that takes graphs.
      model: as for `segment`.
      config: the method's frozen config; None for its default. Its superpixels are
        those of each frame.
      checkpoint_dir: as for `segment`.
      dtype: as for `segment`.
      parts: a folder where what was found of each frame is kept, so that the same call
        goes on after it was stopped; of this clip and these settings alone. Delete it
        when there is nothing to go on with.

    Raises:
      ValueError: unknown method, model or dtype, a config of another method, or a
        method that needs the patches of one image.
      VideoError: a frame cannot be had, or has another size than the first.
      backbones.WeightsError: the weights could not be had.
    """
    require_values("segment_video", clip)
    segmenter = Segmenter.create(
        method=method,
        model=model,
        config=config,
        checkpoint_dir=checkpoint_dir,
        dtype=dtype,
    )
    kept = None if parts is None else Parts(Path(parts))
    return segment_frames(open_clip(clip), segmenter, parts=kept)


def segment_frames(
    source: FrameSource,
    segmenter: Segmenter,
    *,
    parts: Parts | None = None,
    on_frame: Callable[[int], None] | None = None,
) -> VideoTree:
    """The tree of a clip, by a segmenter that is there already; see `segment_video`.

    Args:
      source: the frames.
      segmenter: of a method that takes graphs.
      parts: where what was found of each frame is kept, to go on from.
      on_frame: is told how many frames are done, after each.

    Raises:
      ValueError: the method needs the patches of one image.
      VideoError: a frame cannot be had, or has another size than the first.
    """
    require_graphs(segmenter.method)
    frames = []
    for frame in _regions(source, segmenter, parts):
        frames.append(frame)
        if on_frame is not None:
            on_frame(len(frames))
    if not frames:
        raise VideoError(
            f"{source.title}: expected at least one frame, but found none."
        )
    graph = graph_of_frames(frames)
    found = tree_of_graph(graph, segmenter.method, segmenter.config)
    labels = np.empty((len(frames), *frames[0].labels.shape), np.int32)
    start = 0
    for row, frame in zip(labels, frames, strict=True):
        row[...] = found.labels[start : start + len(frame)][frame.labels]
        start += len(frame)
    return VideoTree(
        tree=dataclasses.replace(found, labels=labels),
        rate=source.rate,
        names=tuple(source.name(i) for i in range(len(frames))),
        title=source.title,
    )


def _regions(
    source: FrameSource, segmenter: Segmenter, parts: Parts | None
) -> Iterator[FrameRegions]:
    """Those of every frame, kept ones first."""
    count, size = 0, None
    while parts is not None and (arrays := parts.get(_part(count))) is not None:
        frame = FrameRegions(**arrays)
        size = frame.labels.shape
        yield frame
        count += 1
    for frame in frame_regions(source.checked(count, size), segmenter):
        if parts is not None:
            parts.put(_part(count), **vars(frame))
        yield frame
        count += 1


def _part(index: int) -> str:
    return f"frame-{index:06d}"
