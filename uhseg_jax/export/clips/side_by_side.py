"""An MP4 in which the clip is seen beside its regions.

H.264 in the colours that every player knows, sides even as the codec has them, panels
of at most 1024 pixels.
"""

import contextlib
import fractions
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from uhseg_jax.errors import SentenceError
from uhseg_jax.export.clips.clip import Clip, ClipOptions, Frame
from uhseg_jax.export.clips.clip_format import AddFrame, for_each_clip
from uhseg_jax.export.exporter import Destination
from uhseg_jax.export.overlay import paint
from uhseg_jax.export.panels import fit
from uhseg_jax.optional import imported
from uhseg_jax.types import Pixels

__all__ = ["SIDE_BY_SIDE"]

_PATTERN = "{name}.mp4"
_CODEC = "libx264"
_LONGEST = 1024  # pixels of a panel's long side
_RATE = 10.0  # frames per second of slices, which have no time
_OWNER = "uhseg_jax"
_OPTIONS = {"crf": "20", "movflags": "faststart"}


class EncodingError(SentenceError):
    """An MP4 cannot be written; the message says what to do."""


@contextlib.contextmanager
def _open(
    destination: Destination, options: ClipOptions, clip: Clip
) -> Iterator[AddFrame]:
    cut = clip.cut(options.num_regions)
    colors = clip.colors[cut.nodes]
    shown = np.arange(cut.nodes.size)
    file = _PATTERN.replace("{name}", clip.name)
    with (
        destination.write(file, _has_mark) as aside,
        _encoder(aside, clip.rate or _RATE, _note(options, clip)) as encode,
    ):

        def add(frame: Frame) -> None:
            image, labels = fit(
                frame.image, cut.numbers[frame.labels], longest=_LONGEST
            )
            both = [image, paint(image, labels, shown, colors)]
            encode(np.concatenate(list(map(_even, both)), axis=1))

        yield add


@contextlib.contextmanager
def _encoder(path: Path, rate: float, note: str) -> Iterator[Any]:
    """Takes images of one size, which are a film when the block has ended."""
    av = _package()
    with av.open(str(path), "w", format="mp4") as container:
        container.metadata["comment"] = f"{_OWNER} {note}"
        stream: Any = None

        def encode(image: Pixels) -> None:
            nonlocal stream
            if stream is None:
                rate_of = fractions.Fraction(rate).limit_denominator(1001)
                stream = container.add_stream(_CODEC, rate=rate_of, options=_OPTIONS)
                stream.height, stream.width = image.shape[:2]
                stream.pix_fmt = "yuv420p"
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            container.mux(stream.encode(frame))

        yield encode
        if stream is not None:
            container.mux(stream.encode())


def _package() -> Any:
    """The package av.

    Raises:
      MissingPackageError: it is not installed.
      EncodingError: it has no encoder.
    """
    av = imported("av", "The format mp4")
    if _CODEC not in av.codecs_available:
        raise EncodingError(
            "The format mp4 needs an H.264 encoder, but this build of the package av "
            f"has no {_CODEC}; install the wheel of PyPI (pip install "
            "--force-reinstall av), or leave out the format mp4."
        )
    return av


def _note(options: ClipOptions, clip: Clip) -> str:
    return clip.note(options.note("a clip beside its regions"))


def _about(path: Path) -> bytes:
    """What an MP4 says of itself: its box "moov"; empty where there is none."""
    try:
        with open(path, "rb") as file:
            while len(head := file.read(8)) == 8:
                size, kind = struct.unpack(">I4s", head)
                if kind == b"moov":
                    return file.read(size - 8)
                if size == 1:  # a longer number follows
                    size = struct.unpack(">Q", file.read(8))[0] - 8
                if size < 8:
                    break
                file.seek(size - 8, 1)
    except (OSError, struct.error):
        pass
    return b""


def _has_mark(path: Path) -> bool:
    return _OWNER.encode() in _about(path)


def _is_there(output: Path, options: ClipOptions, clip: Clip) -> bool:
    path = output / _PATTERN.replace("{name}", clip.name)
    return f"{_OWNER} {_note(options, clip)}\0".encode() in _about(path) + b"\0"


def _even(image: Pixels) -> Pixels:
    """The image with its last row or column twice where sides are odd."""
    height, width = image.shape[:2]
    return np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), "edge")


SIDE_BY_SIDE = for_each_clip(
    "mp4",
    "CLIP.mp4, the clip beside its regions (package av)",
    _PATTERN,
    _open,
    _is_there,
    _has_mark,
    check=_package,
    package="av",
)
