"""What the commands print, so that no print costs a result.

File names come from anywhere: their control characters are shown and never carried
out, and characters that a stream lacks are escaped. A reader that has gone is no error,
and neither is a full disk under a redirected output: results are in files.
"""

import errno
import os
import sys
from typing import Any

from tqdm import tqdm

from uhseg_jax.escaping import escaped

__all__ = ["err", "guard_streams", "out", "printable", "tell_of_losses"]


def out(text: str) -> None:
    """Prints on the standard output."""
    _print(text, sys.stdout)


def err(text: str) -> None:
    """Prints on the standard error output."""
    _print(text, sys.stderr)


def printable(text: str, *, one_line: bool = False) -> str:
    r"""A text that does nothing to a terminal but show.

    Args:
      text: anything, such as the name of a file.
      one_line: newlines are escaped too.

    Returns:
      The text with control characters as ``\x1b`` or ``\u202e``.
    """
    kept = "\t" if one_line else "\t\n"
    return escaped(text, kept=kept)


def guard_streams() -> None:
    """Makes the standard streams of this process such as no print can fail on."""
    # A file that is opened later would be given the number of a stream that is closed,
    # and what libraries print would be written into it.
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(number)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            stream = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
        stream.reconfigure(errors="backslashreplace")
        setattr(sys, name, _Guarded(stream))


def tell_of_losses() -> None:
    """Says where the standard output could not be written; not that its reader left."""
    sys.stdout.flush()
    loss = getattr(sys.stdout, "loss", None)
    if loss is not None and loss.errno != errno.EPIPE:
        err(
            f"The standard output could not be written ({loss.strerror or loss}); the "
            "results are in their files."
        )


class _Guarded:
    """A stream that writes until it fails, and then nothing.

    Attributes:
      loss: why it failed; None as long as it did not.
    """

    def __init__(self, stream: Any):
        self._stream = stream
        self.loss: OSError | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Writes a text, or loses it."""
        try:
            self._stream.write(text)
        except OSError as error:
            self._lose(error)
        return len(text)

    def flush(self) -> None:
        """Writes what waits, or loses it."""
        try:
            self._stream.flush()
        except OSError as error:
            self._lose(error)

    def _lose(self, error: OSError) -> None:
        self.loss = self.loss or error
        # What waits, and what libraries print there, goes nowhere.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)


def _print(text: str, stream: Any) -> None:
    if stream is None:  # closed by whoever started the process
        return
    encoding = getattr(stream, "encoding", None) or "utf-8"
    text = printable(text).encode(encoding, "backslashreplace").decode(encoding)
    with tqdm.external_write_mode(file=stream):  # above the bars that there are
        print(text, file=stream, flush=True)
