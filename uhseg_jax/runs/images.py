"""Which images a run is over, and what their results are called.

A result is named after the image's path below the folder that was given, without its
suffix: ``photos/sub/a.jpg`` of ``photos`` gives ``sub/a``. The whole file name is kept
where the stem alone would be ambiguous. That depends on what lies beside the image,
not on which images were asked for, so a later run finds the results of an earlier.
"""

import collections
import dataclasses
import functools
import glob
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from uhseg_jax import images
from uhseg_jax.export import image_files
from uhseg_jax.export.png_files import is_own
from uhseg_jax.types import UInt8

__all__ = ["RunImage", "demo_run_image", "find_run_images"]


@dataclasses.dataclass(frozen=True)
class RunImage:
    """One image of a run.

    Attributes:
      source: its file, or its pixels.
      name: path of its results below the output folder, with ``/`` and no suffix.
      title: what people know it as, the path below the folder that was given.
    """

    source: Path | UInt8[np.ndarray, "H W 3"]
    name: str
    title: str


def demo_run_image() -> RunImage:
    """The photograph that is segmented when none is named."""
    name, pixels = images.demo_image()
    return RunImage(pixels, name, name)


def find_run_images(
    specs: Sequence[images.PathLike], *, output: Path
) -> list[RunImage]:
    """Finds the images of a run and names their results.

    What `png_files.is_own` knows as drawn by an earlier run is no image, and neither is
    anything in an output folder that lies inside a folder searched.

    Args:
      specs: paths, patterns and folders, as `images.find_images` takes them.
      output: the folder that results are written to.

    Returns:
      The images in the order of ``specs``, each file once, under distinct names that
      stay inside the output folder and whose overlays overwrite no image.

    Raises:
      images.ImageError: a spec stands for no image, or two images would be written
        to the same files.
    """
    below: dict[Path, Path] = {}  # absolute path of an image -> path below its root
    for spec in specs:
        root = _root(spec)
        for path in map(_absolute, images.find_images(spec)):
            if not _is_result(path, root, output):
                relative = Path(os.path.relpath(path, root))
                # A pattern such as a*/../../b.jpg leads out of its own root.
                escapes = ".." in relative.parts
                below.setdefault(path, Path(path.name) if escapes else relative)
    if not below:
        raise images.ImageError(
            f"{', '.join(map(str, specs))}: expected images to segment, but those "
            "found were written by uhseg-segment itself; give the folder of the "
            "photographs."
        )
    _tell_namesakes_apart(below, output)
    return [
        RunImage(path, _name(path, relative, output), relative.as_posix())
        for path, relative in below.items()
    ]


def _absolute(path: images.PathLike) -> Path:
    return Path(os.path.abspath(path))


def _root(spec: images.PathLike) -> Path:
    """The folder that names are relative to."""
    path = Path(os.path.expanduser(os.fspath(spec)))
    if path.is_dir():
        return _absolute(path)
    if path.is_file():
        return _absolute(path.parent)
    parts = []
    for part in path.parent.parts:
        if glob.has_magic(part):
            break
        parts.append(part)
    return _absolute(Path(*parts))


def _is_result(path: Path, root: Path, output: Path) -> bool:
    """Whether an image that was found is a product of this command."""
    real = Path(os.path.realpath(output))
    inside = Path(os.path.realpath(root)) in real.parents
    if inside and real in Path(os.path.realpath(path)).parents:
        return True
    return is_own(path)


def _name(path: Path, relative: Path, output: Path) -> str:
    stem = relative.with_suffix("").as_posix()
    ambiguous = (
        relative.suffix.lower() not in images.IMAGE_SUFFIXES
        or _stems(path.parent)[path.stem.casefold()] > 1
        # These endings are those of whole file names and of label maps.
        or stem.lower().endswith((*images.IMAGE_SUFFIXES, ".labels", ".colors"))
    )
    names = [relative.as_posix()] if ambiguous else [stem, relative.as_posix()]
    for name in names:
        if not any(_is_foreign(output / x) for x in image_files(name)):
            return name
    raise images.ImageError(
        f"{path}: its overlay would replace {output / names[-1]}.png, which "
        "uhseg-segment did not draw; give another --output folder."
    )


def _is_foreign(path: Path) -> bool:
    # Unlike `Path.exists`, it says no to names that are too long for a file.
    return os.path.exists(path) and not is_own(path)


@functools.lru_cache(maxsize=64)
def _listed(folder: Path, changed: int) -> "collections.Counter[str]":
    del changed  # part of the key: a folder that has changed is listed again
    return collections.Counter(
        path.stem.casefold()
        for path in folder.iterdir()
        if path.suffix.lower() in images.IMAGE_SUFFIXES and not is_own(path)
    )


def _stems(folder: Path) -> "collections.Counter[str]":
    """How many images in a folder have each stem, case aside."""
    return _listed(folder, folder.stat().st_mtime_ns)


def _tell_namesakes_apart(below: dict[Path, Path], output: Path) -> None:
    """Gives images of one name, from several roots, paths below what they share."""
    groups = _groups(below, output)
    for group in groups:
        shared = os.path.commonpath([path.parent for path in group])
        below.update({path: Path(os.path.relpath(path, shared)) for path in group})
    for first, second, *_ in _groups(below, output) if groups else []:
        raise images.ImageError(
            f"{first} and {second} would be written to the same files; segment them "
            "into different --output folders."
        )


def _groups(below: dict[Path, Path], output: Path) -> list[list[Path]]:
    by_name = collections.defaultdict(list)
    for path, relative in below.items():
        by_name[_name(path, relative, output)].append(path)
    return [group for group in by_name.values() if len(group) > 1]
