"""A clip as it comes: regions whose ids last, in memory that does not grow.

Frames are taken in windows, each of which is segmented as a clip of its own and shares
half of its frames with the window before. There the regions are known already:

1. The tree of the window is cut where splits cost little *and* its regions agree with
   those known (`agreement`).
2. A region of the cut takes the id of the known region that it overlaps and looks like,
   one to one, by the highest sum (the Hungarian method).
3. What is left is compared with all regions that are remembered (`prototypes`): those
   that were hidden, or left the view, and come back. What looks like none is new.

Labels of a frame are given out once, with the first window that holds it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from uhseg_jax import backbones
from uhseg_jax.derivatives import require_values
from uhseg_jax.images import PathLike
from uhseg_jax.methods import DEFAULT_METHOD, Method
from uhseg_jax.pipeline import Segmenter, require_graphs, tree_of_graph
from uhseg_jax.types import Int
from uhseg_jax.validators import check, integer
from uhseg_jax.video.carried import Carried, packed, unpacked
from uhseg_jax.video.clips import ClipLike, open_clip
from uhseg_jax.video.frame_graph import FrameRegions, frame_regions, graph_of_frames
from uhseg_jax.video.frames import FrameSource, VideoError, first_ones
from uhseg_jax.video.identity import identified

__all__ = ["VideoStream", "stream_video"]


def stream_video(
    clip: ClipLike,
    *,
    num_regions: int = 8,
    window: int = 8,
    method: str | Method = DEFAULT_METHOD,
    model: str | backbones.Variant = backbones.DEFAULT_VARIANT,
    config: Any = None,
    checkpoint_dir: PathLike | None = None,
    dtype: str = backbones.AUTO,
    state: Mapping[str, np.ndarray] | None = None,
) -> VideoStream:
    """The regions of a clip, frame after frame, with ids that last.

        >>> import uhseg_jax
        >>> stream = uhseg_jax.stream_video("clip.mp4")  # doctest: +SKIP
        >>> for labels in stream:  # int32 [H, W]  # doctest: +SKIP
        ...     print(labels.shape)

    Memory is that of one window, however long the clip is. The first labels come with
    the first ``window`` frames, the others half a window at a time. Devices take frames
    in groups, and one group is read ahead: one frame on CPUs, 8 for each accelerator.
    The same frames give the same labels.

    Args:
      clip: as for `segment_video`; a `video.FrameSource` may go on without an end.
      num_regions: of a window at most.
      window: frames that are segmented together, at least 2. Longer ones hold regions
        together better, and labels come later.
      method: as for `segment_video`.
      model: as for `segment`.
      config: the method's frozen config; None for its default.
      checkpoint_dir: as for `segment`.
      dtype: as for `segment`.
      state: of a stream of the same clip with the same settings (`VideoStream.state`):
        labels begin with the frame behind the last that it gave.

    Raises:
      ValueError: unknown method, model or dtype, a number out of its range, a config of
        another method, a method that needs the patches of one image, or the state of
        other settings.
      VideoError: while the stream is read: there is no frame, one cannot be had or has
        another size than the first, or the state is of another clip.
      backbones.WeightsError: the weights could not be had.
    """
    require_values("stream_video", clip)
    segmenter = Segmenter.create(
        method=method,
        model=model,
        config=config,
        checkpoint_dir=checkpoint_dir,
        dtype=dtype,
    )
    return VideoStream(
        open_clip(clip),
        segmenter,
        num_regions=num_regions,
        window=window,
        state=state,
    )


class VideoStream(Iterator[Int[np.ndarray, "H W"]]):
    """The labels of a clip's frames, one after the other; see `stream_video`.

    Labels are int32, ids of regions from 1: a region has the same in every frame, and
    none is given again to another. Once through: an iterator.

    Attributes:
      num_frames: that were given so far, those before a restored state too.
    """

    def __init__(
        self,
        source: FrameSource,
        segmenter: Segmenter,
        *,
        num_regions: int = 8,
        window: int = 8,
        state: Mapping[str, np.ndarray] | None = None,
    ):
        require_graphs(segmenter.method)
        self._source, self._segmenter = source, segmenter
        self._num_regions = check("num_regions", num_regions, integer(1))
        self._window = check("window", window, integer(2))
        self._given = 0  # of the window that is given out
        self._carried = Carried()
        if state is not None:
            self._carried, self._given = unpacked(state, self._settings)
        self.num_frames = self._carried.stop + self._given
        self._labels = self._all()

    def __next__(self) -> Int[np.ndarray, "H W"]:
        return next(self._labels)

    def state(self) -> dict[str, np.ndarray]:
        """All that another stream needs to go on behind the frame given last.

        A few hundred kilobytes: ids of the superpixels that the next window shares, and
        what is remembered of regions. ``numpy.savez`` keeps it in a file.
        """
        return packed(self._carried, self._given, self._settings)

    @property
    def _settings(self) -> dict[str, int | str]:
        segmenter = self._segmenter
        config = repr(segmenter.config).encode()
        return {
            "num_regions": self._num_regions,
            "window": self._window,
            "model": json.dumps(segmenter.backbone.settings(), sort_keys=True),
            "method": segmenter.method.name,
            "config": hashlib.sha256(config).hexdigest()[:16],
        }

    def _all(self) -> Iterator[Int[np.ndarray, "H W"]]:
        shared = len(self._carried.ids)
        regions = frame_regions(
            self._source.checked(self._carried.start), self._segmenter
        )
        frames, failure = first_ones(regions, shared)
        if failure is None:
            _require_same_frames(self._source.title, frames, self._carried)
        while failure is None:
            new, failure = first_ones(regions, self._window - len(frames))
            if not new:
                break
            frames += new
            found = self._identified(frames)
            for frame, ids in list(zip(frames, found.ids, strict=True))[
                len(self._carried.ids) + self._given :
            ]:
                self._given += 1
                self.num_frames += 1
                yield ids[frame.labels]
            frames = frames[-(self._window // 2) :]
            self._carried, self._given = found.last(len(frames)), 0
        if failure is not None:
            raise failure
        if not self.num_frames:
            raise VideoError(
                f"{self._source.title}: expected at least one frame, but found none."
            )

    def _identified(self, frames: Sequence[FrameRegions]) -> Carried:
        tree = tree_of_graph(
            graph_of_frames(frames), self._segmenter.method, self._segmenter.config
        )
        return identified(self._carried, frames, tree, self._num_regions)


def _require_same_frames(
    title: str, frames: Sequence[FrameRegions], known: Carried
) -> None:
    """Refuses the state of another clip, as far as its superpixels tell.

    Raises:
      VideoError: it is such.
    """
    sizes = [len(x) for x in frames]
    if sizes != [len(x) for x in known.ids]:
        raise VideoError(
            f"{title}: expected the state of a stream of this clip, but frames "
            f"{known.start} to {known.stop - 1} had other superpixels there, or are "
            "not in this one; begin without a state."
        )
