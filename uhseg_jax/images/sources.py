"""The bytes of an image: from a regular file, an open one, or memory."""

import io
import os
import re
import stat
from typing import Protocol, runtime_checkable

__all__ = [
    "ALLOW_MORE",
    "DEFAULT_MEMORY",
    "Bytes",
    "ImageError",
    "OpenFile",
    "PathLike",
    "Readable",
    "memory_text",
    "missing",
    "not_regular",
    "open_file",
    "read_all",
    "read_file",
    "require_file_size",
]

DEFAULT_MEMORY = 2 * 2**30
"""Bytes of memory that decoding one image may take, its file included.

Enough for JPEGs and PNGs of all sizes that Pillow takes.
"""

# What to do about an image that takes more.
ALLOW_MORE = "reduce it, or allow more (max_bytes, --image_memory of uhseg-segment)"

PathLike = str | os.PathLike[str]
"""A path, as a text or an object."""

Bytes = bytes | bytearray | memoryview
OpenFile = io.BytesIO | io.BufferedReader

_CHUNK = 2**22
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/+\S")


class ImageError(ValueError):
    """An image cannot be had; the message names it, says why and what to do."""


@runtime_checkable
class Readable(Protocol):
    """A file that is open for reading, or what acts as one."""

    def read(self, size: int = -1, /) -> bytes:
        """Its next bytes, at most so many."""
        ...


def read_file(path: PathLike, *, max_bytes: int = DEFAULT_MEMORY) -> bytes:
    """The bytes of a file.

    Args:
      path: a regular file; ``~`` is the home folder.
      max_bytes: the largest file that is read.

    Raises:
      ImageError: it is missing, no regular file, may not be read, or is larger.
    """
    name = os.fspath(path)
    with open_file(path) as file:
        require_file_size(os.fstat(file.fileno()).st_size, name, max_bytes)
        try:
            return read_all(file, name, max_bytes)
        except OSError as error:  # a disk that fails, say
            raise _unreadable(name, error) from error


def open_file(path: PathLike) -> io.BufferedReader:
    """Opens a regular file for reading, and never waits for anything else.

    Returns:
      The open file, which closes itself at the end of a ``with`` block.

    Raises:
      ImageError: it is missing, no regular file, or may not be read.
    """
    name = os.fspath(path)
    if not os.path.lexists(name):
        name = os.path.expanduser(name)
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        # Opening a device can act on it, so it is looked at before and, as it may
        # have been replaced since, afterwards.
        _require_regular(os.stat(name), name)
        file = open(os.open(name, flags), "rb")  # noqa: SIM115
    except ImageError:
        raise
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        raise ImageError(missing(name)) from error
    except OSError as error:
        raise _unreadable(name, error) from error
    try:
        _require_regular(os.fstat(file.fileno()), name)
    except ImageError:
        file.close()
        raise
    return file


def _unreadable(name: str, error: OSError) -> ImageError:
    if isinstance(error, PermissionError):
        return ImageError(f"{name}: the file may not be read; change its permissions.")
    return ImageError(
        f"{name}: the file cannot be read ({error.strerror or error}); replace it, or "
        "leave it out."
    )


def read_all(file: Readable, name: str, max_bytes: int = DEFAULT_MEMORY) -> bytes:
    """What is left to read of an open file.

    Raises:
      ImageError: that is nothing, text, or more than ``max_bytes``.
    """
    kept = io.BytesIO()
    while chunk := file.read(_CHUNK):
        if isinstance(chunk, str):
            raise ImageError(
                f"{name}: expected a file opened for bytes, but it gives text; open it "
                "with mode 'rb'."
            )
        kept.write(chunk)
        require_file_size(kept.tell(), name, max_bytes)
    if not kept.tell():
        raise ImageError(
            f"{name}: expected an image file, but the file is empty; replace it."
        )
    return kept.getvalue()


def require_file_size(size: int, name: str, max_bytes: int) -> None:
    """Refuses files that alone take more memory than is allowed.

    Args:
      size: bytes of the file, or of what was read of it so far.
      name: what messages call it.
      max_bytes: the largest that is read.

    Raises:
      ImageError: it is larger.
    """
    if size > max_bytes:
        raise ImageError(
            f"{name}: expected a file of at most {memory_text(max_bytes)}, but it is "
            f"larger; {ALLOW_MORE}."
        )


def not_regular(mode: int) -> str:
    """What something is that is no regular file, in words; empty for one that is."""
    kinds = {
        stat.S_ISREG: "",
        stat.S_ISDIR: "a folder",
        stat.S_ISFIFO: "a pipe (FIFO)",
        stat.S_ISSOCK: "a socket",
        stat.S_ISCHR: "a device",
        stat.S_ISBLK: "a device",
    }
    return next((text for is_kind, text in kinds.items() if is_kind(mode)), "no file")


def memory_text(count: int | float) -> str:
    """A number of bytes in words, such as "1.5 GiB"."""
    for unit in ("bytes", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.3g} {unit}"
        count /= 1024
    return f"{count:.3g} GiB"


def _require_regular(found: os.stat_result, name: str) -> None:
    kind = not_regular(found.st_mode)
    if kind == "a folder":
        raise ImageError(
            f"{name}: expected an image file, but this is a folder; "
            "give a file in it, or list its images with find_images."
        )
    if kind:
        raise ImageError(
            f"{name}: expected an image file, but this is {kind}; give a regular file."
        )


def missing(name: str) -> str:
    """A sentence on a path that stands for nothing."""
    if _ADDRESS.match(name):
        return (
            f"{name}: expected a file on this machine, but this is an address; "
            "download it first."
        )
    if os.path.islink(name):
        return f"{name}: the link leads to {os.readlink(name)}, which is not there."
    try:
        os.stat(name)
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (OSError, ValueError) as error:  # no permission, too long, a null byte
        reason = getattr(error, "strerror", None) or error
        return f"{name}: cannot be looked at ({reason}); give another path."
    return f"{name}: there is no such file or folder; check the spelling."
