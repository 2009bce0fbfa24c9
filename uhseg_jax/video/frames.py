"""Frames of a clip, or slices of a volume, read when they are wanted."""

from __future__ import annotations

import abc
import dataclasses
import itertools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from uhseg_jax.images import ImageError, find_images, read_image
from uhseg_jax.types import Pixels

__all__ = ["ArrayFrames", "FolderFrames", "FrameSource", "VideoError", "first_ones"]

T = TypeVar("T")


class VideoError(ImageError):
    """A clip that cannot be had; the message says what was found and what to do."""


class FrameSource(abc.ABC):
    """The frames of one clip, all of one size, in their order.

    Attributes:
      title: what messages and results call the clip.
      rate: frames per second; 0 where there is no time, as in a volume.
    """

    title: str
    rate: float = 0.0

    @abc.abstractmethod
    def frames(self, start: int = 0) -> Iterator[Pixels]:
        """The frames from one on, as RGB pixels.

        Memory is that of a few frames. They are the same whenever it is called.

        Raises:
          VideoError: a frame cannot be had.
        """

    @property
    def count(self) -> int | None:
        """How many frames there are; None where only decoding them all would tell."""
        return None

    def name(self, index: int) -> str:
        """What the files of a frame are called, without a suffix."""
        return f"{index:05d}"

    def file(self, index: int) -> str:
        """What the file of a frame is called, or would be in a clip of one file."""
        return f"{self.name(index)}.jpg"

    def checked(
        self, start: int = 0, size: tuple[int, ...] | None = None
    ) -> Iterator[Pixels]:
        """The frames from one on, of which all must have one size.

        Args:
          start: number of the first.
          size: (height, width) of those before, where there are such.

        Raises:
          VideoError: see `frames`.
        """
        for index, frame in enumerate(self.frames(start), start):
            height, width = size = size or frame.shape[:2]
            if frame.shape[:2] != size:
                raise VideoError(
                    f"{self.title}: expected frames of one size, but frame "
                    f"{self.name(index)} is {frame.shape[1]} x {frame.shape[0]} and "
                    f"those before are {width} x {height}; scale or crop them."
                )
            yield frame


@dataclasses.dataclass(frozen=True)
class FolderFrames(FrameSource):
    """Image files, one for each frame, in the natural order of their names.

    Attributes:
      paths: the files.
      title: what messages and results call the clip.
      rate: frames per second; that of DAVIS where nothing is known.
    """

    paths: Sequence[Path]
    title: str
    rate: float = 24.0

    @classmethod
    def find(cls, folder: str | os.PathLike[str], **more: Any) -> FolderFrames:
        """The images of a folder.

        Raises:
          VideoError: it has none.
        """
        try:
            below = find_images(folder)
        except ImageError as error:
            raise VideoError(str(error)) from error
        paths = tuple(x for x in below if x.parent == Path(folder))
        if not paths:
            raise VideoError(
                f"{folder}: expected a folder with the frames of a clip as image "
                f"files, but they lie deeper, in {below[0].parent}; give that folder."
            )
        return cls(paths, Path(folder).resolve().name, **more)

    @property
    def count(self) -> int:
        """How many files there are."""
        return len(self.paths)

    def name(self, index: int) -> str:
        """The stem of the file."""
        return self.paths[index].stem

    def file(self, index: int) -> str:
        """The name of the file."""
        return self.paths[index].name

    def frames(self, start: int = 0) -> Iterator[Pixels]:
        """See `FrameSource.frames`."""
        for path in self.paths[start:]:
            try:
                yield read_image(path)
            except ImageError as error:
                raise VideoError(str(error)) from error


@dataclasses.dataclass(frozen=True)
class ArrayFrames(FrameSource):
    """Frames that are in memory.

    Attributes:
      images: what `images.read_image` takes, each.
      title: what messages and results call the clip.
      rate: frames per second.
    """

    images: Sequence[Any]
    title: str = "frames"
    rate: float = 24.0

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.images)

    def frames(self, start: int = 0) -> Iterator[Pixels]:
        """See `FrameSource.frames`."""
        for index in range(start, len(self.images)):
            try:
                yield read_image(self.images[index], name=self.name(index))
            except ImageError as error:
                raise VideoError(f"{self.title}: {error}") from error


def first_ones(frames: Iterator[T], count: int) -> tuple[list[T], VideoError | None]:
    """The next frames, or what was made of them, and why there are no more of them."""
    found: list[T] = []
    try:
        found.extend(itertools.islice(frames, count))
    except VideoError as error:
        return found, error
    return found, None
