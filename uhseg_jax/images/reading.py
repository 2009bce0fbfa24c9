"""Reading any image into uint8 RGB."""

import os

import numpy as np
from PIL import ExifTags, Image, ImageCms, ImageOps

from uhseg_jax.images.decoding import check_size, open_image, quiet_pillow, too_large
from uhseg_jax.images.sources import DEFAULT_MEMORY, ImageError, PathLike, Readable
from uhseg_jax.types import Array, UInt8

__all__ = ["demo_image", "read_image", "resize"]

_WHITE = (255, 255, 255)
_ORIENTATION = ExifTags.Base.Orientation  # how the camera was held


def read_image(
    image: PathLike | bytes | Readable | Image.Image | np.ndarray | Array,
    *,
    name: str | None = None,
    max_bytes: int = DEFAULT_MEMORY,
) -> UInt8[np.ndarray, "H W 3"]:
    """Reads any image as it would be seen on a white page, upright.

    Transparency is composited over white, EXIF orientation is applied, and of an
    animation or a multi-page file the first frame is taken. 16-bit grey is scaled from
    its full range; grey of other numbers (32-bit, float) is stretched from its finite
    minimum to its maximum, NaN (and a constant) becoming black.

    Args:
      image: the path of an image file, its bytes, or an open file; a PIL image; or a
        uint8 array (numpy, JAX or any with ``__array__``) of shape ``[H, W, 3]`` (RGB),
        ``[H, W, 4]`` (RGBA), ``[H, W]`` or ``[H, W, 1]`` (grey).
      name: what messages call it; by default its path.
      max_bytes: memory that decoding a file may take, its bytes included.

    Returns:
      uint8 ``[H, W, 3]``, RGB.

    Raises:
      ImageError: the file is missing, damaged or no image; the image is empty or
        has more than `MAX_MEGAPIXELS`; the array has another type or shape; it is none
        of these.
    """
    if isinstance(image, Image.Image):
        return _from_pil(image, name or f"the {image.mode} image that was given")
    if hasattr(image, "__array__"):
        return _from_array(np.asarray(image), name or "the array that was given")
    if isinstance(image, (str, os.PathLike, bytes, bytearray, memoryview, Readable)):
        with open_image(image, name=name, max_bytes=max_bytes) as opened:
            called = name or (
                os.fspath(image)
                if isinstance(image, (str, os.PathLike))
                else "the file that was given"
            )
            return _from_pil(opened, called)
    raise ImageError(
        "expected a path, the bytes of a file, an open file, a PIL image or an array "
        f"[H, W, 3], but got {image!r:.50} of type {type(image).__name__}; make lists "
        "arrays with np.asarray(image, np.uint8)."
    )


def resize(
    image: UInt8[np.ndarray, "H W 3"], size: tuple[int, int]
) -> UInt8[np.ndarray, "h w 3"]:
    """Resizes to ``(height, width)`` by antialiased bilinear interpolation.

    The aspect is not kept. Reductions beyond sixfold first average whole blocks, which
    is many times faster on very large images and hardly visible.

    Raises:
      ImageError: a side of ``size`` is below one pixel, or the image is empty.
    """
    height, width = size
    if min(height, width) < 1 or 0 in image.shape:
        raise ImageError(
            f"cannot resize an image of {image.shape[0]} x {image.shape[1]} pixels to "
            f"{height} x {width}; every side must be at least 1."
        )
    if image.shape[:2] == (height, width):
        return image
    resized = Image.fromarray(image).resize(
        (width, height), Image.Resampling.BILINEAR, reducing_gap=3.0
    )
    return np.array(resized)


def demo_image() -> tuple[str, UInt8[np.ndarray, "H W 3"]]:
    """A photograph with several objects and parts, for when the user names none.

    Returns:
      Its name (without suffix) and its pixels, 512 x 512: an astronaut's portrait by
      NASA (public domain), which the scikit-image package carries; nothing is fetched.
    """
    import skimage.data

    return "astronaut", read_image(skimage.data.astronaut())


def _from_array(array: np.ndarray, name: str) -> UInt8[np.ndarray, "H W 3"]:
    found = f"an array of {array.dtype} with shape {array.shape}"
    channels = 1 if array.ndim == 2 else array.shape[-1] if array.ndim == 3 else 0
    if channels not in (1, 3, 4):
        raise ImageError(
            "expected one image as a uint8 array of shape [H, W, 3] (or [H, W], "
            f"[H, W, 1], [H, W, 4]), but got {found}; move channels last and pass "
            "images one at a time."
        )
    if array.dtype != np.uint8:
        raise ImageError(
            f"expected a uint8 array with values 0 to 255, but got {found}; scale it "
            "(values in 0..1 by 255) and convert it with .astype(np.uint8)."
        )
    check_size(array.shape[1], array.shape[0], name)
    if channels == 1:
        return np.repeat(array.reshape(*array.shape[:2], 1), 3, axis=2)
    if channels == 4:
        return _from_pil(Image.fromarray(array, "RGBA"), name)
    return np.ascontiguousarray(array)


def _from_pil(image: Image.Image, name: str) -> UInt8[np.ndarray, "H W 3"]:
    check_size(*image.size, name)
    try:
        with quiet_pillow():
            image.load()
            orientation = _orientation(image)
            rgb = _to_rgb(image)
            rgb.info.clear()  # of metadata only the orientation: others may be broken
            rgb.getexif()[_ORIENTATION] = orientation
            ImageOps.exif_transpose(rgb, in_place=True)
            return np.array(rgb)
    except Image.DecompressionBombError as error:
        raise too_large(name) from error
    except (ImageError, MemoryError):
        raise
    except Exception as error:  # decoders raise nearly anything on damaged data
        raise ImageError(
            f"{name}: the image is cut short or damaged ({error}); "
            "replace it with an intact copy."
        ) from error


def _orientation(image: Image.Image) -> int:
    try:
        return image.getexif().get(_ORIENTATION, 1)
    except Exception:  # an image with broken metadata is still an image
        return 1


def _to_rgb(image: Image.Image) -> Image.Image:
    """Converts a loaded image of any mode; see `read_image` for the rules."""
    if image.mode.startswith("I;16"):
        return _from_grey(np.asarray(image).astype(np.uint16) / 257)
    if image.mode in ("I", "F"):
        values = np.asarray(image)
        if image.mode == "I" and values.min() >= 0 and values.max() <= 65535:
            return _from_grey(values / 257)
        return _from_grey(_stretch(values))
    if image.mode == "LAB":
        profiles = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        transform = ImageCms.buildTransform(*profiles, "LAB", "RGB")
        converted = ImageCms.applyTransform(image, transform)
        assert converted is not None  # None only when working in place
        return converted
    if image.has_transparency_data:
        if image.mode == "La":  # premultiplied grey converts to LA and nothing else
            image = image.convert("LA")
        rgba = image.convert("RGBA")
        page = Image.new("RGB", image.size, _WHITE)
        page.paste(rgba, mask=rgba.getchannel("A"))
        return page
    return image.convert("RGB")


def _from_grey(values: np.ndarray) -> Image.Image:
    return Image.fromarray(np.rint(values).astype(np.uint8)).convert("RGB")


def _stretch(values: np.ndarray) -> np.ndarray:
    """Maps the finite minimum to 0 and maximum to 255; NaN to 0, infinities to ends."""
    values = values.astype(np.float64)  # float32 extremes overflow when subtracted
    finite = values[np.isfinite(values)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
    values = np.clip(np.nan_to_num(values, nan=low), low, high)
    return (values - low) * (255 / (high - low) if high > low else 0)
