"""What a format of clips is: something that is given clips, and of each its frames."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from uhseg_jax.export.clips.clip import Clip, ClipOptions, Frame
from uhseg_jax.export.exporter import Destination

__all__ = ["AddFrame", "ClipFormat", "OpenClip", "for_each_clip"]

AddFrame = Callable[[Frame], None]
"""Takes the next frame of a clip."""

OpenClip = Callable[[Clip], AbstractContextManager[AddFrame]]
"""Begins with a clip; its files are there when the block ends without an exception."""


@dataclasses.dataclass(frozen=True)
class ClipFormat:
    """A format that clips are written in.

    Attributes:
      name: what it is called on command lines.
      summary: what its files hold, for help texts: a noun phrase.
      pattern: name of its file, below the output folder: of a clip, with "{name}", and
        then perhaps with "*" where there is one for each frame; or else of the run.
      open: gives what begins clips; what is for the whole run is written when the block
        ends.
      package: what it needs beside the requirements, of `optional.OPTIONAL`.
    """

    name: str
    summary: str
    pattern: str
    open: Callable[[Destination, ClipOptions], AbstractContextManager[OpenClip]]
    package: str = ""

    @property
    def per_clip(self) -> bool:
        """Whether its files are of single clips."""
        return "{name}" in self.pattern


def for_each_clip(
    name: str,
    summary: str,
    pattern: str,
    open_clip: Callable[
        [Destination, ClipOptions, Clip], AbstractContextManager[AddFrame]
    ],
    package: str = "",
) -> ClipFormat:
    """A format with files of its own for every clip; arguments as of `ClipFormat`."""

    @contextlib.contextmanager
    def opened(destination: Destination, options: ClipOptions) -> Iterator[OpenClip]:
        yield lambda clip: open_clip(destination, options, clip)

    return ClipFormat(name, summary, pattern, opened, package)
