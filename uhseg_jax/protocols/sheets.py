"""Small drawings of the images of an evaluation, to be set beside those of others.

A sheet is a JPEG: the image, its ground truth and its regions at some levels, panels of
one size side by side. Its comment says which evaluation drew it of what, and what the
panels are called, so that they can be taken apart again (`read_sheet`).
"""

import hashlib
import io
import json
from pathlib import Path

import numpy as np
from PIL import Image, JpegImagePlugin

from uhseg_jax.export.overlay import panels
from uhseg_jax.files import atomic_write, parse_json
from uhseg_jax.protocols.gallery import Shown
from uhseg_jax.types import UInt8

__all__ = [
    "draw_sheet",
    "evenly_spaced",
    "is_sheet",
    "is_sheet_of",
    "mark_of",
    "read_sheet",
    "sheet_name",
]

_OWNER = "uhseg_jax evaluation's sheet"
_LONGEST, _SHORTEST = 320, 160  # pixels of a panel's long side
_GAP = 16  # as wide as what JPEG compresses at once: panels do not colour each other
_QUALITY = 85


def evenly_spaced(num_examples: int, count: int) -> list[int]:
    """The examples that are drawn: so many, or all, as evenly spaced as can be."""
    count = min(num_examples, count)
    return np.linspace(0, max(num_examples - 1, 0), count).round().astype(int).tolist()


def sheet_name(index: int) -> str:
    """What the file of an example is called, whose own name may be no file's."""
    return f"{index:06}.jpg"


def mark_of(settings: str, name: str) -> str:
    """By which the sheet of an example is known again.

    Args:
      settings: digest of all that the segmentation depends on.
      name: of the example.
    """
    text = json.dumps([settings, name])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def draw_sheet(path: Path, shown: Shown, *, mark: str) -> None:
    """Draws an image, its ground truth and its regions.

    Args:
      path: the JPEG to write.
      shown: what to draw.
      mark: from `mark_of`.

    Raises:
      OSError: the file cannot be written.
    """
    drawn = panels(
        shown.image,
        shown.tree,
        levels=shown.levels,
        truth=shown.truth,
        longest=_LONGEST,
        shortest=_SHORTEST,
    )
    captions = json.dumps([caption for caption, _ in drawn])
    white = np.full((drawn[0][1].shape[0], _GAP, 3), 255, np.uint8)
    strip = np.concatenate([x for _, one in drawn for x in (one, white)][:-1], axis=1)
    file = io.BytesIO()
    comment = f"{_OWNER} {mark} {captions}".encode()
    Image.fromarray(strip).save(file, "JPEG", quality=_QUALITY, comment=comment)
    with atomic_write(path) as aside:
        aside.write_bytes(file.getvalue())


def is_sheet(path: Path) -> bool:
    """Whether a file is a sheet of any evaluation."""
    return _comment_of(path).startswith(_OWNER)


def is_sheet_of(path: Path, mark: str) -> bool:
    """Whether a file is the sheet with this mark, and not cut short since."""
    if not _comment_of(path).startswith(f"{_OWNER} {mark} "):
        return False
    try:
        with Image.open(path, formats=["JPEG"]) as image:
            image.load()
    except (OSError, SyntaxError, ValueError):
        return False
    return True


def read_sheet(path: Path) -> dict[str, UInt8[np.ndarray, "h w 3"]]:
    """The panels of a sheet, under their captions; of equal ones under the first.

    Raises:
      ValueError: the file is no sheet, or damaged.
    """
    try:
        captions = parse_json(_comment_of(path).removeprefix(_OWNER).split(" ", 2)[2])
        with Image.open(path, formats=["JPEG"]) as image:
            strip = np.asarray(image.convert("RGB"))
        width = (strip.shape[1] + _GAP) // len(captions)
        pieces = [strip[:, i * width : (i + 1) * width] for i in range(len(captions))]
        found: dict[str, UInt8[np.ndarray, "h w 3"]] = {}
        for caption, piece in zip(captions, pieces, strict=True):
            found.setdefault(str(caption), piece[:, : width - _GAP])
    except (OSError, SyntaxError, ValueError, IndexError, TypeError) as error:
        raise ValueError(
            f"{path}: expected a sheet that uhseg-evaluate drew, but the file is "
            f"another or damaged ({error!r}); delete it, and the command that drew it "
            "does so again."
        ) from error
    return found


def _comment_of(path: Path) -> str:
    """The comment of a JPEG; empty of any other file."""
    if path.suffix != ".jpg" or not path.is_file():
        return ""
    try:
        # Of all the file only what comes before its pixels is read.
        with JpegImagePlugin.JpegImageFile(path) as image:
            comment = image.info.get("comment", b"")
    except (OSError, SyntaxError, ValueError):
        return ""
    return comment.decode("utf-8", "replace") if isinstance(comment, bytes) else ""
