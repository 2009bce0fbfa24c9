"""Which images a run is over, and what their results are called.

A result is named after the image's path below the folder that was given, without its
suffix: ``photos/sub/a.jpg`` of ``photos`` gives ``sub/a``. The whole file name is kept
where the stem alone would be ambiguous, and where the results lie in the image's own
folder. That depends on what lies beside the image and on where the results go, neither
on which images were asked for nor on what results are there, so shards agree and a
later run finds the results of an earlier.
"""

import collections
import contextlib
import dataclasses
import functools
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from uhseg_jax import images
from uhseg_jax.export import EXPORTERS, image_files, result_files
from uhseg_jax.export.png_files import is_own
from uhseg_jax.features import FeatureFolder
from uhseg_jax.runs.claims import LOCK
from uhseg_jax.runs.record import RECORD
from uhseg_jax.types import UInt8

__all__ = ["Decoding", "FoundImages", "RunImage", "demo_run_image", "find_run_images"]

# Files of the run as a whole, where no folder for results can be; case aside.
_RESERVED = {RECORD, LOCK}.union(
    *(x.patterns for x in EXPORTERS.values() if not x.per_image)
)

# What files of results end in beside the one suffix of an image: ".labels" and others.
_ENDINGS = {
    Path(pattern.replace("{name}", "a")).stem[1:]
    for exporter in EXPORTERS.values()
    if exporter.per_image
    for pattern in exporter.patterns
} - {""}


@dataclasses.dataclass(frozen=True)
class Decoding:
    """How the image files of a run are decoded; see `images.read_image`.

    Attributes:
      max_bytes: memory that one of them may take.
      bands: numbers of the bands that are its colours; None for the usual ones.
    """

    max_bytes: int = images.DEFAULT_MEMORY
    bands: tuple[int, ...] | None = None


@dataclasses.dataclass(frozen=True)
class RunImage:
    """One image of a run.

    Attributes:
      source: its file, or its pixels.
      name: path of its results below the output folder, with ``/`` and no suffix.
      title: what people know it as, the path below the folder that was given.
      problem: a sentence on why it can have no result; empty if it can.
      decoding: how its file is decoded.
      place: path of its file from the output folder, with ``/``; empty if it has none.
      features: where features of one's own are, under the title; None where a backbone
        gives them.
    """

    source: Path | UInt8[np.ndarray, "H W 3"]
    name: str
    title: str
    problem: str = ""
    decoding: Decoding = Decoding()
    place: str = ""
    features: FeatureFolder | None = None

    def features_digest(self) -> str:
        """A digest of the file with features of one's own; empty if a backbone's count.

        Raises:
          images.ImageError: there is none, or it cannot be read.
        """
        return "" if self.features is None else self.features.digest(self.title)

    def read(self) -> tuple[UInt8[np.ndarray, "H W 3"], str]:
        """The pixels, and a digest of the very bytes that they were decoded from.

        Raises:
          images.ImageError: it cannot be read, has a problem, or is not what it was
            when its `identity` was looked up.
        """
        with self._enough_memory():
            content = self._content()
            digest = _digest(content)
            if vars(self).get("identity", digest) != digest:
                raise images.ImageError(
                    f"{self.source}: the image changed while the run was going on; "
                    "run again when it is as it should be."
                )
            if isinstance(content, bytes):
                options = dataclasses.asdict(self.decoding)
                content = images.read_image(content, name=str(self.source), **options)
        return content, digest

    @functools.cached_property
    def identity(self) -> str:
        """The digest alone, and "absent" where the file cannot be had.

        Looked up once. From then on `read` refuses other bytes, so that all passes of a
        run are over the same image.
        """
        try:
            with self._enough_memory():
                return _digest(self._content())
        except images.ImageError:
            return "absent"

    def _content(self) -> bytes | UInt8[np.ndarray, "H W 3"]:
        if self.problem:
            raise images.ImageError(self.problem)
        if isinstance(self.source, Path):
            return images.read_file(self.source, max_bytes=self.decoding.max_bytes)
        return self.source

    @contextlib.contextmanager
    def _enough_memory(self) -> Iterator[None]:
        try:
            yield
        except MemoryError as error:
            raise images.ImageError(
                f"{self.title}: too large for the memory there is."
            ) from error


def _digest(content: bytes | UInt8[np.ndarray, "H W 3"]) -> str:
    if isinstance(content, np.ndarray):
        content = repr(content.shape).encode() + content.tobytes()
    return hashlib.sha256(content).hexdigest()


@dataclasses.dataclass(frozen=True)
class FoundImages:
    """The images of a run, and what the search met beside them.

    Attributes:
      images: in the order in which they were asked for, under distinct names.
      problems: sentences on places that could not be searched.
      notes: sentences on what was left out.
    """

    images: tuple[RunImage, ...]
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def demo_run_image() -> RunImage:
    """The photograph that is segmented when none is named."""
    name, pixels = images.demo_image()
    return RunImage(pixels, name, name)


def find_run_images(
    specs: Sequence[images.PathLike],
    *,
    output: Path,
    decoding: Decoding = Decoding(),
    roots: Mapping[Path, Path] | None = None,
) -> FoundImages:
    """Finds the images of a run and names their results.

    What `png_files.is_own` knows as drawn by an earlier run is no image, wherever it
    lies. An image that can have no result of its own is listed with its problem.

    Args:
      specs: paths, patterns and folders, as `images.search` takes them.
      output: the folder that results are written to.
      decoding: how the files are decoded.
      roots: folders below which files are named, where these are not those that
        `images.search` says; both absolute.

    Returns:
      The images in the order of ``specs``, each file once. Their names stay inside the
      output folder, and their overlays overwrite no image.

    Raises:
      images.ImageError: a spec stands for no image.
    """
    found = images.search(specs)
    below: dict[Path, Path] = {}  # absolute path of an image -> path below its root
    for path, root in zip(map(_absolute, found.paths), found.roots, strict=True):
        if not is_own(path):
            root = (roots or {}).get(path, root)
            relative = Path(os.path.relpath(path, root))
            # A pattern such as a*/../../b.jpg leads out of its own root.
            escapes = ".." in relative.parts
            below[path] = Path(path.name) if escapes else relative
    if not below:
        raise images.ImageError(
            f"{', '.join(map(str, specs))}: expected images to segment, but those "
            "found were written by uhseg-segment itself; give the folder of the "
            "photographs."
        )
    real = functools.cache(os.path.realpath)  # of folders, which are few

    def name_of(path: Path) -> str:
        relative = below[path]
        is_beside = real(output / relative.parent) == real(path.parent)
        return relative.as_posix() if is_beside else _name(path, relative)

    _tell_namesakes_apart(below, name_of)
    names = {path: name_of(path) for path in below}
    problems = dict(_problems(names, output, real))
    begin = os.path.realpath(output)
    found_images = tuple(
        RunImage(
            path,
            names[path],
            relative.as_posix(),
            problems.get(path, ""),
            decoding,
            place=_place(path, begin),
        )
        for path, relative in below.items()
    )
    return FoundImages(found_images, found.problems, found.notes)


def _absolute(path: images.PathLike) -> Path:
    return Path(os.path.abspath(path))


def _place(path: Path, begin: str) -> str:
    """The way to an image from a folder."""
    try:
        return Path(os.path.relpath(path, begin)).as_posix()
    except ValueError:  # on another drive
        return path.as_posix()


def _name(path: Path, relative: Path) -> str:
    stem = relative.with_suffix("").as_posix()
    is_ambiguous = (
        relative.suffix.lower() not in images.IMAGE_SUFFIXES
        or _stems(path.parent)[path.stem.casefold()] > 1
        # The first are of whole file names, the others of label maps and their like.
        or stem.lower().endswith((*images.IMAGE_SUFFIXES, *_ENDINGS))
    )
    return relative.as_posix() if is_ambiguous else stem


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
    try:
        return _listed(folder, folder.stat().st_mtime_ns)
    except OSError:  # it may be entered, but not listed
        return collections.Counter()


def _tell_namesakes_apart(
    below: dict[Path, Path], name_of: Callable[[Path], str]
) -> None:
    """Gives images of one name, from several roots, paths below what they share."""
    by_name = collections.defaultdict(list)
    for path in below:
        by_name[name_of(path)].append(path)
    for group in by_name.values():
        if len(group) > 1:
            shared = os.path.commonpath([path.parent for path in group])
            below |= {path: Path(os.path.relpath(path, shared)) for path in group}


def _problems(
    names: dict[Path, str], output: Path, real: Callable[[Path], str]
) -> Iterator[tuple[Path, str]]:
    """The images that can have no result, with sentences on why."""
    per_image = [name for name, x in EXPORTERS.items() if x.per_image and x.in_runs]
    folders = {x for name in names.values() for x in Path(name).parents}
    photographs = {(real(path.parent), path.name): path for path in names}
    taken: dict[str, Path] = {}
    for path, name in names.items():
        drawings = map(output.joinpath, image_files(name))
        places = [(real(x.parent), x.name) for x in drawings]
        first = taken.setdefault(name, path)
        files = set(result_files(per_image, [name]))
        above = {x.as_posix() for x in Path(name).parents}
        reserved = next((x for x in above if x.casefold() in _RESERVED), "")
        if first != path:
            yield (
                path,
                f"{path}: its results would be written to the same files as those of "
                f"{first}; segment them into different --output folders.",
            )
        elif reserved:
            yield (
                path,
                f"{path}: its results would lie in a folder {reserved}, which is the "
                "name of a file of the run; rename the folder, or give the images in "
                "it alone.",
            )
        elif files & folders:
            yield (
                path,
                f"{path}: its results would be called {min(files & folders)}, as the "
                "folder for those of other images is; rename the image or the folder.",
            )
        elif replaced := next(filter(None, map(photographs.get, places)), None):
            yield (
                path,
                f"{path}: its overlay would replace {replaced}; give another --output "
                "folder.",
            )
