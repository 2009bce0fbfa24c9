"""What the passes over a collection found, kept so that a stopped run goes on.

Everything in a folder belongs together: the levels were learned from the images that
have no failure, and the regions were found with those levels. So an image that could
not be read stays left out, and without the levels no regions count.
"""

import dataclasses
from pathlib import Path

import numpy as np

from uhseg_jax.methods.multilevel_clustering.upper_levels import Levels
from uhseg_jax.parts import read_arrays, write_arrays
from uhseg_jax.types import Bool, Float, Int

__all__ = ["ImageRegions", "Kept"]

_FAILURE = "failure"  # in place of an image's regions


@dataclasses.dataclass(frozen=True)
class ImageRegions:
    """The regions of one image.

    Attributes:
      labels: int32 ``[H, W]``, 0 for the background and regions from 1.
      boxes: ``[r, 4]``, top, left, bottom and right.
      tokens: float32 ``[r, e]``, class tokens.
      levels: bool ``[4, h, w]``, foreground on the patch grid at four levels.
    """

    labels: Int[np.ndarray, "H W"]
    boxes: Int[np.ndarray, "r 4"]
    tokens: Float[np.ndarray, "r e"]
    levels: Bool[np.ndarray, "4 h w"]


_FIELDS = tuple(field.name for field in dataclasses.fields(ImageRegions))


class Kept:
    """The files of a collection; one that is damaged counts as not there.

    Args:
      folder: where they lie.
      count: images of the collection.
    """

    def __init__(self, folder: Path, count: int):
        self._folder, self._count = folder, count

    def levels(self) -> Levels | None:
        """The levels that were learned; None if that is to be done."""
        arrays = read_arrays(self._folder / "levels.npz")
        try:
            return None if arrays is None else Levels.from_arrays(arrays)
        except KeyError:
            return None

    def add_levels(self, levels: Levels) -> None:
        """Keeps what was learned, and forgets regions that others gave."""
        for index in set(range(self._count)) - self.failures().keys():
            self._path(index).unlink(missing_ok=True)
        write_arrays(self._folder / "levels.npz", **levels.to_arrays())

    def regions(self, index: int) -> ImageRegions | None:
        """The regions of an image; None if they are to be found."""
        arrays = read_arrays(self._path(index))
        if arrays is None or arrays.keys() != set(_FIELDS):
            return None
        return ImageRegions(**arrays)

    def add_regions(self, index: int, found: ImageRegions) -> None:
        """Keeps the regions of an image."""
        arrays = {name: getattr(found, name) for name in _FIELDS}
        write_arrays(self._path(index), **arrays)

    def failures(self) -> dict[int, str]:
        """Why images were left out, by their index."""
        found = {}
        for index in range(self._count):
            arrays = read_arrays(self._path(index), only=_FAILURE)
            if arrays is not None:
                found[index] = (
                    f"{arrays[_FAILURE]} The categories were found without it; find "
                    "them anew with --overwrite."
                )
        return found

    def add_failure(self, index: int, sentence: str) -> None:
        """Keeps that an image is left out."""
        write_arrays(self._path(index), **{_FAILURE: np.array(sentence)})

    def _path(self, index: int) -> Path:
        return self._folder / f"{index:07d}.npz"
