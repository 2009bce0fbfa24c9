"""Image files of a few bytes that ask for gigabytes."""

import io
import struct
import zlib
from collections.abc import Iterator

from PIL import Image

__all__ = ["bombs", "encoded"]


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    """The bytes of an image file."""
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def _chunk(kind: bytes, data: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + checksum


def _png_of(width: int, height: int, data: bytes, *more: bytes) -> bytes:
    """A PNG that says it has a size, whatever its data."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [_chunk(b"IHDR", head), *more, _chunk(b"IDAT", data), _chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def bombs(image: Image.Image) -> Iterator[tuple[bytes, str, bool]]:
    """Small files that claim or unpack to far more than they are.

    Args:
      image: a good one.

    Yields:
      The bytes of a file, its suffix, and whether it must be refused.
    """
    small, huge = zlib.compress(bytes(1000)), zlib.compress(bytes(60_000_000), 9)
    for side in (9_000, 13_000, 20_000, 65_535, 2**31 - 1):
        yield _png_of(side, side, small), ".png", True
        yield _png_of(side, side, huge), ".png", True
        fields = (54, 0, 0, 54, 40, side, side, 1, 24, 0, 0, 2835, 2835, 0, 0)
        yield struct.pack("<2sIHHIIiiHHIIiiII", b"BM", *fields), ".bmp", True
        yield f"P6\n{side} {side}\n255\n".encode(), ".ppm", True
        size = struct.pack("<HH", min(side, 65_535), min(side, 65_535))
        gif = encoded(image, "GIF")
        yield gif[:6] + size + gif[10:], ".gif", False
    text = zlib.compress(bytes(50_000_000), 9)
    for chunk in (b"zTXt", b"iCCP"):
        bomb = _chunk(chunk, b"name\0\0" + text)
        rows = zlib.compress(bytes(30 * 121))
        yield _png_of(40, 30, rows, bomb), ".png", False
    flat = Image.new("RGB", (16_000, 10_000))
    yield encoded(flat, "WEBP", method=0, quality=1), ".webp", False
    yield encoded(flat, "JPEG", quality=1), ".jpg", False
    yield encoded(flat, "PNG"), ".png", False
