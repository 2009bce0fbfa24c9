"""Images that a text file lists, one path a line."""

import dataclasses
import os
from pathlib import Path

from uhseg_jax.files import expand_home
from uhseg_jax.images import ImageError

__all__ = ["ImageList", "read_list"]


@dataclasses.dataclass(frozen=True)
class ImageList:
    """What a list names.

    Attributes:
      paths: the files, in order.
      roots: of files below the folder of the list that folder, by which they are named.
      problems: sentences on lines that name no file.
    """

    paths: tuple[Path, ...] = ()
    roots: dict[Path, Path] = dataclasses.field(default_factory=dict)
    problems: tuple[str, ...] = ()


def read_list(path: str | os.PathLike[str]) -> ImageList:
    """Reads a list of images.

    Args:
      path: a text file with one path a line, from the folder of the list. Empty lines
        count for nothing, nor do those with "# " first that name no file.

    Raises:
      images.ImageError: there is no such file, it is no text, or it names no image.
    """
    try:
        content = expand_home(path).read_bytes()
    except OSError as error:
        raise ImageError(
            f"{path}: expected a list of images, but it cannot be read "
            f"({error.strerror or error}); check the path."
        ) from error
    if b"\0" in content:
        raise ImageError(
            f"{path}: expected a text file with one path of an image a line, but this "
            "is none; give it as an image, without --list, if it is one."
        )
    text = content.decode("utf-8-sig", errors="surrogateescape")
    folder = Path(os.path.abspath(expand_home(path).parent))
    paths, problems = [], []
    for number, line in enumerate(text.split("\n"), start=1):
        if not (name := line.strip()):
            continue
        found = Path(os.path.abspath(folder / expand_home(name)))
        if os.path.isfile(found):  # not for names that cannot be
            paths.append(found)
        elif not f"{name} ".startswith("# "):
            kind = (
                "this is a folder" if os.path.isdir(found) else "there is no such file"
            )
            problems.append(
                f"{path}, line {number}: expected the path of an image, from the "
                f"folder of the list, but {kind}: {name}."
            )
    if not paths:
        first = f" {problems[0]}" if problems else ""
        raise ImageError(
            f"{path}: expected paths of images, one a line, but there are none.{first}"
        )
    roots = {x: folder for x in paths if x.is_relative_to(folder)}
    return ImageList(tuple(paths), roots, tuple(problems))
