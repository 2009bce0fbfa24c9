"""Arrays by name that are read on access, and arrays within files."""

import dataclasses
import functools
import math
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from uhseg_jax.backbones.weights.errors import WeightsError, reason_of

__all__ = [
    "DEEPEST_TREE",
    "NUMBERS",
    "Extent",
    "LazyArrays",
    "RefusedError",
    "Stored",
    "below_params",
    "join_name",
    "row_major",
]

# Bytes that a tensor may take which repeats its elements (stride 0): a file of a
# hundred bytes could ask for a terabyte.
_REPEATED = 64 << 20
_SPREAD = 256 << 20  # bytes that are read for one which leaves some out
_LARGEST = 2**48  # of the numbers that place a tensor; arithmetic with them stays quick
_MOST_AXES = 64
_LONGEST_NAME = 500
DEEPEST_TREE = 64  # levels
# Types of numbers, as numpy and torch call them.
NUMBERS = frozenset(
    [
        *("float64", "float32", "float16", "bfloat16", "complex64", "complex128"),
        *("float8_e4m3fn", "float8_e5m2", "int64", "int32", "int16", "int8"),
        *("uint64", "uint32", "uint16", "uint8", "bool"),
    ]
)


class RefusedError(Exception):
    """A file holds what is not read; the message says what, without naming the file."""


@dataclasses.dataclass(frozen=True)
class Stored:
    """An array that lies somewhere.

    Attributes:
      shape: of the array, known before it is read.
      dtype: of its elements.
      read: reads it.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    read: Callable[[], np.ndarray]

    @classmethod
    def of(cls, array: np.ndarray) -> "Stored":
        """An array that is in memory."""
        return cls(array.shape, array.dtype, lambda: array)

    def transposed(self, axes: Sequence[int]) -> "Stored":
        """The same array with its axes in another order."""
        shape = tuple(self.shape[axis] for axis in axes)
        return Stored(shape, self.dtype, lambda: self.read().transpose(axes))


# Not a mapping to arrays: a check of that type would read one.
class LazyArrays(Mapping[str, Any]):
    """Arrays by name; nothing is kept, so every access reads the value again.

    Attributes:
      path: the file or folder they come from, for messages.
      stored: where each lies, by its name.

    Raises:
      RefusedError: a name is not a text, as parsers of damaged files hand out anything,
        or is endless.
    """

    def __init__(self, path: Path, stored: Mapping[str, Stored]):
        self.path = path
        self.stored = dict(stored)
        for name in self.stored:
            join_name("", name)

    def __getitem__(self, name: str) -> np.ndarray:
        """Reads one array.

        Raises:
          KeyError: there is none of that name.
          WeightsError: the file is damaged there, or the array is not one of numbers.
        """
        stored = self.stored[name]
        try:
            array = stored.read()
        except WeightsError:
            raise
        except Exception as error:
            raise WeightsError(
                f"{name[:200]} in {self.path} could not be read: {reason_of(error)}. "
                "Fetch the file again."
            ) from error
        if array.dtype.hasobject or array.dtype.names or array.dtype.kind in "USMm":
            raise WeightsError(
                f"{name[:200]} in {self.path} is not made of numbers but of "
                f"{array.dtype}."
            )
        return array

    def located(self, name: str) -> Stored:
        """The same array for a collection under other names; read through this one."""
        one = self.stored[name]
        read = functools.partial(self.__getitem__, name)
        return Stored(one.shape, one.dtype, read)

    def __iter__(self) -> Iterator[str]:
        return iter(self.stored)

    def __len__(self) -> int:
        return len(self.stored)

    def __contains__(self, name: object) -> bool:
        return name in self.stored


@dataclasses.dataclass(frozen=True)
class Extent:
    """A run of bytes in a file that holds numbers.

    Attributes:
      path: the file.
      start: offset of the first byte.
      nbytes: how many.
      big_endian: the byte order of the numbers.
      crc32: checksum of all the bytes, where it is known.
    """

    path: Path
    start: int
    nbytes: int
    big_endian: bool = False
    crc32: int | None = None

    def require(
        self,
        dtype: Any,
        shape: Sequence[int],
        *,
        offset: int = 0,
        strides: Sequence[int] | None = None,
        exactly: bool = False,
    ) -> int:
        """Checks that a tensor lies within the bytes.

        Args:
          dtype: of its elements.
          shape: of the tensor.
          offset: of its first element, in elements.
          strides: from one element to the next along each axis, in elements; None for
            row-major order.
          exactly: whether the tensor should fill the bytes.

        Returns:
          Elements from its first to its last, both included.

        Raises:
          RefusedError: it reaches outside, or repeats its elements beyond all measure.
        """
        itemsize = np.dtype(dtype).itemsize
        if strides is None:
            strides = row_major(shape)
        numbers = (offset, *shape, *strides)
        if not len(shape) == len(strides) <= _MOST_AXES or any(
            type(x) is not int or not 0 <= x < _LARGEST for x in numbers
        ):
            raise RefusedError(
                "a tensor's shape, strides and offset should be integers from 0 "
                f"to 2**48, and as many strides as axes (at most {_MOST_AXES})."
            )
        if exactly and math.prod(shape) * itemsize != self.nbytes:
            raise RefusedError(
                f"an array of shape {list(shape)[:8]} has {self.nbytes:,} bytes; "
                f"expected {math.prod(shape) * itemsize:,}."
            )
        if 0 in shape:
            return 0
        span = 1 + sum(
            (n - 1) * stride for n, stride in zip(shape, strides, strict=True)
        )
        if (offset + span) * itemsize > self.nbytes:
            raise RefusedError(
                f"a tensor of shape {list(shape)[:8]} at offset {offset} needs "
                f"{(offset + span) * itemsize:,} bytes of a storage that has "
                f"{self.nbytes:,}."
            )
        if span > math.prod(shape) and span * itemsize > _SPREAD:
            raise RefusedError(
                f"a tensor of shape {list(shape)[:8]} is spread over "
                f"{span * itemsize:,} bytes."
            )
        if math.prod(shape) > span and math.prod(shape) * itemsize > _REPEATED:
            raise RefusedError(
                f"a tensor of shape {list(shape)[:8]} repeats {span:,} elements to "
                f"more than {_REPEATED:,} bytes."
            )
        return span

    def array(
        self,
        dtype: Any,
        shape: Sequence[int],
        *,
        offset: int = 0,
        strides: Sequence[int] | None = None,
    ) -> np.ndarray:
        """Reads a tensor.

        Args:
          dtype: of its elements.
          shape: of the tensor.
          offset: of its first element, in elements.
          strides: in elements; None for row-major order.

        Returns:
          An array of its own in row-major order and native byte order.

        Raises:
          RefusedError: the tensor reaches outside, the file is cut short or altered.
        """
        dtype, shape = np.dtype(dtype), tuple(shape)
        span = self.require(dtype, shape, offset=offset, strides=strides)
        flat = self._read(offset * dtype.itemsize, span * dtype.itemsize).view(dtype)
        if self.big_endian:
            flat = flat.byteswap()
        if not span or strides is None or _is_row_major(shape, strides):
            return flat.reshape(shape)
        steps = [stride * dtype.itemsize for stride in strides]
        return np.array(np.lib.stride_tricks.as_strided(flat, shape, steps), order="C")

    def stored(self, dtype: Any, shape: Sequence[int], **place: Any) -> Stored:
        """A tensor that `array` reads when it is asked for."""
        read = functools.partial(self.array, dtype, tuple(shape), **place)
        return Stored(tuple(shape), np.dtype(dtype), read)

    def _read(self, offset: int, nbytes: int) -> np.ndarray:
        with self.path.open("rb") as stream:
            size = stream.seek(0, 2)
            if self.start + offset + nbytes > size:
                raise RefusedError(
                    f"the file has {size:,} bytes and should have "
                    f"{self.start + offset + nbytes:,}; it is cut short."
                )
            stream.seek(self.start + offset)
            data = np.empty(nbytes, np.uint8)
            stream.readinto(data.data)
        if self.crc32 is not None and nbytes == self.nbytes:
            found = zlib.crc32(data.data)
            if found != self.crc32:
                raise RefusedError(
                    f"its bytes are altered: expected the checksum {self.crc32:08x}, "
                    f"found {found:08x}."
                )
        return data


def join_name(above: str, name: Any) -> str:
    """The name of an array below others, or of what holds arrays.

    Args:
      above: the name of what it lies in, with the sign that follows; or empty.
      name: its own, of unknown origin.

    Raises:
      RefusedError: it is no text, or endless; long names that many arrays share would
        be copied to gigabytes.
    """
    if type(name) is not str or len(above) + len(name) > _LONGEST_NAME:
        raise RefusedError(
            "it has arrays whose names are no texts of at most "
            f"{_LONGEST_NAME} characters."
        )
    return above + name


def below_params(stored: Mapping[str, Stored]) -> Mapping[str, Stored]:
    """The arrays below ``params/`` where there are such, under their names there.

    That is where a training state, or the variables of a module, have them.
    """
    below = {
        name.removeprefix("params/"): one
        for name, one in stored.items()
        if name.startswith("params/")
    }
    return below or stored


def row_major(shape: Sequence[int]) -> tuple[int, ...]:
    """The strides, in elements, of an array without gaps in row-major order."""
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


def _is_row_major(shape: Sequence[int], strides: Sequence[int]) -> bool:
    pairs = zip(shape, strides, row_major(shape), strict=True)
    return all(n == 1 or stride == dense for n, stride, dense in pairs)
