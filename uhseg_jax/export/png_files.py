"""PNG files, and the mark by which those that this package drew are known again.

The mark is a text chunk that names the package and says how the file was made. So an
overlay is never taken for a photograph, wherever it lies, and it is drawn again when it
is to be made otherwise.
"""

import io
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin

from uhseg_jax.export.exporter import (
    Exporter,
    ExportOptions,
    Result,
    for_each_image,
)
from uhseg_jax.files import atomic_write
from uhseg_jax.images import open_file
from uhseg_jax.types import UInt8

__all__ = ["is_own", "is_whole", "note_of", "png_format", "save_png"]

_KEYWORD, _OWNER = "Software", "uhseg_jax"

Drawing = UInt8[np.ndarray, "h w 3"] | Image.Image


def save_png(
    path: str | os.PathLike[str],
    image: Drawing,
    *,
    note: str | None = None,
) -> None:
    """Writes an image as PNG; a reader never sees half of it.

    Args:
      path: the file to write.
      image: RGB pixels, or an image of any mode that PNG has.
      note: how it was made; the file then carries the mark. None: no mark.
    """
    with atomic_write(path) as aside:
        aside.write_bytes(_encoded(image, note))


def png_format(
    name: str,
    summary: str,
    suffix: str,
    *,
    draw: Callable[[Result, ExportOptions], Drawing],
    note: Callable[[ExportOptions], str],
) -> Exporter:
    """A format of one PNG for each image, drawn again where it is to be otherwise.

    Args:
      name: what the format is called on command lines.
      summary: what its file holds, for help texts: a noun phrase.
      suffix: what its files end in, after the name of a result.
      draw: makes the image of a result.
      note: says in few words how that is done.
    """

    def note_on(result: Result, options: ExportOptions) -> str:
        made_of = result.provenance
        return note(options) + (f" of {made_of.short()}" if made_of else "")

    def render(result: Result, options: ExportOptions) -> bytes:
        return _encoded(draw(result, options), note_on(result, options))

    def is_good(path: Path, result: Result, options: ExportOptions) -> bool:
        return is_whole(path, note_on(result, options))

    return for_each_image(name, summary, suffix, render, is_good, is_own)


def _encoded(image: Drawing, note: str | None) -> bytes:
    if not isinstance(image, Image.Image):
        image = Image.fromarray(image)
    text = PngImagePlugin.PngInfo()
    if note is not None:
        text.add_text(_KEYWORD, f"{_OWNER} {note}")
    file = io.BytesIO()
    image.save(file, "PNG", pnginfo=text)
    return file.getvalue()


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
