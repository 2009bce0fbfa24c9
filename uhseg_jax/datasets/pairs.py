"""Images and masks as pairs of files: found, listed, checked before any is read."""

import collections
import dataclasses
import os
from collections.abc import Callable, Container, Iterable, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from uhseg_jax.datasets.image_files import possible_sizes
from uhseg_jax.datasets.source import DatasetError, reading, stop_at
from uhseg_jax.images import IMAGE_SUFFIXES, open_image

__all__ = [
    "MANY",
    "Pair",
    "find_pairs",
    "first_existing",
    "list_pairs",
    "read_names",
    "require_sizes",
    "select",
]

MANY = 500
"""Number of pairs from which on looking at their files shows its progress."""


@dataclasses.dataclass(frozen=True)
class Pair:
    """An image and its ground truth.

    Attributes:
      name: unique in the dataset, with ``/`` between folders.
      image: the file with the image.
      mask: the file with its ground truth.
      note: what else the dataset says of it, outside of both files.
    """

    name: str
    image: Path
    mask: Path
    note: Any = None


def find_pairs(
    images: Path,
    masks: Path,
    *,
    names: Sequence[str] | None = None,
    image_endings: Sequence[str] = IMAGE_SUFFIXES,
    mask_endings: Sequence[str] = (".png",),
) -> list[Pair]:
    """Pairs the images and masks in two folders and below, by their paths in them.

    Args:
      images: folder of images.
      masks: folder of masks, of the same structure.
      names: the pairs to take, in this order, or their images from the folder; by
        default all, by name. What is not named need not pair.
      image_endings: how names of images end; what comes before it is the pair's name.
      mask_endings: how names of masks end.

    Raises:
      DatasetError: a folder is missing or empty, an image has no mask or a mask no
        image, two files have the same name, or a name is listed twice.
    """
    problems: list[str] = []
    unread: list[str] = []  # places that may hold what is missing
    found_images = _walk(images, image_endings, "images", problems, unread)
    found_masks = _walk(masks, mask_endings, "masks", problems, unread)
    if names is None:
        problems += unread
        names = sorted(found_images.keys() | found_masks.keys())
    names = [_without_ending(x, found_images, image_endings) for x in names]
    for name in names:
        if name not in found_masks:
            problems.append(f"{found_images.get(name, name)}: has no mask in {masks}")
        if name not in found_images:
            problems.append(f"{found_masks.get(name, name)}: has no image in {images}")
    problems += _repeated(names)
    stop_at(
        problems,
        where=f"{images} and {masks}",
        advice="Every image needs a mask of the same name, and every mask an image",
    )
    return [Pair(name, found_images[name], found_masks[name]) for name in names]


def _without_ending(name: str, known: Container[str], endings: Sequence[str]) -> str:
    """The name of a pair where a list has the path of its image."""
    ends = (len(x) for x in endings if name.lower().endswith(x.lower()))
    return next((x for x in (name[:-n] for n in ends) if x in known), name)


def list_pairs(
    names: Iterable[str],
    image: Callable[[str], Path],
    mask: Callable[[str], Path],
    *,
    where: object,
) -> list[Pair]:
    """The pairs of a list, whose files must all be there.

    Args:
      names: names of the pairs, in order.
      image: path of the image of a name.
      mask: path of the mask of a name.
      where: what the list is called in errors.

    Raises:
      DatasetError: files are missing, or a name is listed twice.
    """
    pairs = [Pair(name, image(name), mask(name)) for name in names]
    problems = [
        f"{path}: the {what} is missing"
        for pair in pairs
        for what, path in (("image", pair.image), ("mask", pair.mask))
        if not path.is_file()
    ]
    problems += _repeated([pair.name for pair in pairs])
    stop_at(problems, where=where, advice="Put the files there, or mend the list")
    if not pairs:
        raise DatasetError(f"{where}: the list is empty; name at least one image.")
    return pairs


def read_names(path: str | os.PathLike[str]) -> list[str]:
    """The names in a text file, one a line (the first word), as VOC's ImageSets.

    Raises:
      DatasetError: there is no such file, or it is no text.
    """
    path = Path(path)
    if not path.exists():
        raise DatasetError(
            f"{path}: there is no such list of names; put it there, or leave it out."
        )
    with reading(path, "a text file with one name a line", advice="mend it"):
        lines = path.read_text(encoding="utf-8").splitlines()
    return [line.split()[0] for line in lines if line.strip()]


def select(pairs: Sequence[Pair], names: Sequence[str], *, where: object) -> list[Pair]:
    """The pairs of these names, in the order of the names.

    Raises:
      DatasetError: names stand for no pair, or are given twice.
    """
    by_name = {pair.name: pair for pair in pairs}
    problems = [
        f"{name}: there is no such pair" for name in names if name not in by_name
    ]
    problems += _repeated(names)
    example = f" (for example {pairs[0].name})" if pairs else ""
    stop_at(
        problems,
        where=where,
        advice=f"List names of pairs without suffixes{example}, each once",
    )
    return [by_name[name] for name in names]


def require_sizes(pairs: Sequence[Pair], *, where: object) -> None:
    """Checks from the headers that images and masks have the same size.

    Masks that are no images (.mat files) are left to the one who reads them.

    Raises:
      DatasetError: sizes differ, or a file is no image.
    """
    problems = []
    bar = tqdm(pairs, desc="sizes", unit="image", disable=len(pairs) < MANY or None)
    for pair in bar:
        try:
            sizes = possible_sizes(pair.image)
            if pair.mask.suffix.lower() not in IMAGE_SUFFIXES:
                continue
            with open_image(pair.mask) as mask:
                size = (mask.height, mask.width)
        except DatasetError as error:
            problems.append(str(error))
            continue
        except Exception as error:  # as in possible_sizes
            problems.append(f"{pair.mask}: the mask cannot be read ({error})")
            continue
        if size not in sizes:
            problems.append(
                f"{pair.image}: is {sizes[0][0]} x {sizes[0][1]}, but its mask "
                f"{pair.mask} is {size[0]} x {size[1]}"
            )
    stop_at(problems, where=where, advice="Sizes must agree (height x width)")


def first_existing(root: Path, *candidates: str) -> Path:
    """The first of several paths below a folder that is there, else the first."""
    paths = [root / candidate for candidate in candidates]
    return next((path for path in paths if path.exists()), paths[0])


def _repeated(names: Sequence[str]) -> list[str]:
    """The names that come more than once, as problems."""
    counts = collections.Counter(names)
    return [f"{name}: is listed twice" for name, count in counts.items() if count > 1]


def _walk(
    folder: Path,
    endings: Sequence[str],
    what: str,
    problems: list[str],
    unread: list[str],
) -> dict[str, Path]:
    """Files below a folder by name; two with one name are a problem.

    Folders that cannot be listed and what is no file are added to those unread.
    """
    if not folder.is_dir():
        raise DatasetError(
            f"{folder}: expected a folder of {what}, but there is none; check the path."
        )
    found: dict[str, Path] = {}
    visited: set[str] = set()  # links may lead back up

    def note(error: OSError) -> None:
        unread.append(f"{error.filename}: cannot be listed ({error.strerror})")

    for parent, folders, files in os.walk(folder, followlinks=True, onerror=note):
        if os.path.realpath(parent) in visited:
            folders.clear()
            continue
        visited.add(os.path.realpath(parent))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for file in sorted(files):
            ending = next(
                (x for x in endings if file.lower().endswith(x.lower())), None
            )
            if ending is None or file.startswith("."):
                continue
            path = Path(parent, file)
            if not path.is_file():
                unread.append(f"{path}: is no file, or a link to none")
                continue
            name = path.relative_to(folder).as_posix()[: -len(ending)]
            if name in found:
                problems.append(f"{path}: has the same name as {found[name]}")
            found[name] = path
    if not found and not unread:
        raise DatasetError(
            f"{folder}: expected {what} ({' '.join(endings)}), but found none."
        )
    return found
