"""Reading any image into uint8 RGB."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
from PIL import Image

from uhseg_jax.images.decoding import (
    check_size,
    name_of,
    open_image,
    quiet_pillow,
    too_large,
)
from uhseg_jax.images.pixels import to_pixels
from uhseg_jax.images.sources import (
    DEFAULT_MEMORY,
    Bytes,
    ImageError,
    PathLike,
    Readable,
)
from uhseg_jax.images.tones import to_tones
from uhseg_jax.types import Array, UInt8

__all__ = ["DEMO", "ImageLike", "demo_image", "read_image"]

DEMO = "astronaut"
"""The name of the image that `demo_image` gives."""

ImageLike = PathLike | Bytes | Readable | Image.Image | np.ndarray | Array
"""What `read_image` takes: a path, bytes, an open file, a Pillow image or an array."""


def read_image(
    image: ImageLike,
    *,
    name: str | None = None,
    max_bytes: int = DEFAULT_MEMORY,
    bands: Sequence[int] | None = None,
) -> UInt8[np.ndarray, "H W 3"]:
    """Reads any image as it would be seen on a white page, upright.

    Transparency is composited over white, EXIF orientation is applied, and of an
    animation or a multi-page file the first frame is taken.

    Numbers of more than 8 bits, in files and in arrays, become tones as `to_tones`
    says: 16 bits are scaled from their full range (floats from 0 to 1) where more than
    a quarter of it is used or all are the same; all others are stretched from their
    lowest to their highest value, outliers of one in a thousand left aside, the colours
    together. What is no data becomes black and does not count: NaN, numbers from 1e30
    on, GDAL's no-data value of a TIFF, and the masked values of an array.

    The fourth band of a TIFF is transparency where the file says so and at least half
    of it is 0 or 255; other than that it is left out (near infrared). ``bands`` says
    outright what is what.

    Args:
      image: the path of an image file, its bytes, or an open file; a PIL image; or an
        array of numbers (numpy, JAX or any with ``__array__``) of shape ``[H, W, 3]``
        (RGB), ``[H, W, 4]`` (RGBA), ``[H, W]`` or ``[H, W, 1]`` (grey).
      name: what messages call it; by default its path.
      max_bytes: memory that decoding a file may take, its bytes included.
      bands: numbers, from 1, of the three bands of a file that are red, green and blue,
        or of the one that is grey; nothing is transparent then.

    Returns:
      uint8 ``[H, W, 3]``, RGB.

    Raises:
      ImageError: the file is missing, damaged, no image, or of a kind that is not read;
        the image is empty or has more than `MAX_MEGAPIXELS`; decoding would take more
        memory; it has no such bands; the array has another type or shape; it is none of
        these.
    """
    if isinstance(image, Image.Image):
        called = name or f"the {image.mode} image that was given"
        return _from_pil(image, called, bands)
    if hasattr(image, "__array__"):
        return _from_array(image, name or "the array that was given")
    if isinstance(image, (str, os.PathLike, Bytes, Readable)):
        with open_image(image, name=name, max_bytes=max_bytes) as opened:
            return _from_pil(opened, name or name_of(image), bands)
    raise ImageError(
        "expected a path, the bytes of a file, an open file, a PIL image or an array "
        f"[H, W, 3], but got {image!r:.50} of type {type(image).__name__}; make lists "
        "arrays with np.asarray(image, np.uint8)."
    )


def demo_image() -> tuple[str, UInt8[np.ndarray, "H W 3"]]:
    """A photograph with several objects and parts, for when the user names none.

    Returns:
      Its name (without suffix) and its pixels, 512 x 512: an astronaut's portrait by
      NASA (public domain), which the scikit-image package carries; nothing is fetched.
    """
    import skimage.data

    return DEMO, read_image(skimage.data.astronaut())


def _from_array(image: object, name: str) -> UInt8[np.ndarray, "H W 3"]:
    try:
        array = np.asarray(image)
    except Exception as error:  # of other libraries: data on other devices, and so on
        raise ImageError(
            f"{name}: expected an array that NumPy can take, but got {type(image)} "
            f"({error}); give a NumPy array."
        ) from error
    found = f"an array of {array.dtype} with shape {array.shape}"
    channels = 1 if array.ndim == 2 else array.shape[-1] if array.ndim == 3 else 0
    if channels not in (1, 3, 4):
        raise ImageError(
            f"{name}: expected one image of shape [H, W, 3] (or [H, W], [H, W, 1], "
            f"[H, W, 4]), but got {found}; {_advice(array)}."
        )
    if array.dtype.kind not in "buif":
        raise ImageError(
            f"{name}: expected integers or floats, but got {found}; convert it with "
            ".astype(np.float32)."
        )
    check_size(array.shape[1], array.shape[0], name)
    if channels == 4 and array.dtype != np.uint8:
        raise ImageError(
            f"{name}: expected the channels RGBA as uint8, but got {found}; leave "
            "alpha out, image[..., :3], for colours of any depth are taken."
        )
    missing = np.ma.getmaskarray(image) if np.ma.isMaskedArray(image) else None
    if channels == 4:
        pixels = _from_pil(Image.fromarray(array, "RGBA"), name)
        if missing is not None:
            pixels[missing[..., :3] | missing[..., 3:]] = 0
        return pixels
    tones = to_tones(array, missing)
    if channels == 1:
        tones = np.repeat(tones.reshape(*tones.shape[:2], 1), 3, axis=2)
    return tones


def _advice(array: np.ndarray) -> str:
    if array.ndim == 4:
        return "pass images one at a time"
    if array.ndim != 3:
        return "an image has two or three axes"
    if array.shape[0] in (1, 3, 4):
        return "move channels last, np.moveaxis(image, 0, -1)"
    return (
        f"an image has 1, 3 or 4 channels, not {array.shape[2]}; choose some of them, "
        "such as image[..., [0]] or image[..., [3, 2, 1]]"
    )


def _from_pil(
    image: Image.Image, name: str, bands: Sequence[int] | None = None
) -> UInt8[np.ndarray, "H W 3"]:
    check_size(*image.size, name)
    try:
        with quiet_pillow():
            return to_pixels(image, bands)
    except Image.DecompressionBombError as error:
        raise too_large(name) from error
    except ImageError as error:
        raise ImageError(f"{name}: {error}") from error
    except MemoryError:
        raise
    except Exception as error:  # decoders raise nearly anything on damaged data
        if _is_closed(image, error):
            raise ImageError(
                f"{name}: expected an open PIL image, but this one is closed; call "
                "image.load() before its file is closed, or give the path."
            ) from error
        raise ImageError(
            f"{name}: the image is cut short or damaged ({error}); "
            "replace it with an intact copy."
        ) from error


def _is_closed(image: Image.Image, error: Exception) -> bool:
    """Whether a PIL image was closed, itself or its file before it was decoded."""
    if "closed image" in str(error):
        return True
    file = getattr(image, "fp", None)
    return bool(getattr(image, "tile", None)) and (
        file is None or getattr(file, "closed", False)
    )
