"""Files that are written image by image and appear only when they are whole."""

import abc
import contextlib
import os
from types import TracebackType
from typing import Any, TextIO, TypeVar

__all__ = ["StreamingFile"]

Writer = TypeVar("Writer", bound="StreamingFile")


class StreamingFile(abc.ABC):
    """A file for many images, with one of them in memory at a time.

    It appears under its name when the block ends without an exception, and not before.
    """

    def __init__(self, path: str | os.PathLike[str]):
        self._path = path
        self._file: TextIO | None = None

    @abc.abstractmethod
    def _write(self) -> contextlib.AbstractContextManager[Any]:
        """Opens ``self._file``; writes what stands before and after the images."""

    def __enter__(self: Writer) -> Writer:
        self._block = self._write()
        self._block.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._block.__exit__(kind, error, trace)
        self._file = None

    def _require_open(self) -> TextIO:
        """The file to write to.

        Raises:
          RuntimeError: the writer is not open.
        """
        if self._file is None:
            name = type(self).__name__
            raise RuntimeError(
                f"expected an open {name}, but add was called outside its block; write "
                f"`with {name}(path) as writer: writer.add(...)`."
            )
        return self._file
