"""How much memory decoding an image takes, estimated from its header."""

from PIL import Image
from PIL.TiffImagePlugin import BITSPERSAMPLE, TILELENGTH, TILEWIDTH, TiffImageFile

from uhseg_jax.images.sixteen_bits import LowBytes
from uhseg_jax.images.sources import (
    ALLOW_MORE,
    DEFAULT_MEMORY,
    ImageError,
    memory_text,
)

__all__ = ["decoding_memory", "require_memory"]

# Bytes for every pixel at the peak of `pixels.to_pixels`, measured at 24 megapixels
# (Pillow 13.0, pillow-heif 1.8) and rounded up. Pillow keeps 4 itself, the result has
# 3; the rest is what a decoder holds at the same time.
_BY_FORMAT = {"AVIF": 11, "HEIF": 11, "JPEG2000": 21, "WEBP": 18}
_OTHERS = 8
_PROGRESSIVE = 13  # JPEG: all coefficients are kept
_DEEP_GREY, _DEEP_COLOUR = 13, 20
_TURNED = 3  # an image held otherwise is copied


def decoding_memory(image: Image.Image) -> int:
    """Bytes of memory that decoding takes at its peak, without those of the file.

    Args:
      image: as it was opened, not decoded.
    """
    per_pixel = _BY_FORMAT.get(image.format or "", _OTHERS)
    if "progressive" in image.info:
        per_pixel = max(per_pixel, _PROGRESSIVE)
    if image.mode[:1] in ("I", "F"):
        per_pixel = max(per_pixel, _DEEP_GREY)
    if LowBytes(image).are_there:
        per_pixel = max(per_pixel, _DEEP_COLOUR)
    return (per_pixel + _TURNED) * image.width * image.height + _tile_bytes(image)


def _tile_bytes(image: Image.Image) -> int:
    """Bytes of a tile of a TIFF, which may be larger than the image."""
    if not isinstance(image, TiffImageFile):
        return 0
    sides = [image.tag_v2.get(tag, 0) for tag in (TILEWIDTH, TILELENGTH)]
    if not all(isinstance(side, int) for side in sides):
        return 0
    width, height = sides
    bits = sum(image.tag_v2.get(BITSPERSAMPLE, (8,)))
    return width * height * bits // 8


def require_memory(
    image: Image.Image, file_size: int, name: str, max_bytes: int = DEFAULT_MEMORY
) -> None:
    """Refuses an image that takes too much memory.

    Args:
      image: as it was opened, not decoded.
      file_size: bytes of its file.
      name: what messages call it.
      max_bytes: what both together may take.

    Raises:
      ImageError: they take more.
    """
    needed = decoding_memory(image) + file_size
    if needed > max_bytes:
        raise ImageError(
            f"{name}: expected an image that is decoded within "
            f"{memory_text(max_bytes)} of memory, but this {image.format} of "
            f"{image.width} x {image.height} pixels takes about {memory_text(needed)}; "
            f"{ALLOW_MORE}."
        )
