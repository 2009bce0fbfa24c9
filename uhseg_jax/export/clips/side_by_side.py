"""An MP4 in which the clip is seen beside its regions.

H.264 in the colours that every player knows, sides even as the codec has them, panels of
at most 1024 pixels.
"""

import contextlib
import fractions
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
_OPTIONS = {"crf": "20", "movflags": "faststart"}


class EncodingError(SentenceError):
    """An MP4 cannot be written; the message says what to do."""


@contextlib.contextmanager
def _open(
    destination: Destination, options: ClipOptions, clip: Clip
) -> Iterator[AddFrame]:
    av = imported("av", "The format mp4")
    cut = clip.cut(options.num_regions)
    colors = clip.colors[cut.nodes]
    shown = np.arange(cut.nodes.size)
    file = _PATTERN.replace("{name}", clip.name)
    with (
        destination.write(file) as aside,
        _encoder(av, aside, clip.rate or _RATE, file) as encode,
    ):

        def add(frame: Frame) -> None:
            image, labels = fit(
                frame.image, cut.numbers[frame.labels], longest=_LONGEST
            )
            both = [image, paint(image, labels, shown, colors)]
            encode(np.concatenate(list(map(_even, both)), axis=1))

        yield add


@contextlib.contextmanager
def _encoder(av: Any, path: Path, rate: float, file: str) -> Iterator[Any]:
    """Takes images of one size, which are a film when the block has ended."""
    if _CODEC not in av.codecs_available:
        raise EncodingError(
            f"{file}: expected an H.264 encoder in the package av, but this build of "
            f"it has no {_CODEC}; install the wheel of PyPI (pip install av), or leave "
            "out the format mp4."
        )
    with av.open(str(path), "w", format="mp4") as container:
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


def _even(image: Pixels) -> Pixels:
    """The image with its last row or column twice where sides are odd."""
    height, width = image.shape[:2]
    return np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), "edge")


SIDE_BY_SIDE = for_each_clip(
    "mp4",
    "CLIP.mp4, the clip beside its regions (package av)",
    _PATTERN,
    _open,
    package="av",
)
