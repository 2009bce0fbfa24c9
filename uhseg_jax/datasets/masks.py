"""Label maps as files: index PNGs of 1 to 16 bits, read exactly."""

import io
import os
from pathlib import Path

import numpy as np
from PIL import Image

from uhseg_jax.datasets.image_files import PREPARED_MEMORY
from uhseg_jax.datasets.source import DatasetError, reading
from uhseg_jax.images import open_image
from uhseg_jax.types import Integer, UInt8

__all__ = ["NO_COUNT", "decode_mask", "encode_mask", "read_colors", "read_mask"]

NO_COUNT = 2**16 - 1
"""In maps of instances: the pixel does not count."""

# Pillow spreads grey of 2 and 4 bits over 0..255; optimised index PNGs use them.
_SPREAD = {"L;2": 85, "L;4": 17}


def read_mask(
    path: str | os.PathLike[str], *, content: bytes | None = None
) -> Integer[np.ndarray, "H W"]:
    """Reads the ids of a label map.

    Palette images give their indices (whatever the colours), grey images of 1, 2, 4
    and 8 bits their values as stored, 16-bit ones too.

    Args:
      path: the file.
      content: its bytes, where they have been read.

    Returns:
      ``[H, W]``, uint8 or uint16.

    Raises:
      DatasetError: the file is missing, damaged or no image, or it holds colours.
    """
    if content is None and not os.path.exists(path):
        raise DatasetError(f"{path}: there is no such mask; put it there.")
    with (
        reading(path, "an index PNG", advice="replace it with an intact copy"),
        open_image(path if content is None else content, name=str(path)) as image,
    ):
        return _ids(image, str(path))


def read_colors(path: str | os.PathLike[str]) -> UInt8[np.ndarray, "H W 3"]:
    """Reads a map that keeps numbers in its colour channels, as they are stored.

    Raises:
      DatasetError: the file cannot be read or is no RGB image.
    """
    with reading(path, "a panoptic PNG"), open_image(path) as image:
        mode, pixels = image.mode, np.array(image)
    if mode != "RGB":
        raise DatasetError(
            f"{path}: expected a panoptic PNG with three channels (RGB), but its mode "
            f"is {mode}; use the original file."
        )
    return pixels


def encode_mask(ids: Integer[np.ndarray, "H W"]) -> bytes:
    """A grey PNG of 8 or 16 bits with these ids, exactly."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(ids)).save(buffer, "PNG")
    return buffer.getvalue()


def decode_mask(png: bytes) -> Integer[np.ndarray, "H W"]:
    """The ids that `encode_mask` wrote."""
    with open_image(png, name="a prepared mask", max_bytes=PREPARED_MEMORY) as image:
        return _ids(image, "a prepared mask")


def _ids(image: Image.Image, name: str) -> Integer[np.ndarray, "H W"]:
    if image.mode in ("L", "P", "1"):
        tiles = getattr(image, "tile", ())
        raw_mode = tiles[0].args if tiles else None
        spread = _SPREAD.get(raw_mode, 1) if isinstance(raw_mode, str) else 1
        return np.array(image).astype(np.uint8) // np.uint8(spread)
    if image.mode.startswith("I"):  # 16 bits; older files open as 32
        ids = np.array(image).astype(np.int64)
        if ids.size and (ids.min() < 0 or ids.max() > np.iinfo(np.uint16).max):
            raise DatasetError(
                f"{name}: expected ids from 0 to 65535, but found {ids.min()} to "
                f"{ids.max()}; save the mask as a PNG of 8 or 16 bits."
            )
        return ids.astype(np.uint16)
    raise DatasetError(
        f"{name}: expected an index mask (a palette or grey image, one id a pixel), "
        f"but its mode is {image.mode}, and colours are no ids; convert it to an index "
        f"PNG{_stem_hint(name)}."
    )


def _stem_hint(name: str) -> str:
    """Names the file that was meant, for datasets with colour images beside the ids."""
    return (
        ", or give the ids beside it (labelIds, labelTrainIds)"
        if Path(name).stem.endswith("_color")
        else ""
    )
