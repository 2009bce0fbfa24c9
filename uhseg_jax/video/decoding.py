"""Clips in one file, decoded frame by frame by FFmpeg (PyAV, the extra ``video``)."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from uhseg_jax.images import ImageError, open_file
from uhseg_jax.images.decoding import check_size
from uhseg_jax.optional import imported
from uhseg_jax.types import Pixels
from uhseg_jax.video.frames import FrameSource, VideoError

__all__ = ["ClipFile"]

# Of FFmpeg: lists that name other files, and text that it would draw.
_NO_CLIPS = frozenset({"concat", "dash", "hls", "imf", "lavfi", "tty"})
_IMAGES = frozenset({"image2"})
_QUARTER = 90  # degrees


@dataclasses.dataclass(frozen=True)
class ClipFile(FrameSource):
    """A video file: MP4, MOV, WebM, MKV, AVI, GIF and what else FFmpeg decodes.

    Frames are those of the first video stream, in the order in which they are shown,
    upright where the file says how it was held, and over white where they are
    transparent. A rate that varies makes no difference: every frame counts once.

    Attributes:
      path: the file.
      title: what messages and results call the clip.
      rate: frames per second, on average.
      stated: frames that the file says it has, which need not be true; 0 for unknown.
    """

    path: Path
    title: str
    rate: float = 24.0
    stated: int = 0

    @classmethod
    def open(cls, path: Path) -> ClipFile:
        """A file whose header was read.

        Raises:
          VideoError: there is no such file, or it holds no clip.
          MissingPackageError: PyAV is not installed.
        """
        with _opened(path) as (_, stream):
            _require_whole(path, stream)
            rate = stream.average_rate or stream.guessed_rate or 24
            return cls(path, path.stem, float(rate), int(stream.frames))

    @property
    def count(self) -> int | None:
        """What the file says, where it says so."""
        return self.stated or None

    def frames(self, start: int = 0) -> Iterator[Pixels]:
        """See `FrameSource.frames`; those before the start are decoded all the same.

        A file that ends early was refused when it was opened, where its index tells
        (MP4, MOV); others (AVI, MKV, WebM, TS, GIF) have the frames that are in them.
        """
        done = 0
        with _opened(self.path) as (container, stream):
            try:
                for done, frame in enumerate(_decoded(container, stream), 1):
                    if done > start:
                        check_size(frame.width, frame.height, self.title)
                        yield _upright(_pixels(frame), frame.rotation)
            except imported("av", "reading a clip").error.FFmpegError as error:
                raise VideoError(_broken(self.path, done, error)) from error
        if done == 0:
            raise VideoError(
                f"{self.path}: expected a clip, but not one frame can be decoded; the "
                "file is cut short or damaged: replace it with an intact copy."
            )


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, Any]]:
    """A container of FFmpeg and its first video stream."""
    av = imported("av", f"{path}: reading a clip")
    try:
        open_file(path).close()
    except ImageError as error:
        raise VideoError(str(error).replace("an image file", "a clip")) from error
    av.logging.set_level(None)  # what is wrong is said by exceptions
    try:
        # By these options a file cannot have others fetched from somewhere.
        options = {"protocol_whitelist": "file"}
        container = av.open(f"file:{path.absolute()}", options=options)
    except av.error.FFmpegError as error:
        raise VideoError(
            f"{path}: expected a clip (such as MP4, MOV, WebM, MKV or AVI), but it is "
            f"none that FFmpeg can open ({error.strerror}); it may be cut short: "
            "replace it with an intact copy, or give a folder of its frames."
        ) from error
    with container:
        kind = container.format.name
        if kind in _IMAGES or kind.endswith("_pipe"):
            raise VideoError(
                f"{path}: expected a clip, but this is one image; give the folder of "
                "all frames."
            )
        if kind in _NO_CLIPS or not container.streams.video:
            raise VideoError(
                f"{path}: expected a clip, but there is no video in it (the file is "
                f"{container.format.long_name}); give another, or an intact copy."
            )
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        yield container, stream


def _require_whole(path: Path, stream: Any) -> None:
    """Refuses a file that ends before the frames that its index speaks of."""
    entries = getattr(stream, "index_entries", ())  # of PyAV's later versions
    needed = max((x.pos + x.size for x in entries), default=0)
    size = path.stat().st_size
    if needed > size:
        raise VideoError(
            f"{path}: expected at least {needed:,} bytes, as the index of the clip "
            f"says, but the file has {size:,}; it is cut short: replace it with an "
            "intact copy, or give a folder of its frames."
        )


def _decoded(container: Any, stream: Any) -> Iterator[Any]:
    """The frames of a stream; by the one decoder that knows the alpha of WebM."""
    if stream.metadata.get("alpha_mode") != "1":
        yield from container.decode(stream)
        return
    av = imported("av", "reading a clip")
    decoder = av.CodecContext.create(f"libvpx-{stream.codec_context.name}", "r")
    for packet in container.demux(stream):
        yield from decoder.decode(packet)


def _pixels(frame: Any) -> Pixels:
    """RGB as on a white page."""
    if not any(x.is_alpha for x in frame.format.components):
        pixels: np.ndarray = frame.to_ndarray(format="rgb24")
        return pixels
    above = Image.fromarray(frame.to_ndarray(format="rgba"), "RGBA")
    page = Image.new("RGBA", above.size, "white")
    return np.asarray(Image.alpha_composite(page, above).convert("RGB"))


def _upright(pixels: Pixels, degrees: int) -> Pixels:
    """Turned counterclockwise by the nearest quarter."""
    return np.ascontiguousarray(np.rot90(pixels, round(degrees / _QUARTER)))


def _broken(path: Path, done: int, error: Any) -> str:
    instead = f", or cut it behind its first {done} frames" if done else ""
    return (
        f"{path}: frame {done + 1} cannot be decoded ({error.strerror}), as the file "
        f"is cut short or damaged; replace it with an intact copy{instead}."
    )
