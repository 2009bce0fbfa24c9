"""Which clips a run is over, and what their results are called.

A clip is a file, or a folder with its frames as images. A folder without images, or
with animations or stacks of slices only, stands for the clips in it: files, and folders
with frames. What runs drew is left out. Results are named after the clip.
"""

import collections
import contextlib
import dataclasses
import functools
import glob
import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image

from uhseg_jax.export.clips import CLIP_FORMATS
from uhseg_jax.export.png_files import is_own
from uhseg_jax.files import sha256_of
from uhseg_jax.images import IMAGE_SUFFIXES, natural_order
from uhseg_jax.video.clips import open_clip
from uhseg_jax.video.frames import FolderFrames, FrameSource, VideoError
from uhseg_jax.video.tiff_stacks import STACK_SUFFIXES, is_stack
from uhseg_jax.video.volumes import VOLUME_SUFFIXES, open_volume, slices_of

__all__ = ["CLIP_SUFFIXES", "RunClip", "find_run_clips"]

CLIP_SUFFIXES = (
    ".avi",
    ".gif",
    ".m4v",
    ".mkv",
    ".mov",
    ".mp4",
    ".mpeg",
    ".mpg",
    ".webm",
)
"""Of files that are clips where a folder is given; those of GIF if they all move."""


@dataclasses.dataclass(frozen=True)
class RunClip:
    """One clip of a run.

    Attributes:
      source: its file, or the folder of its frames.
      name: path of its results below the output folder, without suffix.
      title: what people know it as.
      problem: a sentence on why it can have no result; empty if it can.
      is_volume: whether it has slices in place of frames, and no time.
    """

    source: Path
    name: str
    title: str
    problem: str = ""
    is_volume: bool = False

    def open(self) -> FrameSource:
        """Its frames.

        Raises:
          VideoError: it has none, or has a problem.
        """
        if self.problem:
            raise VideoError(self.problem)
        if not self.source.is_dir():
            return (open_volume if self.is_volume else open_clip)(self.source)
        paths = tuple(_images_in(self.source))
        if self.is_volume:
            return slices_of(paths, self.title)
        return FolderFrames(paths, self.title)

    @functools.cached_property
    def identity(self) -> str:
        """A digest of the bytes of the clip: of its file, or of all frames.

        Raises:
          VideoError: a file cannot be read.
        """
        try:
            if not self.source.is_dir():
                return sha256_of(self.source)
            frames = (f"{x.name}\0{sha256_of(x)}\n" for x in _images_in(self.source))
            return hashlib.sha256("".join(frames).encode(errors="replace")).hexdigest()
        except OSError as error:
            raise VideoError(
                f"{self.title}: expected to read it, but the system says: "
                f"{error.strerror} ({error.filename})."
            ) from error


def find_run_clips(
    specs: Sequence[str | os.PathLike[str]], *, volumes: bool = False
) -> tuple[RunClip, ...]:
    """Finds the clips of a run and names their results.

    Args:
      specs: files, folders and patterns.
      volumes: whether they are volumes.

    Raises:
      VideoError: a specification stands for no clip, or for one folder that holds clips
        and frames of one.
    """
    paths: dict[str, Path] = {}
    for spec in specs:
        suffixes = VOLUME_SUFFIXES if volumes else CLIP_SUFFIXES
        for path in _found(Path(os.path.expanduser(spec)), suffixes):
            paths.setdefault(os.path.realpath(path), path)
    return tuple(_named(list(paths.values()), volumes))


def _found(path: Path, suffixes: Sequence[str]) -> list[Path]:
    if path.is_file():
        return [path]
    if path.is_dir():
        return _in_folder(path, suffixes)
    found = [Path(x) for x in glob.glob(str(path), recursive=True)]
    clips = [
        x
        for one in sorted(found, key=natural_order)
        for x in _found(one, suffixes)
        if not _is_drawn(x)
    ]
    if not clips:
        raise VideoError(
            f"{path}: expected a clip, a folder of frames or a pattern that matches "
            "some, but nothing is there."
        )
    return clips


def _in_folder(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    single = [x for x in _images_in(folder) if not _is_whole(x, suffixes)]
    entries = sorted(
        (x for x in folder.iterdir() if x.name[:1] != "."), key=natural_order
    )
    files = {
        x for x in entries if _ends_in(x, suffixes) and x.is_file() and not _is_drawn(x)
    }
    if single:
        if others := [x for x in entries if x in files.difference(single)]:
            raise VideoError(
                f"{folder}: expected the frames of one clip, or clips, but found both "
                f"(such as {single[0].name} and {others[0].name}); give the clips one "
                "by one or by a pattern, or move the others."
            )
        return [folder]
    clips = [x for x in entries if x in files or (x.is_dir() and _images_in(x))]
    if not clips:
        raise VideoError(
            f"{folder}: expected the frames of a clip as images, or clips "
            f"({' '.join(suffixes)}) and folders of frames, but found none in it."
        )
    return clips


def _ends_in(path: Path, suffixes: Sequence[str]) -> str:
    """Which of some suffixes a name has; empty if none."""
    name = path.name.lower()
    return next((x for x in suffixes if name.endswith(x)), "")


def _is_whole(image: Path, suffixes: Sequence[str]) -> bool:
    """Whether an image is a volume or a clip by itself."""
    return bool(_ends_in(image, suffixes)) and (is_stack(image) or _is_animated(image))


def _is_animated(path: Path) -> bool:
    if path.suffix.lower() in STACK_SUFFIXES:
        return False
    with contextlib.suppress(Exception), Image.open(path) as image:
        return bool(getattr(image, "is_animated", False))
    return False  # what is damaged is told when it is read


def _is_drawn(path: Path) -> bool:
    """Whether a run drew a clip beside its regions there."""
    has_mark = CLIP_FORMATS["mp4"].has_mark
    return has_mark is not None and path.suffix.lower() == ".mp4" and has_mark(path)


def _images_in(folder: Path) -> list[Path]:
    """Images of a folder, none of those below it, and none that a run drew."""
    with contextlib.suppress(OSError):
        found = (
            x
            for x in folder.iterdir()
            if x.suffix.lower() in IMAGE_SUFFIXES
            and x.name[:1] != "."
            and x.is_file()
            and not is_own(x)
        )
        return sorted(found, key=natural_order)
    return []


def _named(paths: Sequence[Path], volumes: bool) -> Iterator[RunClip]:
    """The clips, under distinct names; those that can have none with a problem."""
    stems = collections.Counter(_stem(x).casefold() for x in paths)
    taken: dict[str, Path] = {}
    for path in paths:
        own = Path(os.path.abspath(path)).name
        name = _stem(path) if stems[_stem(path).casefold()] == 1 else own
        first = taken.setdefault(name.casefold(), path)
        problem = ""
        if first != path:
            problem = (
                f"{path}: its results would be written to the same files as those of "
                f"{first}; segment them into different --output folders."
            )
        yield RunClip(path, name, own, problem, volumes)


def _stem(path: Path) -> str:
    path = Path(os.path.abspath(path))
    if path.is_dir():
        return path.name
    suffix = _ends_in(path, VOLUME_SUFFIXES) or path.suffix  # of two parts, maybe
    return path.name[: len(path.name) - len(suffix)] or path.name
