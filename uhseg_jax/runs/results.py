"""Finished results: the trees that a run or `RegionTree.save` left in files.

A tree's file says what its image is called and where it was, so that what needs the
image finds it. An image counts if its bytes are those that were segmented.
"""

import contextlib
import dataclasses
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from uhseg_jax import export
from uhseg_jax.export.npz import Saved, look_up, read_saved
from uhseg_jax.files import expand_home
from uhseg_jax.hierarchy.descriptors.descriptor_file import beside
from uhseg_jax.hierarchy.tree import TreeFileError
from uhseg_jax.images import DEFAULT_MEMORY, ImageError, natural_order
from uhseg_jax.runs.images import RunImage
from uhseg_jax.runs.record import RECORD, RunError, read_record, unreadable
from uhseg_jax.runs.result_images import Places, run_folder
from uhseg_jax.types import UInt8

__all__ = ["FoundResult", "FoundResults", "find_results"]

_SUFFIX = ".npz"


@dataclasses.dataclass(frozen=True)
class FoundResult:
    """A tree in a file.

    Attributes:
      path: the file.
      name: what the files made of it are called, a path with ``/`` and no suffix.
      saved: what the file says of it.
      title: what people know the image as.
      images: where its image may be, the likeliest first.
    """

    path: Path
    name: str
    saved: Saved
    title: str
    images: tuple[RunImage, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of its arrays, nearly."""
        height, width = self.saved.size
        return 12 * height * width

    def read(
        self, *, pixels: bool, descriptors: bool = False, instead: str = ""
    ) -> export.Result:
        """The result.

        Args:
          pixels: read the image too.
          descriptors: those of its regions too, if they are there.
          instead: what one may do where the image cannot be had, for the message.

        Raises:
          ImageError: it is not there, or not the one that was segmented.
          TreeFileError: the file is damaged.
          ValueError: tree and image do not match.
          OSError: the file cannot be read.
        """
        image = self._image(instead) if pixels else None
        result = read_saved(self.path, self.name, self.title, image)
        if not descriptors:
            return result
        found = export.read_descriptors(beside(self.path), result)
        return dataclasses.replace(result, descriptors=found)

    def place_from(self, folder: Path) -> str:
        """Path of its image from a folder, with ``/``; empty if it is not there."""
        paths = (x.source for x in self.images if isinstance(x.source, Path))
        found = next((x for x in paths if os.path.isfile(x)), None)
        return "" if found is None else Path(os.path.relpath(found, folder)).as_posix()

    def _image(self, instead: str) -> UInt8[np.ndarray, "H W 3"]:
        made_of = self.saved.provenance
        others: list[str] = []
        damaged: list[ImageError] = []
        for one in self.images:
            if isinstance(one.source, Path) and not os.path.isfile(one.source):
                continue
            try:
                pixels, digest = one.read()
            except ImageError as error:
                damaged.append(error)
                continue
            if made_of is None or digest == made_of.source:
                return pixels
            others.append(str(one.source))
        if damaged:
            raise damaged[0]
        advice = "name the folder of the images with --images"
        advice += f", or {instead}." if instead else "."
        if not others:
            raise ImageError(
                f"{self.title}: expected its image where {self.path} says, but it is "
                f"not there; {advice}"
            )
        raise ImageError(
            f"{self.title}: expected the image that was segmented, but "
            f"{' and '.join(others)} {'has' if len(others) == 1 else 'have'} other "
            f"bytes; segment it again, or {advice}"
        )


@dataclasses.dataclass(frozen=True)
class FoundResults:
    """Finished results, and what the search met beside them.

    Attributes:
      results: in natural order, under distinct names.
      problems: sentences on files that hold no tree.
    """

    results: tuple[FoundResult, ...]
    problems: tuple[str, ...] = ()

    def only(self, titles: Collection[str]) -> "FoundResults":
        """Those of some images; others that are not found become problems.

        Raises:
          RunError: not one is found.
        """
        results = tuple(x for x in self.results if x.title in titles)
        known = {x.title for x in results}
        missing = [x for x in titles if x not in known]
        if not results:
            raise RunError(
                f"expected results of the images selected, {', '.join(missing[:3])}, "
                f"but there are only others, such as {self.results[0].title}; name the "
                "results that index.html was written with."
            )
        more = (
            f"{x}: regions of it were selected, but there is no result of it."
            for x in missing
        )
        return FoundResults(results, (*self.problems, *more))

    @property
    def num_categories(self) -> int | None:
        """The highest category in the runs of the results; None if these have none."""
        counts = [x.saved.num_categories for x in self.results]
        most = max((x for x in counts if x is not None), default=None)
        if most is None:
            return None
        runs = {run_folder(x.path.parent) for x in self.results}
        known = {x.path for x in self.results}
        return max(most, *(_most_categories(run, known) for run in runs))


def find_results(
    specs: Sequence[str | os.PathLike[str]],
    *,
    images: str | os.PathLike[str] | None = None,
    max_bytes: int = DEFAULT_MEMORY,
) -> FoundResults:
    """Finds the results in folders, those below included, or in files.

    Args:
      specs: folders and npz files.
      images: a folder where images are looked for before the places that the results
        name.
      max_bytes: memory that decoding one image may take.

    Raises:
      RunError: one of ``specs`` holds no result.
      ImageError: there is no image below ``images``.
    """
    names: dict[Path, str] = {}
    trees: dict[Path, Saved] = {}
    problems: list[str] = []
    for spec in map(expand_home, specs):
        is_known = False
        for path, name in _files(spec, problems):
            try:
                saved = trees.get(path) or look_up(path)
            except TreeFileError as error:
                problems.append(str(error))
                is_known = True
                continue
            except OSError as error:
                problems.append(unreadable(path, error))
                is_known = True
                continue
            if saved is not None:
                names.setdefault(path, name)
                trees[path], is_known = saved, True
        if not is_known:
            raise RunError(_without_trees(spec))
    if not trees:
        raise RunError("\n".join(problems))
    names = _distinct(names)
    places = Places(None if images is None else expand_home(images), max_bytes)
    results = []
    for path in sorted(names, key=lambda x: natural_order(names[x])):
        name, saved = names[path], trees[path]
        where = places.images(path, name, saved)
        title = next(filter(None, [saved.title, *(x.title for x in where), name]))
        results.append(FoundResult(path, name, saved, title, where))
    return FoundResults(tuple(results), tuple(problems))


def _files(spec: Path, problems: list[str]) -> Iterator[tuple[Path, str]]:
    """The npz files of a file or a folder, and their names below it."""
    top = Path(os.path.abspath(spec))
    is_file = os.path.isfile(top)  # False for a name that cannot be, too
    if is_file and top.suffix.lower() != _SUFFIX:
        raise RunError(
            f"{spec}: expected the results of uhseg-segment, a folder or npz files, "
            "but this is a file of another kind; name the --output folder of a run."
        )
    if is_file:
        yield top, top.name.removesuffix(_SUFFIX)
        return
    if not os.path.isdir(top):
        raise RunError(
            f"{spec}: expected the results of uhseg-segment, a folder or npz files, "
            "but there is no such file."
        )

    def note(error: OSError) -> None:
        problems.append(f"{error.filename}: cannot be searched ({error.strerror}).")

    for parent, _, files in os.walk(top, onerror=note):
        for path in (Path(parent, x) for x in files if x.endswith(_SUFFIX)):
            if path.is_file():
                yield path, path.relative_to(top).as_posix().removesuffix(_SUFFIX)


def _without_trees(spec: Path) -> str:
    """Why nothing can be made of a file or a folder."""
    if spec.is_file():
        return (
            f"{spec}: expected a saved tree (npz), but the file holds something else."
        )
    record = read_record(spec, strict=False)
    if record is not None and record.settings.get("kind") == "evaluate":
        return (
            f"{spec}: expected the results of uhseg-segment, but these are of "
            "uhseg-evaluate, which keeps no trees; segment the images."
        )
    if record is not None:
        return (
            f"{spec}: expected trees (npz), but the run left none; run uhseg-segment "
            "again with npz among its --format."
        )
    return (
        f"{spec}: expected the results of uhseg-segment, but the folder holds no trees "
        "(npz); name the --output folder of a run."
    )


def _distinct(names: Mapping[Path, str]) -> dict[Path, str]:
    """Names that no two files have: where some do, from the folder that all share."""
    if len({*names.values()}) == len(names):
        return dict(names)
    top = os.path.commonpath([path.parent for path in names])
    return {x: x.relative_to(top).as_posix().removesuffix(_SUFFIX) for x in names}


def _most_categories(run: Path, known: Collection[Path]) -> int:
    """The highest category in other results of a run; 0 if there is none."""
    most = 0
    if (run / RECORD).is_file():
        for path in (x for x, _ in _files(run, []) if x not in known):
            with contextlib.suppress(TreeFileError, OSError):
                saved = look_up(path)
                most = max(most, (saved and saved.num_categories) or 0)
    return most
