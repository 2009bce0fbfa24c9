"""The messages of protocol buffers, as they lie in a file."""

from collections.abc import Iterator

from uhseg_jax.backbones.weights.readers.lazy import RefusedError

__all__ = ["EIGHT_BYTES", "FOUR_BYTES", "MESSAGE", "VARINT", "Wire"]

VARINT, EIGHT_BYTES, MESSAGE, FOUR_BYTES = 0, 1, 2, 5
_LONGEST_TEXT = 1 << 16  # bytes
_MOST_FIELDS = 1_000_000  # a graph of ten thousand nodes has some hundred thousand


class Wire:
    """Goes through the fields of messages, which are nested in each other.

    Args:
      data: the whole file, mapped.
    """

    def __init__(self, data: memoryview):
        self._data = data
        self._left = _MOST_FIELDS

    def fields(self, begin: int, end: int) -> Iterator[tuple[int, int, int, int]]:
        """The fields of a message.

        Args:
          begin: offset of its first byte.
          end: offset behind its last.

        Yields:
          The field's number and kind, then of a VARINT its value and 0, of all others
          the offsets of its first byte and behind its last.

        Raises:
          ValueError: it is no message.
          RefusedError: there are too many fields.
        """
        at = begin
        while at < end:
            self._left -= 1
            if self._left < 0:
                raise RefusedError(f"it has more than {_MOST_FIELDS:,} fields.")
            tag, at = self.varint(at, end)
            number, kind = tag >> 3, tag & 7
            if number == 0:
                raise ValueError(f"there is no field at byte {at:,}")
            if kind == VARINT:
                value, at = self.varint(at, end)
                yield number, kind, value, 0
                continue
            if kind == MESSAGE:
                size, at = self.varint(at, end)
            else:
                size = {EIGHT_BYTES: 8, FOUR_BYTES: 4}.get(kind, -1)
            if size < 0 or at + size > end:
                raise ValueError(f"there is no field at byte {at:,}")
            yield number, kind, at, at + size
            at += size

    def varint(self, at: int, end: int) -> tuple[int, int]:
        """An integer of one to ten bytes, and the offset behind it."""
        value = 0
        for shift in range(0, 70, 7):
            if at >= end:
                break
            byte = self._data[at]
            value, at = value | (byte & 0x7F) << shift, at + 1
            if byte < 0x80:
                return value, at
        raise ValueError(f"there is no integer at byte {at:,}")

    def varints(self, kind: int, begin: int, end: int) -> list[int]:
        """The integers of a repeated field, packed or one alone."""
        if kind == VARINT:
            return [begin]
        found: list[int] = []
        while begin < end and len(found) <= 64:
            value, begin = self.varint(begin, end)
            found.append(value)
        return found

    def text(self, begin: int, end: int) -> str:
        """A field as text.

        Raises:
          RefusedError: it is too long for a name; it could be as long as the file.
        """
        if end - begin > _LONGEST_TEXT:
            raise RefusedError(f"it has a name of more than {_LONGEST_TEXT:,} bytes.")
        return bytes(self._data[begin:end]).decode()
