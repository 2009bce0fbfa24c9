"""The three colours of a raster: which bands they are, and tones alike everywhere."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from uhseg_jax.images.tones import tone_ends, toned
from uhseg_jax.rasters.sources import RasterError, RasterSource
from uhseg_jax.rasters.windows import Window
from uhseg_jax.types import Bool, Pixels

__all__ = ["Colors"]

_OVERVIEW = 2048  # pixels along the longer side from which tones follow


@dataclasses.dataclass(frozen=True)
class Colors:
    """A raster as RGB pixels of 8 bits.

    Attributes:
      source: of the values.
      bands: which of them, from 0: three.
      ends: the values that become 0 and 255; None: they are tones already.
      mean: of the pixels with data, which stands for those without.
    """

    source: RasterSource
    bands: tuple[int, int, int]
    ends: tuple[float, float] | None
    mean: tuple[int, int, int] = (0, 0, 0)

    @classmethod
    def of(cls, source: RasterSource, bands: Sequence[int] | None = None) -> Colors:
        """Chooses bands, and tones by a smaller copy of the whole.

        So all windows share them. The rules are those of `images.read_image`.

        Args:
          source: the raster.
          bands: their numbers from 1, one or three; None: the first three, or the
            first.

        Raises:
          RasterError: it has no such bands, or no data anywhere.
        """
        chosen = _chosen(source, bands)
        values, valid = source.overview(_OVERVIEW, chosen)
        if not valid.any():
            raise RasterError(
                f"{source.title}: expected an image, but no pixel of a smaller copy "
                "of it has data; give another file, or say which number stands for no "
                "data."
            )
        is_toned = values.dtype == np.uint8
        ends = None if is_toned else tone_ends(values[valid])
        found = cls(source, chosen, ends)
        red, green, blue = found._pixels(values, valid)[valid].mean(axis=0).round()
        return dataclasses.replace(found, mean=(int(red), int(green), int(blue)))

    @property
    def size(self) -> tuple[int, int]:
        """Pixels (height, width)."""
        return self.source.size

    def read(self, window: Window) -> tuple[Pixels, Bool[np.ndarray, "h w"]]:
        """The pixels of a window, 0 where there is no data, and where there is."""
        values, valid = self.source.read_bands(window, self.bands)
        return self._pixels(values, valid), valid

    def overview(self, longest: int) -> tuple[Pixels, Bool[np.ndarray, "h w"]]:
        """The pixels of a smaller copy; see `RasterSource.overview`."""
        values, valid = self.source.overview(longest, self.bands)
        return self._pixels(values, valid), valid

    def _pixels(self, values: np.ndarray, valid: Bool[np.ndarray, "h w"]) -> Pixels:
        tones = values if self.ends is None else toned(values, self.ends)
        return np.where(valid[..., None], tones, 0).astype(np.uint8)


def _chosen(source: RasterSource, bands: Sequence[int] | None) -> tuple[int, int, int]:
    """Three bands from 0."""
    count = source.num_bands
    if bands is None:
        return (0, 1, 2) if count >= 3 else (0, 0, 0)
    if len(bands) not in (1, 3) or not all(1 <= x <= count for x in bands):
        raise RasterError(
            f"{source.title}: expected the numbers of one band or three of its "
            f"{count}, from 1, but got {','.join(map(str, bands))}."
        )
    first, *others = (x - 1 for x in bands)
    second, third = others or (first, first)
    return first, second, third
