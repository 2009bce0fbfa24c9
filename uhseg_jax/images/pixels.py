"""The pixels of a Pillow image of any mode, as they would be seen on a white page."""

import functools
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageCms
from PIL.TiffImagePlugin import TiffImageFile

from uhseg_jax.images.sixteen_bits import LowBytes
from uhseg_jax.images.sources import ImageError
from uhseg_jax.images.tones import to_tones, uses_little
from uhseg_jax.types import Bool, UInt8

__all__ = ["to_pixels"]

_ORIENTATION = ExifTags.Base.Orientation  # how the camera was held
_WHITE = (255, 255, 255)
_STRIP = 2**20  # pixels that are converted at once

# Tags of TIFF, and what they may say.
_BITS, _PHOTOMETRIC, _SAMPLE_FORMAT, _NO_DATA = 258, 262, 339, 42113
_MIN_IS_WHITE, _UNSIGNED = 0, 1


def to_pixels(
    image: Image.Image, bands: Sequence[int] | None = None
) -> UInt8[np.ndarray, "H W 3"]:
    """Decodes an image and converts it; see `reading.read_image` for the rules.

    It is converted in strips, so that besides the decoded image and the result there
    is little in memory.

    Raises:
      ImageError: it has no such bands.
      Exception: what decoders raise on damaged data, which is nearly anything.
    """
    low_bytes = LowBytes(image)
    image.load()
    if bands is not None:
        _require_bands(image, bands)
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        tones = to_tones(*_numbers(image))
        return _upright(np.repeat(tones[..., None], 3, axis=2), image)
    has_alpha = bands is None and _has_alpha(image)
    colours = functools.partial(_to_rgb, bands=bands)
    pixels = None
    if low_bytes.are_there:
        pixels = _stretched(image, low_bytes, colours, has_alpha)
    if pixels is None:
        convert = _on_white if has_alpha else colours
        pixels = _in_strips(image, convert, 3, dtype=np.uint8)
    return _upright(pixels, image)


def _require_bands(image: Image.Image, bands: Sequence[int]) -> None:
    names = image.getbands()
    if len(bands) not in (1, 3) or not all(1 <= x <= len(names) for x in bands):
        raise ImageError(
            f"expected the numbers of one band or three of the {len(names)} that are "
            f"read ({', '.join(names)}), but got {','.join(map(str, bands))}."
        )


def _in_strips(
    image: Image.Image,
    convert: Callable[[Image.Image], Image.Image],
    *channels: int,
    dtype: npt.DTypeLike,
) -> np.ndarray:
    width, height = image.size
    pixels = np.empty((height, width, *channels), dtype)
    rows = max(1, _STRIP // width)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        pixels[top:bottom] = convert(image.crop((0, top, width, bottom)))
    return pixels


def _upright(
    pixels: UInt8[np.ndarray, "h w 3"], image: Image.Image
) -> UInt8[np.ndarray, "H W 3"]:
    """Turns pixels as the EXIF orientation of their image says."""
    try:
        orientation = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # an image with broken metadata is still an image
        return pixels
    if orientation in (5, 6, 7, 8):  # a quarter turn, or one and a mirror
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def _numbers(
    image: Image.Image,
) -> tuple[np.ndarray, Bool[np.ndarray, "H W"] | None]:
    """Grey of any depth, more being brighter, and where there is none."""
    dtype = {"I": np.int32, "F": np.float32}.get(image.mode, np.uint16)
    values = _in_strips(image, lambda strip: strip, dtype=dtype)
    tags: Mapping = image.tag_v2 if isinstance(image, TiffImageFile) else {}
    is_unsigned = tags.get(_SAMPLE_FORMAT, (_UNSIGNED,))[0] == _UNSIGNED
    if image.mode == "I" and tags.get(_BITS) == (32,) and is_unsigned:
        values = values.view(np.uint32)  # Pillow takes them for signed ones
    missing = _is_missing(values, tags.get(_NO_DATA))
    if tags.get(_PHOTOMETRIC) == _MIN_IS_WHITE:
        values = ~values if np.issubdtype(values.dtype, np.integer) else -values
    return values, missing


def _is_missing(values: np.ndarray, no_data: object) -> Bool[np.ndarray, "..."] | None:
    """Where values are the number that GDAL wrote down for no data."""
    try:
        number = float(str(no_data).strip(" \0"))
    except ValueError:
        return None
    if np.issubdtype(values.dtype, np.integer):
        return values == number
    with np.errstate(over="ignore"):  # what a double holds, and single precision not
        return values == values.dtype.type(number)


def _has_alpha(image: Image.Image) -> bool:
    """Whether an image has transparent pixels.

    The fourth band of a TIFF is often infrared, though tagged as alpha. Alpha is
    mostly none or all.
    """
    if not image.has_transparency_data:
        return False
    if image.format != "TIFF" or image.mode != "RGBA":
        return True
    none, *others, opaque = image.getchannel("A").histogram()
    return none + opaque >= sum(others)


def _to_rgb(image: Image.Image, bands: Sequence[int] | None = None) -> Image.Image:
    """The colours of an image of 8 bits in any mode, or of the bands that are named."""
    if bands is not None:
        chosen = [image.getchannel(band - 1) for band in bands]
        return Image.merge("RGB", chosen if len(bands) == 3 else chosen * 3)
    if image.mode == "LAB":
        converted = ImageCms.applyTransform(image, _lab_to_rgb())
        assert converted is not None  # None only when working in place
        return converted
    return image.convert("RGB")


def _on_white(image: Image.Image) -> Image.Image:
    """An image with transparency, as it is seen on a white page."""
    if image.mode == "La":  # premultiplied grey converts to LA and nothing else
        image = image.convert("LA")
    rgba = image.convert("RGBA")
    page = Image.new("RGB", image.size, _WHITE)
    page.paste(rgba, mask=rgba.getchannel("A"))
    return page


def _lab_to_rgb() -> ImageCms.ImageCmsTransform:
    profiles = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    return ImageCms.buildTransform(*profiles, "LAB", "RGB")


def _stretched(
    image: Image.Image,
    low_bytes: LowBytes,
    colours: Callable[[Image.Image], Image.Image],
    has_alpha: bool,
) -> UInt8[np.ndarray, "H W 3"] | None:
    """Colours of 16 bits, on white; None if the high bytes are enough."""
    missing = None
    if has_alpha:
        alpha = np.asarray(image.convert("RGBA").getchannel("A"))[..., None]
        missing = np.repeat(alpha == 0, 3, axis=2)
    if not uses_little(_in_strips(image, colours, 3, dtype=np.uint8), missing):
        return None
    values = _in_strips(image, colours, 3, dtype=np.uint16)
    values <<= 8
    values |= _in_strips(low_bytes.decode(), colours, 3, dtype=np.uint8)
    tones = to_tones(values, missing)
    if not has_alpha:
        return tones
    part = alpha / np.float32(255)
    return np.rint(tones * part + 255 * (1 - part)).astype(np.uint8)
