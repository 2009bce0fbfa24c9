"""How a run finds the regions of a clip: of all frames at once, or as they come."""

import dataclasses
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Protocol, runtime_checkable

import numpy as np

from uhseg_jax.export.clips import Clip
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.parts import Parts
from uhseg_jax.pipeline import Segmenter
from uhseg_jax.runs.clips import RunClip
from uhseg_jax.types import Int
from uhseg_jax.video.frames import FrameSource, VideoError
from uhseg_jax.video.streaming import VideoStream
from uhseg_jax.video.whole import segment_frames

__all__ = ["ClipMode", "Streaming", "Whole"]

OnFrame = Callable[[int], None]


@runtime_checkable
class ClipMode(Protocol):
    """One way to find regions."""

    def settings(self) -> dict[str, Any]:
        """What results depend on, beside the segmenter."""

    def segment(
        self,
        clip: RunClip,
        source: FrameSource,
        segmenter: Segmenter,
        parts: Parts,
        on_frame: OnFrame,
    ) -> Clip:
        """The regions of a clip.

        Args:
          clip: as the run knows it.
          source: its frames.
          segmenter: of a method that takes graphs.
          parts: where what is found is kept, to go on from; they stay until the files
            are written.
          on_frame: is told how many frames are done.

        Raises:
          VideoError: a frame cannot be had.
        """


@dataclasses.dataclass(frozen=True)
class Whole:
    """One tree of all frames; see `segment_video`.

    Attributes:
      is_volume: whether frames are slices, and there is no time.
    """

    is_volume: bool = False

    def settings(self) -> dict[str, Any]:
        """See `ClipMode`."""
        return {"mode": "volume" if self.is_volume else "whole"}

    def segment(
        self,
        clip: RunClip,
        source: FrameSource,
        segmenter: Segmenter,
        parts: Parts,
        on_frame: OnFrame,
    ) -> Clip:
        """See `ClipMode`."""
        found = segment_frames(source, segmenter, parts=parts, on_frame=on_frame)
        labels = np.asarray(found.tree.labels)
        height, width = labels.shape[1:]
        names = _distinct(found.names)
        return Clip(
            clip.name,
            clip.title,
            found.rate,
            names,
            found.tree,
            labels,
            (height, width),
        )


@dataclasses.dataclass(frozen=True)
class Streaming:
    """Regions whose ids last, by windows; see `stream_video`.

    Attributes:
      num_regions: of a window, at most.
      window: frames that are segmented together.
    """

    num_regions: int = 8
    window: int = 8

    def settings(self) -> dict[str, Any]:
        """See `ClipMode`."""
        return {"mode": "streaming", **dataclasses.asdict(self)}

    def segment(
        self,
        clip: RunClip,
        source: FrameSource,
        segmenter: Segmenter,
        parts: Parts,
        on_frame: OnFrame,
    ) -> Clip:
        """See `ClipMode`; memory does not grow with the clip."""
        kept = _KeptLabels(parts)
        stream = VideoStream(
            source,
            segmenter,
            num_regions=self.num_regions,
            window=self.window,
            state=parts.get(_STATE),
        )
        for labels in stream:
            kept.put(stream.num_frames - 1, labels)
            # Often enough that little is done twice; it is not small.
            if stream.num_frames % max(1, self.window // 2) == 0:
                parts.put(_STATE, **stream.state())
            on_frame(stream.num_frames)
        kept = dataclasses.replace(kept, count=stream.num_frames)
        most, size = 0, (0, 0)
        for labels in kept:
            most, size = max(most, int(labels.max())), labels.shape
        nothing = np.zeros(0, np.int32)
        return Clip(
            clip.name,
            clip.title,
            source.rate,
            _distinct(tuple(map(source.name, range(stream.num_frames)))),
            RegionTree.flat(nothing, most + 1),
            kept,
            size,
        )


_STATE = "state"


@dataclasses.dataclass(frozen=True)
class _KeptLabels:
    """Labels of frames as parts, one of them in memory at a time."""

    parts: Parts
    count: int = 0

    def put(self, index: int, labels: Int[np.ndarray, "H W"]) -> None:
        """Keeps those of a frame; in a hundredth of their bytes."""
        content = zlib.compress(np.ascontiguousarray(labels, np.int32).tobytes(), 1)
        self.parts.put(
            self._name(index),
            labels=np.frombuffer(content, np.uint8),
            size=np.array(labels.shape),
        )

    def __iter__(self) -> Iterator[Int[np.ndarray, "H W"]]:
        for index in range(self.count):
            found = self.parts.get(self._name(index))
            if found is None:
                # With nothing to go on from, the next run begins with the first frame.
                self.parts.remove()
                raise VideoError(
                    f"{self.parts.folder / self._name(index)}.npz: expected the labels "
                    "of a frame, but the file is gone or damaged; run the same command "
                    "again."
                )
            content = zlib.decompress(found["labels"].tobytes())
            yield np.frombuffer(content, np.int32).reshape(found["size"]).copy()

    def _name(self, index: int) -> str:
        return f"labels-{index:06d}"


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    """The names of frames; their numbers where some are the same."""
    if len({x.casefold() for x in names}) == len(names):
        return names
    return tuple(f"{index:05d}" for index in range(len(names)))
