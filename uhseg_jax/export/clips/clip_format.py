"""What a format of clips is: something that is given clips, and of each its frames."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from uhseg_jax.export.clips.clip import Clip, ClipOptions, Frame
from uhseg_jax.export.exporter import Destination, IsOwn

__all__ = ["AddFrame", "ClipFormat", "OpenClip", "for_each_clip"]

AddFrame = Callable[[Frame], None]
"""Takes the next frame of a clip."""

OpenClip = Callable[[Clip], AbstractContextManager[AddFrame]]
"""Begins with a clip; its files are there when the block ends without an exception."""

IsThere = Callable[[Path, ClipOptions, Clip], bool]
"""Whether a clip has its files below an output folder, made of the same and alike."""


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
      is_there: whether the files of a clip may stay; never those of the whole run.
      has_mark: whether a file carries the mark of such files; None: they have none.
      package: what it needs beside the requirements, of `optional.OPTIONAL`.
    """

    name: str
    summary: str
    pattern: str
    open: Callable[[Destination, ClipOptions], AbstractContextManager[OpenClip]]
    is_there: IsThere = lambda output, options, clip: False
    has_mark: IsOwn | None = None
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
    is_there: IsThere,
    has_mark: IsOwn,
    *,
    check: Callable[[], object] = lambda: None,
    package: str = "",
) -> ClipFormat:
    """A format with files of its own for every clip.

    Args:
      name: as of `ClipFormat`.
      summary: as of `ClipFormat`.
      pattern: as of `ClipFormat`.
      open_clip: begins with a clip.
      is_there: as of `ClipFormat`.
      has_mark: as of `ClipFormat`.
      check: raises what stands in the way of all clips, before the first of them.
      package: as of `ClipFormat`.
    """

    @contextlib.contextmanager
    def opened(destination: Destination, options: ClipOptions) -> Iterator[OpenClip]:
        check()
        yield lambda clip: open_clip(destination, options, clip)

    return ClipFormat(name, summary, pattern, opened, is_there, has_mark, package)
