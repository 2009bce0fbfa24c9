"""Headers of arrays as numpy saves them: what is known before any memory is taken."""

import dataclasses
import math
from typing import Any

import numpy as np

__all__ = ["NpyHeader", "NpyVersionError", "read_npy_header"]

_READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    # It allows headers of gigabytes, which arrays of numbers do not need.
    (2, 0): np.lib.format.read_array_header_2_0,
}


class NpyVersionError(ValueError):
    """An array is saved in a version that is not read."""


@dataclasses.dataclass(frozen=True)
class NpyHeader:
    """What a header says.

    Attributes:
      shape: of the array.
      in_columns: whether its first index runs fastest.
      dtype: of its entries; they may be Python objects, which are pickled.
    """

    shape: tuple[int, ...]
    in_columns: bool
    dtype: np.dtype

    @property
    def nbytes(self) -> int:
        """Bytes of the entries, which come next; it is not said that they are there."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_npy_header(stream: Any, *, first_version: bool = False) -> NpyHeader:
    """Reads a header, and leaves the stream where the entries begin.

    Args:
      stream: open for reading bytes, of a file that `numpy.save` wrote, or of such a
        member of an npz.
      first_version: whether no other version of the format is read.

    Raises:
      NpyVersionError: it has another version.
      ValueError: there is no such header.
    """
    version = np.lib.format.read_magic(stream)
    if version not in _READERS or (first_version and version != (1, 0)):
        number = ".".join(map(str, version))
        raise NpyVersionError(f"the array is saved in version {number} of the format")
    shape, in_columns, dtype = _READERS[version](stream)
    return NpyHeader(tuple(shape), in_columns, dtype)
