"""The one place that opens Pillow: closed formats, bounded memory."""

import contextlib
import functools
import io
import os
import warnings
from collections.abc import Iterator
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from uhseg_jax.images.sources import (
    DEFAULT_MEMORY,
    ImageError,
    PathLike,
    Readable,
    open_file,
    read_all,
)

__all__ = ["MAX_MEGAPIXELS", "check_size", "open_image", "quiet_pillow", "too_large"]

# Pillow itself refuses beyond twice `Image.MAX_IMAGE_PIXELS` (179 megapixels), so a
# higher limit here would mean changing a setting of the whole process.
MAX_MEGAPIXELS = 175

# Those that photographs and scans come in. Pillow knows others: some of them start
# programs (EPS), and none is wanted because a file happens to look like it.
_FORMATS = (
    *("JPEG", "PNG", "TIFF", "WEBP", "GIF", "BMP", "DIB"),
    *("AVIF", "JPEG2000", "PPM", "TGA"),
)


@contextlib.contextmanager
def open_image(
    source: PathLike | bytes | Readable,
    *,
    name: str | None = None,
    max_bytes: int = DEFAULT_MEMORY,
) -> Iterator[Image.Image]:
    """Opens an image of the formats that are read; its pixels are not decoded yet.

    Args:
      source: the path of a regular file, the bytes of one, or an open file.
      name: what messages call it; by default the path.
      max_bytes: memory that decoding may take, the bytes of the file included.

    Raises:
      ImageError: it cannot be had, is of no format that is read, or would take more.
    """
    with contextlib.ExitStack() as stack:
        file, name = _file_of(source, name, max_bytes, stack)
        with quiet_pillow():
            image = stack.enter_context(_open(file, name))
            check_size(*image.size, name)
            yield image


def _file_of(
    source: PathLike | bytes | Readable,
    name: str | None,
    max_bytes: int,
    stack: contextlib.ExitStack,
) -> tuple[BinaryIO, str]:
    if isinstance(source, (str, os.PathLike)):
        file = stack.enter_context(open_file(source))
        return file, name or os.fspath(source)
    if isinstance(source, (bytes, bytearray, memoryview)):
        return io.BytesIO(source), name or "the bytes that were given"
    own_name = getattr(source, "name", None)
    name = name or (own_name if isinstance(own_name, str) else "the file that is open")
    return io.BytesIO(read_all(source, name, max_bytes)), name


def _open(file: BinaryIO, name: str) -> Image.Image:
    try:
        return Image.open(file, formats=_formats())
    except Image.DecompressionBombError as error:
        raise too_large(name) from error
    except MemoryError:
        raise
    except Exception as error:  # decoders raise nearly anything on damaged headers
        file.seek(0, os.SEEK_END)
        if file.tell() == 0:
            found = "the file is empty"
        elif isinstance(error, UnidentifiedImageError):
            found = "it is something else, damaged, or of a kind that is not read"
        else:
            found = f"it is damaged ({error})"
        raise ImageError(
            f"{name}: expected an image file, but {found}; "
            "replace it, or convert it to PNG or JPEG."
        ) from error


@functools.cache
def _formats() -> tuple[str, ...]:
    """Those of `_FORMATS` that this Pillow has."""
    Image.init()
    return tuple(x for x in _FORMATS if x in Image.OPEN)


def check_size(width: int, height: int, name: str) -> None:
    """Refuses images without pixels, and those of more than `MAX_MEGAPIXELS`.

    Raises:
      ImageError: it is one of them.
    """
    if width < 1 or height < 1:
        raise ImageError(
            f"{name}: expected an image of at least 1 x 1 pixels, but it has "
            f"{width} x {height}; replace it."
        )
    if width * height > MAX_MEGAPIXELS * 1_000_000:
        raise too_large(name, f" ({width} x {height})")


def too_large(name: str, size: str = "") -> ImageError:
    """The error for an image of too many pixels."""
    return ImageError(
        f"{name}: expected at most {MAX_MEGAPIXELS} megapixels, but the image has "
        f"more{size}; reduce it first."
    )


@contextlib.contextmanager
def quiet_pillow() -> Iterator[None]:
    """Silences Pillow's warnings (sizes, odd metadata); its errors remain.

    Only Pillow's: filters belong to the whole process, and threads that read images
    at once may leave them in place.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        yield
