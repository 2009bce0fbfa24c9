"""The image of a pair: its size, its pixels and the bytes worth keeping."""

import io
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from uhseg_jax.datasets.source import DatasetError, reading
from uhseg_jax.images import DEFAULT_MEMORY, open_image, read_file, read_image
from uhseg_jax.types import UInt8

__all__ = [
    "PREPARED_MEMORY",
    "decode_image",
    "encode_image",
    "possible_sizes",
    "read_pixels",
]

# Bytes of memory that decoding may take of what we prepared: as PNG, an image or a mask
# may need more than the original file did, which was within the default.
PREPARED_MEMORY = 2 * DEFAULT_MEMORY

_TURNED = (5, 6, 7, 8)  # values of the EXIF orientation that swap width and height


def possible_sizes(
    path: Path, *, content: bytes | None = None
) -> list[tuple[int, int]]:
    """``(height, width)`` upright and as stored, from the header alone.

    Args:
      path: the image.
      content: the bytes of the file, where they have been read.

    Raises:
      DatasetError: the file is no image.
    """
    source = path if content is None else content
    with (
        reading(path, "an image", advice="replace it"),
        open_image(source, name=str(path)) as image,
    ):
        width, height = image.size
        # Pillow decodes a whole PNG to see whether EXIF data follow the pixels.
        has_exif = image.format != "PNG" or "exif" in image.info
        turned = (
            has_exif and image.getexif().get(ExifTags.Base.Orientation, 1) in _TURNED
        )
    return [(width, height), (height, width)] if turned else [(height, width)]


def read_pixels(
    path: Path, size: tuple[int, int], *, content: bytes | None = None
) -> UInt8[np.ndarray, "H W 3"]:
    """The pixels of an image in the orientation that its mask has.

    Images are turned upright as their EXIF data say; where the mask only fits the
    pixels as they are stored, people annotated those.

    Args:
      path: the image.
      size: ``(height, width)`` of the mask.
      content: the bytes of the file, where they have been read.

    Raises:
      DatasetError: the image cannot be read, or fits in neither orientation.
    """
    with reading(path, "an image", advice="replace it"):
        content = read_file(path) if content is None else content
        pixels = read_image(content, name=str(path))
    if pixels.shape[:2] == size:
        return pixels
    if size in possible_sizes(path, content=content):
        with open_image(content) as image:
            return np.array(image.convert("RGB"))
    raise DatasetError(
        f"{path}: expected {size[0]} x {size[1]} pixels, as its mask has, but the "
        f"image has {pixels.shape[0]} x {pixels.shape[1]}; the two must be a pair."
    )


def encode_image(path: Path, size: tuple[int, int]) -> bytes:
    """The bytes to keep: the original file if it is plain RGB JPEG or PNG, else a PNG.

    The image is decoded to find damage.

    Raises:
      DatasetError: as `read_pixels`.
    """
    with reading(path, "an image", advice="replace it"):
        content = read_file(path)
    pixels = read_pixels(path, size, content=content)
    with open_image(content) as image:
        is_plain = (
            image.mode == "RGB"
            and image.format in ("JPEG", "PNG")
            and not image.has_transparency_data
            and image.getexif().get(ExifTags.Base.Orientation, 1) == 1
        )
    if is_plain:
        return content
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def decode_image(encoded: bytes) -> UInt8[np.ndarray, "H W 3"]:
    """The pixels that `encode_image` kept."""
    return read_image(encoded, name="a prepared image", max_bytes=PREPARED_MEMORY)
