"""Zip archives of others: a table of bounded size, and members where they lie."""

import contextlib
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from uhseg_jax.backbones.weights.readers.lazy import RefusedError

__all__ = ["list_members", "open_member", "start_of"]

_LARGEST_TABLE = 4 << 20  # bytes; that of a model with thousands of arrays has some 1e5
_LOCAL_HEADER = 30  # bytes before the name of a member, at the member itself


class _Bounded(io.BufferedReader):
    """A file of which little is read at once, as zipfile reads its table."""

    def read(self, size: int | None = -1) -> bytes:
        if size is None or size < 0:
            at = self.tell()
            size = self.seek(0, io.SEEK_END) - at
            self.seek(at)
        if size > _LARGEST_TABLE:
            raise RefusedError(
                f"its table of contents has {size:,} bytes; expected at most "
                f"{_LARGEST_TABLE:,}."
            )
        return super().read(size)


def list_members(path: Path) -> dict[str, zipfile.ZipInfo]:
    """The members of an archive, by their names.

    Raises:
      RefusedError: it has too many to be weights.
      zipfile.BadZipFile: it is no archive.
    """
    with (
        _Bounded(io.FileIO(path)) as stream,
        zipfile.ZipFile(stream) as archive,
    ):
        return {member.filename: member for member in archive.infolist()}


def start_of(path: Path, member: zipfile.ZipInfo) -> int:
    """Where the bytes of a member begin in the file.

    Raises:
      ValueError: it is not where the table says.
    """
    with path.open("rb") as stream:
        stream.seek(member.header_offset)
        head = stream.read(_LOCAL_HEADER)
    if len(head) < _LOCAL_HEADER or not head.startswith(b"PK\x03\x04"):
        raise ValueError(
            f"its member {member.filename[:100]} is not where it should be"
        )
    lengths = [int.from_bytes(head[at : at + 2], "little") for at in (26, 28)]
    return member.header_offset + _LOCAL_HEADER + sum(lengths)


@contextlib.contextmanager
def open_member(path: Path, member: zipfile.ZipInfo) -> Iterator[IO[bytes]]:
    """Opens a member, without reading the table again.

    It gives no more bytes than the table says, and checks their checksum at the end.

    Raises:
      RefusedError: it is compressed so that it may grow a million times.
    """
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise RefusedError("it is compressed in another way than numpy and pip do.")
    start = start_of(path, member)
    with path.open("rb") as stream:
        stream.seek(start)
        with zipfile.ZipExtFile(stream, "r", member) as content:
            yield content
