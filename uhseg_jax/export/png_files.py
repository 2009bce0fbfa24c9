"""PNG files, and the mark by which those that this package drew are known again.

The mark is a text chunk that names the package and says how the file was made. So an
overlay is never taken for a photograph, wherever it lies, and it is drawn again when it
is to be made otherwise.
"""

import os
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin

from uhseg_jax.export.exporter import Result
from uhseg_jax.files import atomic_write
from uhseg_jax.images import open_file
from uhseg_jax.types import UInt8

__all__ = ["is_own", "is_whole", "note_of", "note_of_result", "save_png"]

_KEYWORD, _OWNER = "Software", "uhseg_jax"


def save_png(
    path: str | os.PathLike[str],
    image: UInt8[np.ndarray, "h w 3"] | Image.Image,
    *,
    note: str | None = None,
) -> None:
    """Writes an image as PNG; a reader never sees half of it.

    Args:
      path: the file to write.
      image: RGB pixels, or an image of any mode that PNG has.
      note: how it was made; the file then carries the mark. None: no mark.
    """
    if not isinstance(image, Image.Image):
        image = Image.fromarray(image)
    text = PngImagePlugin.PngInfo()
    if note is not None:
        text.add_text(_KEYWORD, f"{_OWNER} {note}")
    with atomic_write(path) as aside:
        image.save(aside, "PNG", pnginfo=text)


def note_of(path: Path) -> str | None:
    """How a PNG was made, if it carries the mark; None for any other file."""
    if path.suffix.lower() != ".png":
        return None
    try:
        # Of all the file only what comes before its pixels is read.
        with open_file(path) as file, PngImagePlugin.PngImageFile(file) as image:
            text = image.info.get(_KEYWORD)
    except (OSError, SyntaxError, ValueError):
        return None
    if not isinstance(text, str) or not text.startswith(_OWNER):
        return None
    return text.removeprefix(_OWNER).strip()


def note_of_result(result: Result, how: str) -> str:
    """A note that says how a result was drawn and what it was made of."""
    return f"{how} of {result.provenance.short()}" if result.provenance else how


def is_whole(path: Path, note: str) -> bool:
    """Whether a PNG is there that was made so, and was not damaged since."""
    if note_of(path) != note:
        return False
    try:
        with PngImagePlugin.PngImageFile(path) as image:
            image.verify()
    except (OSError, SyntaxError, ValueError):
        return False
    return True


def is_own(path: Path) -> bool:
    """Whether a file is a PNG that carries the mark."""
    return note_of(path) is not None
