"""Folders for what is in the making, which no killed process leaves behind for good."""

import contextlib
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from uhseg_jax.locks import FileLock

__all__ = ["scratch_folder", "sweep"]

_PREFIX, _SUFFIX = ".uhseg-", ".scratch"
_STALE_AFTER = 24 * 3600.0  # seconds, where a file system has no locks


@contextlib.contextmanager
def scratch_folder(parent: str | os.PathLike[str] | None = None) -> Iterator[Path]:
    """A folder of our own while the block runs; deleted with all that is in it.

    It is locked as long as it is used. If the process is killed, the system frees the
    lock, and the next scratch folder that is made in the same place, or a `sweep`,
    deletes what was left.

    Args:
      parent: where to make it; None for the folder of temporary files. What is made on
        the same file system can be renamed to its place.

    Raises:
      OSError: it cannot be made there.
    """
    place = Path(parent or tempfile.gettempdir()).absolute()
    sweep(place)
    folder, lock = _locked_folder(place)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        lock.close()


def sweep(parent: str | os.PathLike[str]) -> None:
    """Deletes the scratch folders of processes that were killed.

    Args:
      parent: where they lie; what cannot be deleted stays.
    """
    for left in Path(parent).glob(f"{_PREFIX}*{_SUFFIX}"):
        with contextlib.suppress(OSError):
            found = left.lstat()
            if not stat.S_ISDIR(found.st_mode) or not _is_own(found):
                continue
            lock = FileLock(left)
            try:
                is_old = time.time() - found.st_mtime > _STALE_AFTER
                if lock.try_alone() and (lock.is_real or is_old):
                    shutil.rmtree(left, ignore_errors=True)
            finally:
                lock.close()


def _locked_folder(place: Path) -> tuple[Path, FileLock]:
    while True:
        folder = Path(tempfile.mkdtemp(dir=place, prefix=_PREFIX, suffix=_SUFFIX))
        # Before it is locked, a sweep can take it for one that was left.
        with contextlib.suppress(FileNotFoundError):
            lock = FileLock(folder)
            if lock.try_alone() and folder.is_dir():
                return folder, lock
            lock.close()


def _is_own(found: os.stat_result) -> bool:
    return not hasattr(os, "geteuid") or found.st_uid == os.geteuid()
