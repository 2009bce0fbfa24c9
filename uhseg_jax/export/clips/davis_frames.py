"""A PNG for every frame, laid out as DAVIS does: a folder for the clip.

Regions count from 1, for 0 is background to tools that read such folders. Up to 255 of
them are numbers of DAVIS's palette; frames with higher ones are PNGs of 16 bits, without
colours.
"""

import contextlib
from collections.abc import Iterator

import numpy as np
from PIL import Image

from uhseg_jax.export.clips.clip import Clip, ClipOptions, Frame
from uhseg_jax.export.clips.clip_format import AddFrame, for_each_clip
from uhseg_jax.export.exporter import Destination
from uhseg_jax.export.labels import davis_palette
from uhseg_jax.export.png_files import encoded, is_own

__all__ = ["DAVIS_FRAMES"]

_PATTERN = "davis/{name}/*.png"


@contextlib.contextmanager
def _open(
    destination: Destination, options: ClipOptions, clip: Clip
) -> Iterator[AddFrame]:
    cut = clip.cut(options.num_regions)
    if cut.nodes.size > 65535:
        raise ValueError(
            f"{clip.title}: expected at most 65535 regions, which is what a PNG can "
            f"number, but there are {cut.nodes.size}; take fewer."
        )
    palette = davis_palette().tobytes()
    pattern = _PATTERN.replace("{name}", clip.name)

    def add(frame: Frame) -> None:
        numbers = cut.numbers[frame.labels] + 1
        if numbers.max() > 255:
            image = Image.fromarray(numbers.astype(np.uint16))
        else:
            image = Image.fromarray(numbers.astype(np.uint8))
            image.putpalette(palette)
        with destination.write(pattern.replace("*", frame.name), is_own) as aside:
            aside.write_bytes(encoded(image, "regions of a clip"))

    yield add


DAVIS_FRAMES = for_each_clip(
    "davis",
    "davis/CLIP/FRAME.png, regions from 1 in the palette of DAVIS",
    _PATTERN,
    _open,
)
