"""Arrays of the parts of a long computation, kept in a folder so that it can go on.

A part is a frame of a clip or a tile of a scan. What is damaged or half-written counts
as not there, and is computed again.
"""

import shutil
import zipfile
import zlib
from pathlib import Path

import numpy as np

from uhseg_jax.files import atomic_write

__all__ = ["Parts", "read_arrays", "write_arrays"]


class Parts:
    """The parts of one computation.

    Args:
      folder: for their files, of this computation alone: its name should hold a digest
        of all that the parts depend on. Created when something is put there.
    """

    def __init__(self, folder: Path):
        self.folder = folder

    def get(self, name: str) -> dict[str, np.ndarray] | None:
        """The arrays of a part; None if it is to be computed."""
        return read_arrays(self._path(name))

    def has(self, name: str) -> bool:
        """Whether there is a file of a part, whole or damaged."""
        return self._path(name).is_file()

    def put(self, name: str, **arrays: np.ndarray) -> None:
        """Keeps the arrays of a part.

        Raises:
          OSError: they cannot be written; the message names the file.
        """
        write_arrays(self._path(name), **arrays)

    def remove(self) -> None:
        """Deletes all parts, when nothing needs them any more."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.npz"


def write_arrays(path: Path, **arrays: np.ndarray) -> None:
    """Writes an npz aside and renames it.

    Raises:
      OSError: it cannot be written; the message names it.
    """
    with atomic_write(path) as aside, open(aside, "wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def read_arrays(path: Path, only: str | None = None) -> dict[str, np.ndarray] | None:
    """The arrays of an npz; None if it is not there, damaged or something else.

    Args:
      path: the file.
      only: name of one array, which must be there; the others are not read.
    """
    try:
        with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as file:
            return {name: file[name] for name in ([only] if only else file.files)}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        return None
