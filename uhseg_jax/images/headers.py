"""Files whose header must end: Pillow looks for that of some to the end of a file."""

import io

__all__ = ["File", "Memory"]

# Calls of `read` that a header takes: hundreds, and thousands with many tags. Junk
# before a marker of a JPEG or a block of a GIF, and a comment of a PPM, are read byte
# by byte.
_MOST_READS = 2**20


class _Counted(io.BufferedIOBase):
    """What both kinds share.

    Attributes:
      is_opened: whether the header was read; from then on nothing is counted.
    """

    is_opened = False
    _reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """The next bytes.

        Raises:
          ValueError: the header takes too many reads.
        """
        if not self.is_opened:
            self._reads += 1
            if self._reads > _MOST_READS:
                raise ValueError("its header does not end")
        return super().read(size)


class File(_Counted, io.BufferedReader):
    """A file on disk."""


class Memory(_Counted, io.BytesIO):
    """A file in memory."""
