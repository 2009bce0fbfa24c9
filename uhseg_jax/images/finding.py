"""Finding image files by path, folder or pattern."""

import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from uhseg_jax.images.reading import ImageError, PathLike

__all__ = ["IMAGE_SUFFIXES", "find_images"]

IMAGE_SUFFIXES = (
    *(".avif", ".bmp", ".dib", ".gif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg"),
    *(".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tga", ".tif", ".tiff", ".webp"),
)


def find_images(spec: PathLike | Sequence[PathLike]) -> list[Path]:
    """Lists the image files that paths, patterns and folders stand for.

    A file is taken whatever its suffix; a folder gives the images in it and below it,
    sorted, hidden ones left out; a pattern (``*``, ``**``, ``?``, ``[...]``) gives the
    images that match, sorted. Images are known by suffix (`IMAGE_SUFFIXES`).
    ``~`` is the home folder.

    Args:
      spec: one path, pattern or folder, or several, in the order wanted.

    Returns:
      The files without repetition, in the order of ``spec``.

    Raises:
      ImageError: one of them stands for no image.
    """
    specs = [spec] if isinstance(spec, (str, os.PathLike)) else list(spec)
    if not specs:
        raise ImageError(
            "expected at least one image, folder or pattern, but got none; "
            "for example photo.jpg, photos/ or 'photos/*.jpg'."
        )
    return list(dict.fromkeys(path for one in specs for path in _find(one)))


def _find(spec: PathLike) -> list[Path]:
    name = os.path.expanduser(os.fspath(spec))
    if os.path.isfile(name):  # also one with pattern characters in its name
        return [Path(name)]
    if os.path.isdir(name):
        paths = sorted(_walk(name))
        found = "is a folder without images"
    elif glob.has_magic(name):
        matches = glob.glob(name, recursive=True)
        paths = sorted(Path(x) for x in matches if _is_image(x))
        found = "is a pattern that matches no image"
    else:
        raise ImageError(
            f"{name}: there is no such file or folder; check the spelling."
        )
    if not paths:
        raise ImageError(
            f"{name}: expected images ({' '.join(IMAGE_SUFFIXES)}), but "
            f"this {found}; give another folder or pattern, or name the files."
        )
    return paths


def _walk(folder: str) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise ImageError(
            f"{error.filename}: the folder cannot be listed ({error.strerror}); "
            "change its permissions or give another."
        ) from error

    for parent, folders, files in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if not name.startswith(".") and _is_image(os.path.join(parent, name)):
                yield Path(parent, name)


def _is_image(path: str) -> bool:
    return Path(path).suffix.lower() in IMAGE_SUFFIXES and os.path.isfile(path)
