"""The ``.msgpack`` of flax.serialization: a tree of arrays, gone through as it lies.

Flax reads it as a whole into objects, of which a file can ask for many: a byte for an
empty table of 64. Here only the names and the places of the arrays are kept.
"""

import mmap
from pathlib import Path

import jax.numpy as jnp

from uhseg_jax.backbones.weights.readers.budget import Budget
from uhseg_jax.backbones.weights.readers.lazy import (
    DEEPEST_TREE,
    NUMBERS,
    Extent,
    LazyArrays,
    RefusedError,
    Stored,
    below_params,
    join_name,
)

__all__ = ["read_msgpack"]

_MOST_VALUES = 1_000_000  # a checkpoint has some thousands
_ARRAY = 1  # the extension that flax gives its arrays

# First bytes, the kind that they begin and the bytes that then hold a size.
_SIZED = {
    **{0xC4: ("bytes", 1), 0xC5: ("bytes", 2), 0xC6: ("bytes", 4)},
    **{0xC7: ("extension", 1), 0xC8: ("extension", 2), 0xC9: ("extension", 4)},
    **{0xD9: ("text", 1), 0xDA: ("text", 2), 0xDB: ("text", 4)},
    **{0xDC: ("list", 2), 0xDD: ("list", 4), 0xDE: ("table", 2), 0xDF: ("table", 4)},
}
# First bytes of values of a size of their own: numbers and extensions.
_FIXED = {
    **{0xC0: 0, 0xC2: 0, 0xC3: 0, 0xCA: 4, 0xCB: 8},
    **{0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8},
}


def read_msgpack(path: Path, budget: Budget) -> LazyArrays:
    """Opens a ``.msgpack``, which is data only; its arrays are not read.

    Raises:
      RefusedError: it does not hold a tree of arrays, or there are too many.
      ValueError: it is cut short or no msgpack.
    """
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
    ):
        tree = _Tree(path, data, budget)
        kind, size = tree.head()
        if kind == "number":
            raise ValueError("it begins with a number")
        if kind != "table":
            raise RefusedError(f"it holds a {kind}; expected a tree of named arrays.")
        tree.table(size, "", 0)
    return LazyArrays(path, below_params(tree.found))


class _Tree:
    """Goes through a file from its beginning; ``found`` are the arrays by paths."""

    def __init__(self, path: Path, data: mmap.mmap, budget: Budget):
        self.found: dict[str, Stored] = {}
        self._path, self._data, self._budget = path, data, budget
        self._at = 0
        self._left = _MOST_VALUES

    def head(self) -> tuple[str, int]:
        """Kind and size of the value that comes; then stands at its content."""
        self._left -= 1
        if self._left < 0:
            raise RefusedError(f"it has more than {_MOST_VALUES:,} values.")
        first = self._integer(1)
        if first < 0x80 or first >= 0xE0:
            return "number", 0
        if first < 0xC0:
            kind = ("table", "list", "text", "text")[(first >> 4) - 8]
            return kind, first & (0x1F if kind == "text" else 0x0F)
        if first in _FIXED:
            return "number", _FIXED[first]
        if 0xD4 <= first <= 0xD8:
            return "extension", 1 << (first - 0xD4)
        if first not in _SIZED:
            raise ValueError(f"there is no value at byte {self._at - 1:,}")
        kind, width = _SIZED[first]
        return kind, self._integer(width)

    def table(self, size: int, above: str, depth: int) -> None:
        """Goes through a table of names; the arrays in it, and below it, are found."""
        if depth > DEEPEST_TREE:
            raise RefusedError(f"its tree is more than {DEEPEST_TREE} levels deep.")
        for _ in range(size):
            name = self._text()
            kind, length = self.head()
            if kind == "table":
                self.table(length, f"{join_name(above, name)}/", depth + 1)
            elif kind == "extension" and self._integer(1) == _ARRAY:
                end = self._at + length
                self.found[join_name(above, name)] = self._array(end)
                self._budget.require_count(len(self.found))
                self._skip(end - self._at)
            else:
                self._pass(kind, length)

    def _array(self, end: int) -> Stored:
        """The content of an extension: shape, name of the dtype, bytes."""
        if self.head() != ("list", 3):
            raise ValueError("one of its arrays is not one of flax")
        kind, axes = self.head()
        if kind != "list" or axes > 64:
            raise ValueError("one of its arrays has no shape")
        shape = tuple(self._size() for _ in range(axes))
        dtype = self._text()
        kind, nbytes = self.head()
        if dtype not in NUMBERS or kind != "bytes" or self._at + nbytes > end:
            raise RefusedError("it has arrays that are not made of numbers.")
        extent = Extent(self._path, self._at, nbytes)
        extent.require(jnp.dtype(dtype), shape, exactly=True)
        return extent.stored(jnp.dtype(dtype), shape)

    def _pass(self, kind: str, size: int) -> None:
        """Goes past a value whose head was read."""
        if kind not in ("list", "table"):
            # The number of an extension was read in its stead.
            self._skip(size)
            return
        left = size * (2 if kind == "table" else 1)
        while left:
            inner, length = self.head()
            left -= 1
            if inner in ("list", "table"):
                left += length * (2 if inner == "table" else 1)
            else:
                self._skip(length + (inner == "extension"))

    def _size(self) -> int:
        """An integer from 0, as shapes have."""
        first = self._data[self._at]
        kind, width = self.head()
        if kind != "number" or not (first < 0x80 or 0xCC <= first <= 0xCF):
            raise ValueError("one of its arrays has no shape")
        return self._integer(width) if width else first

    def _text(self) -> str:
        kind, size = self.head()
        if kind != "text" or size > 1000:
            raise ValueError("it has a name that is no text, or an endless one")
        begin = self._at
        self._skip(size)
        return self._data[begin : self._at].decode()

    def _integer(self, width: int) -> int:
        begin = self._at
        self._skip(width)
        return int.from_bytes(self._data[begin : self._at], "big")

    def _skip(self, size: int) -> None:
        if self._at + size > len(self._data):
            raise ValueError("it ends in the middle of a value")
        self._at += size
