"""The one place that opens Pillow: closed formats, bounded memory."""

import contextlib
import os
import warnings
from collections.abc import Iterator

from PIL import Image, UnidentifiedImageError

from uhseg_jax.images.headers import File, Memory
from uhseg_jax.images.kinds import HEIF_ADVICE, formats, is_raw, other_kind, tiff_kind
from uhseg_jax.images.memory import require_memory
from uhseg_jax.images.sources import (
    DEFAULT_MEMORY,
    Bytes,
    ImageError,
    PathLike,
    Readable,
    open_file,
    read_all,
    require_file_size,
)

__all__ = [
    "MAX_MEGAPIXELS",
    "check_size",
    "name_of",
    "open_image",
    "quiet_pillow",
    "too_large",
]

# Pillow itself refuses beyond twice `Image.MAX_IMAGE_PIXELS` (179 megapixels), so a
# higher limit here would mean changing a setting of the whole process.
MAX_MEGAPIXELS = 175
"""The largest image that is opened."""


@contextlib.contextmanager
def open_image(
    source: PathLike | Bytes | Readable,
    *,
    name: str | None = None,
    max_bytes: int = DEFAULT_MEMORY,
) -> Iterator[Image.Image]:
    """Opens an image of the formats that are read; its pixels are not decoded yet.

    Args:
      source: the path of a regular file, the bytes of one, or an open file, which is
        read from its beginning where it can be.
      name: what messages call it; by default the path.
      max_bytes: memory that decoding may take, the bytes of the file included.

    Raises:
      ImageError: it cannot be had, is of no format that is read, or would take more.
    """
    name = name or name_of(source)
    with contextlib.ExitStack() as stack:
        file: File | Memory
        if isinstance(source, (str, os.PathLike)):
            file = stack.enter_context(File(open_file(source).detach()))
        elif isinstance(source, Bytes):
            file = Memory(source)
        else:
            with contextlib.suppress(AttributeError, OSError):  # where that can be done
                source.seek(0)  # type: ignore[attr-defined]
            file = Memory(read_all(source, name, max_bytes))
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        # Before Pillow looks for its header; a WebP is read whole and copied for that.
        is_webp = file.read(12)[8:] == b"WEBP"
        file.seek(0)
        require_file_size(size, name, max_bytes // 2 if is_webp else max_bytes)
        with quiet_pillow():
            image = stack.enter_context(_opened(file, name))
            check_size(*image.size, name)
            require_memory(image, size, name, max_bytes)
            yield image


def name_of(source: PathLike | Bytes | Readable) -> str:
    """What messages call an image that was given no name."""
    if isinstance(source, (str, os.PathLike)):
        return os.fspath(source)
    own = getattr(source, "name", None)
    return own if isinstance(own, str) else "the file that was given"


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


def _opened(file: File | Memory, name: str) -> Image.Image:
    kind = other_kind(file)
    try:
        image = Image.open(file, formats=formats())
        file.is_opened = True
    except Image.DecompressionBombError as error:
        raise too_large(name) from error
    except MemoryError:
        raise
    except Exception as error:  # decoders raise nearly anything on damaged headers
        kind = kind or tiff_kind(file)
        if not kind:
            is_known = not isinstance(error, UnidentifiedImageError)
            kind = f"damaged ({error})" if is_known else "something else or damaged"
        raise _no_image(name, kind) from error
    if is_raw(image) or kind == "a camera's raw data":
        image.close()
        raise _no_image(name, "a camera's raw data")
    return image


def _no_image(name: str, found: str) -> ImageError:
    advice = "replace it, or convert it to PNG or JPEG"
    if found == "a camera's raw data":
        advice = "develop it to PNG, TIFF or JPEG"
    if found == "an HEIC image":
        advice = f"convert it to JPEG, or {HEIF_ADVICE}"
    return ImageError(f"{name}: expected an image file, but it is {found}; {advice}.")
