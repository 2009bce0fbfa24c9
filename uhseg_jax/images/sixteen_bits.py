"""Colours of 16 bits, of which Pillow decodes the high bytes alone."""

import sys
from typing import Any

from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from uhseg_jax.images.kinds import formats

__all__ = ["LowBytes"]

# Of every number the decoder keeps the byte that its raw mode takes for the high one;
# with the opposite order of bytes that is the low one. N is the order of this machine.
_OPPOSITE = {"L": "B", "B": "L", "N": "B" if sys.byteorder == "little" else "L"}
_COLOURS = ("RGB", "RGBA", "RGBX", "R", "G", "B", "A")
# Grey with alpha has one order alone; as four bytes, the second is the low one of grey.
_GREY_ALPHA, _FOUR_BYTES = "LA;16B", "RGBA"

_BITS, _PLANES = 258, 284  # tags of TIFF


class LowBytes:
    """The low bytes of colours of 16 bits, decoded only when they are asked for.

    Attributes:
      are_there: whether the image has them, and its file can be read again.
    """

    def __init__(self, image: Image.Image) -> None:
        """Looks at an image that was opened and not decoded.

        Args:
          image: planes of 16 bits, which Pillow takes for planes of 8, are mended.
        """
        self._file = getattr(image, "fp", None)
        self._path = getattr(image, "filename", "")
        tiles = list(getattr(image, "tile", ()))
        if isinstance(image, TiffImageFile) and _has_planes(image):
            order = "B" if image.tag_v2.prefix == b"MM" else "L"
            tiles = [
                tile._replace(args=(f"{tile.args[0]};16{order}", *tile.args[1:]))
                if tile.args[0] in _COLOURS
                else tile
                for tile in tiles
            ]
            image.tile = tiles
        self._tiles = list(map(_of_low_bytes, tiles))
        self.are_there = bool(tiles) and None not in (self._file, *self._tiles)

    def decode(self) -> Image.Image:
        """An image of the low bytes, in the mode of that of the high ones."""
        assert self._file is not None
        # Pillow closes files that it opened itself.
        file = self._path if self._file.closed else self._file
        image: Any = Image.open(file, formats=formats())
        image.tile = self._tiles
        image.load()
        if self._tiles[0].args != _FOUR_BYTES:
            return image
        grey, alpha = image.getchannel("G"), image.getchannel("A")
        return Image.merge("RGBA", [grey, grey, grey, alpha])


def _has_planes(image: TiffImageFile) -> bool:
    """Whether it is a TIFF with a plane of 16 bits for every colour, uncompressed."""
    if not image.tile or image.tile[0].codec_name != "raw":
        return False
    return image.tag_v2.get(_PLANES) == 2 and image.tag_v2.get(_BITS, (8,))[0] == 16


def _of_low_bytes(tile: Any) -> Any:
    """A tile that decodes to the low bytes; None where there are none."""
    is_tuple = isinstance(tile.args, tuple)
    raw_mode, *rest = tile.args if is_tuple else (tile.args,)
    mode, _, order = str(raw_mode).partition(";16")
    if raw_mode == _GREY_ALPHA:
        low = _FOUR_BYTES
    elif mode in _COLOURS and order in _OPPOSITE:
        low = f"{mode};16{_OPPOSITE[order]}"
    else:
        return None
    return tile._replace(args=(low, *rest) if is_tuple else low)
