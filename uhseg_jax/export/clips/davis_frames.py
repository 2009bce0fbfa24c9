"""A PNG for every frame, laid out as DAVIS does: a folder for the clip.

Regions count from 1, for 0 is background to tools that read such folders. Up to 255
of them are numbers of DAVIS's palette; frames with higher ones are PNGs of 16 bits,
without colours.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from uhseg_jax.export.clips.clip import Clip, ClipOptions, Frame
from uhseg_jax.export.clips.clip_format import AddFrame, for_each_clip
from uhseg_jax.export.exporter import Destination
from uhseg_jax.export.labels import davis_palette
from uhseg_jax.export.png_files import encoded, is_own, note_of

__all__ = ["DAVIS_FRAMES"]

_PATTERN = "davis/{name}/*.png"
_MOST = 2**16 - 1


@contextlib.contextmanager
def _open(
    destination: Destination, options: ClipOptions, clip: Clip
) -> Iterator[AddFrame]:
    cut = clip.cut(options.num_regions)
    if cut.nodes.size > _MOST:
        raise ValueError(
            f"{clip.title}: expected at most {_MOST} regions, which is what a PNG can "
            f"number, but there are {cut.nodes.size}; take fewer."
        )
    palette = davis_palette().tobytes()
    note = _note(options, clip)

    def add(frame: Frame) -> None:
        numbers = cut.numbers[frame.labels] + 1
        if numbers.max() > 255:
            image = Image.fromarray(numbers.astype(np.uint16))
        else:
            image = Image.fromarray(numbers.astype(np.uint8))
            image.putpalette(palette)
        with destination.write(_file(clip, frame.name), is_own) as aside:
            aside.write_bytes(encoded(image, note))

    yield add
    # Frames that the clip had before it was replaced.
    for path in (destination.output / _file(clip, "a")).parent.glob("*.png"):
        if path.stem not in set(clip.names) and is_own(path):
            path.unlink(missing_ok=True)


def _note(options: ClipOptions, clip: Clip) -> str:
    return clip.note(options.note("regions of a clip"))


def _file(clip: Clip, frame: str) -> str:
    return _PATTERN.replace("{name}", clip.name).replace("*", frame)


def _is_there(output: Path, options: ClipOptions, clip: Clip) -> bool:
    note = _note(options, clip)
    return all(note_of(output / _file(clip, x)) == note for x in clip.names)


DAVIS_FRAMES = for_each_clip(
    "davis",
    "davis/CLIP/FRAME.png, regions from 1 in the palette of DAVIS",
    _PATTERN,
    _open,
    _is_there,
    is_own,
)
