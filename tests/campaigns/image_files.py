"""Hundreds of image files that something is wrong with, or that are odd.

Each has a number at the beginning of its name (``f0123``), by which it is found in
what a run says and writes.
"""

import dataclasses
import io
import os
import random
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageSequence, PngImagePlugin

from tests.campaigns.image_bombs import bombs, encoded

__all__ = ["Made", "files_below", "make_files"]

# What a run owes a file.
RESULT, SENTENCE, EITHER, PASSED = "a result", "a sentence", "either", "passed over"

_SIZE = (40, 30)  # of nearly all, so that few programs are compiled
# Suffix, what Pillow calls the format, and the modes that it is written in.
_FORMATS = {
    ".png": ("PNG", ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")),
    ".jpg": ("JPEG", ("L", "RGB", "CMYK")),
    ".jpeg": ("JPEG", ("RGB",)),
    ".bmp": ("BMP", ("1", "L", "P", "RGB", "RGBA")),
    ".dib": ("DIB", ("RGB",)),
    ".gif": ("GIF", ("L", "P", "RGB")),
    ".tif": ("TIFF", ("1", "L", "P", "RGB", "RGBA", "CMYK", "LAB", "I;16", "I", "F")),
    ".tiff": ("TIFF", ("RGB", "YCbCr")),
    ".webp": ("WEBP", ("RGB", "RGBA")),
    ".avif": ("AVIF", ("RGB", "RGBA")),
    ".jp2": ("JPEG2000", ("L", "RGB", "RGBA")),
    ".tga": ("TGA", ("L", "RGB", "RGBA")),
    ".ppm": ("PPM", ("RGB",)),
    ".pgm": ("PPM", ("L", "I;16")),
    ".pbm": ("PPM", ("1",)),
}
UNREAD = (".dng", ".cr2", ".nef", ".heic", ".jxl")
_NAMES = (
    *("with space", "new\nline", "tab\there", "\x1b[31mred\x1b[0m", "\x07bell"),
    *("a;rm -rf x", "$(touch executed)", "`touch executed`", "{name}", "%s%n", "[0-9]"),
    *("*", "quote'\"", "<b>&amp;", "--><script>x", "\u202egnp", "e\u0301", "\u00e9"),
    *(
        "写真の名前",
        "emoji \U0001f600",
        "dot.",
        "..",
        "-rf",
        "--help",
        "=1+1",
        "~",
        "#",
    ),
    *("coco.json", "index.html", "run.json", "x.npz", "CON", "nul", "\\back\\slash"),
    *("\u200bzero width", "\udcff\udcfe not utf-8", "\r return", "trailing "),
)


@dataclasses.dataclass(frozen=True)
class Made:
    """A file, or what stands in the place of one.

    Attributes:
      token: how its name begins.
      path: where it lies.
      due: what a run owes it.
      stands_for: what it is, if no file.
    """

    token: str
    path: Path
    due: str
    stands_for: str = ""


class _Maker:
    """Writes files into a folder and remembers what is due to each."""

    def __init__(self, folder: Path, rng: random.Random):
        self.folder, self.rng = folder, rng
        self.made: list[Made] = []
        folder.mkdir(parents=True)
        noise = np.random.default_rng(rng.randrange(2**32))
        blocks = Image.fromarray(noise.integers(0, 256, (3, 4, 3), dtype=np.uint8))
        self.image = blocks.resize(_SIZE, Image.Resampling.NEAREST)

    def path(
        self, ending: str, due: str, *, below: str = "", stands_for: str = "file"
    ) -> Path:
        """The path for a new file."""
        token = f"f{len(self.made):04}"
        folder = self.folder / below
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{token}{ending}"
        self.made.append(Made(token, path, due, stands_for))
        return path

    def bytes(self, data: bytes, ending: str, due: str, **kwargs: str) -> None:
        """Writes a file."""
        self.path(ending, due, **kwargs).write_bytes(data)


def make_files(folder: Path, count: int, seed: int) -> list[Made]:
    """Makes so many files, most of them by damaging good ones at random.

    Args:
      folder: which is made.
      count: of files, links and so on.
      seed: of the damage.
    """
    maker = _Maker(folder, random.Random(seed))
    for part in (_good, _named, _odd, _bombs, _disguised, _no_files):
        part(maker)
    good = [
        (x.path.read_bytes(), x.path.suffix)
        for x in maker.made
        if x.due == RESULT and x.path.suffix in _FORMATS and len(x.path.name) < 20
    ]
    while len(maker.made) < count:
        data, suffix = maker.rng.choice(good)
        maker.bytes(_damaged(data, maker.rng), suffix, EITHER)
    return maker.made


def _damaged(data: bytes, rng: random.Random) -> bytes:
    """Cut off, with bytes flipped, a stretch zeroed or repeated, or filled up."""
    if rng.random() < 0.4:
        return data[: rng.randrange(len(data))]
    changed = bytearray(data)
    # Headers are where most goes wrong.
    end = rng.choice((64, 256, len(data)))
    for _ in range(rng.choice((1, 1, 3, 10))):
        changed[rng.randrange(min(end, len(data)))] = rng.randrange(256)
    if rng.random() < 0.2:
        begin = rng.randrange(len(data))
        changed[begin : begin + 64] = bytes(64)
    if rng.random() < 0.1:
        changed += rng.randbytes(1000)
    return bytes(changed)


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    grey = np.asarray(image.convert("L"))
    if mode == "I;16":
        return Image.fromarray(grey.astype(np.uint16) * 257)
    if mode in ("I", "F"):
        return Image.fromarray(grey.astype({"I": np.int32, "F": np.float32}[mode]))
    if mode == "LAB":
        return Image.frombytes("LAB", image.size, image.tobytes())
    return image.convert(mode)


def _good(maker: _Maker) -> None:
    """Every format and mode, which all must have results."""
    for suffix, (form, modes) in _FORMATS.items():
        for mode in modes:
            data = encoded(_in_mode(maker.image, mode), form)
            maker.bytes(data, suffix, RESULT)
            maker.bytes(data, suffix.upper(), RESULT, below="sub/deep")
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        maker.bytes(encoded(maker.image, "JPEG", exif=exif), ".jpg", RESULT)
    for compression in ("tiff_lzw", "tiff_deflate", "packbits", "jpeg"):
        data = encoded(maker.image, "TIFF", compression=compression)
        maker.bytes(data, ".tif", RESULT)
    frames = [maker.image.rotate(90 * i) for i in range(4)]
    for form, suffix in (("GIF", ".gif"), ("TIFF", ".tif"), ("WEBP", ".webp")):
        data = encoded(frames[0], form, save_all=True, append_images=frames[1:])
        assert len(list(ImageSequence.Iterator(Image.open(io.BytesIO(data))))) == 4
        maker.bytes(data, suffix, RESULT)


def _named(maker: _Maker) -> None:
    """Names that shells, terminals, pages and file systems take amiss."""
    data = encoded(maker.image, "PNG")
    for name in _NAMES:
        maker.bytes(data, f"{name}.png", RESULT)
    for name in ("coco.json", "index.html", "run.json", "x\ny", "--output=x", "\uff46"):
        maker.bytes(data, ".png", EITHER, below=name)
    for length in (200, 224, 229, 240, 251):
        due = RESULT if length < 240 else EITHER  # results have longer suffixes
        maker.bytes(data, "x" * (length - 9) + ".png", due)
    maker.bytes(data, "写" * 78 + ".png", RESULT)
    for suffix in (".png", ".jpg", ".bmp"):
        path = maker.folder / "same" / f"stem{suffix}"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(encoded(maker.image, _FORMATS[suffix][0]))
        maker.made.append(Made("stem", path, RESULT))


def _odd(maker: _Maker) -> None:
    """Sizes and values at the ends of what there is."""
    for size in ((1, 1), (1, 2), (2, 1), (3, 3), (1, 300), (300, 1), (7, 5)):
        maker.bytes(encoded(maker.image.resize(size), "PNG"), ".png", RESULT)
    floats = np.linspace(-1, 1, 1200, dtype=np.float32).reshape(30, 40)
    for value in (np.nan, np.inf, -np.inf, -3.4e38, 1e9):
        floats[3, 3] = value
        maker.bytes(encoded(Image.fromarray(floats), "TIFF"), ".tif", RESULT)
    for value in (0, np.nan):
        constant = Image.fromarray(np.full((30, 40), value, np.float32))
        maker.bytes(encoded(constant, "TIFF"), ".tif", RESULT)
    deep = np.arange(1200, dtype=np.uint16).reshape(30, 40)
    for scale in (1, 4, 50):
        maker.bytes(encoded(Image.fromarray(deep * scale), "PNG"), ".png", RESULT)
    maker.bytes(b"", ".png", SENTENCE)
    maker.bytes(b"no image", ".jpg", SENTENCE)
    maker.bytes(bytes(100_000), ".png", SENTENCE)
    maker.bytes(encoded(maker.image, "PNG") + b"more" * 1000, ".png", RESULT)
    tif = bytearray(encoded(maker.image, "TIFF"))
    first = struct.unpack_from("<I", tif, 4)[0]
    (entries,) = struct.unpack_from("<H", tif, first)
    struct.pack_into("<I", tif, first + 2 + 12 * entries, first)  # its own successor
    maker.bytes(bytes(tif), ".tif", RESULT)


def _bombs(maker: _Maker) -> None:
    """Small files that claim or unpack to far more than they are."""
    for data, suffix, is_refused in bombs(maker.image):
        maker.bytes(data, suffix, SENTENCE if is_refused else EITHER)


def _disguised(maker: _Maker) -> None:
    """Contents of other kinds than the names say."""
    eps = (
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 40 30\n%%EndComments\nshowpage\n"
    )
    for suffix in (".jpg", ".png", ".tif"):
        maker.bytes(eps, suffix, SENTENCE)
        maker.bytes(b"%PDF-1.4\n" + bytes(99), suffix, SENTENCE)
        maker.bytes(b"<svg xmlns='http://www.w3.org/2000/svg'/>", suffix, SENTENCE)
        maker.bytes(b"#!/bin/sh\ntouch executed\n", suffix, SENTENCE)
    for form in ("DDS", "ICO", "ICNS", "IM", "MSP", "PCX", "SGI", "SPIDER", "QOI"):
        mode = {"MSP": "1", "SPIDER": "F"}.get(form, "RGB")
        maker.bytes(encoded(_in_mode(maker.image, mode), form), ".png", EITHER)
    for form, suffix in (("JPEG", ".png"), ("PNG", ".jpg"), ("WEBP", ".bmp")):
        maker.bytes(encoded(maker.image, form), suffix, RESULT)
    info = PngImagePlugin.PngInfo()
    info.add_text("Software", "somebody else")
    maker.bytes(encoded(maker.image, "PNG", pnginfo=info), ".png", RESULT)
    # Of a camera: a thumbnail in a TIFF that says which sensor data it stands for.
    raw = encoded(maker.image, "TIFF", tiffinfo={50706: b"\1\4\0\0", 254: 1})
    for suffix in UNREAD:
        maker.bytes(raw, suffix, PASSED)
    maker.bytes(raw, ".tif", EITHER)


def _no_files(maker: _Maker) -> None:
    """What stands where a file is expected."""
    os.mkfifo(maker.path(".png", PASSED, stands_for="fifo"))
    for target in ("/dev/zero", "/dev/full"):
        maker.path(".jpg", PASSED, stands_for="device").symlink_to(target)
    maker.path(".png", PASSED, stands_for="link").symlink_to("nowhere.png")
    loop = maker.path(".png", PASSED, stands_for="link")
    loop.symlink_to(loop.name)
    maker.path(".jpg", EITHER).symlink_to("/etc/passwd")
    maker.bytes(encoded(maker.image, "PNG"), ".png", RESULT, below="folder.png")
    maker.path(".png", SENTENCE).touch(mode=0)
    for name in ("again", "more"):
        (maker.folder / "sub" / name).symlink_to("..")
    maker.path(".png", EITHER).symlink_to(maker.made[0].path)


def files_below(folder: Path) -> Iterator[str]:
    """The names of all files below a folder, bytes that are no text included."""
    for _, _, files in os.walk(folder):
        yield from files
