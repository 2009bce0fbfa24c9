"""Locks between processes, which the system frees when their holder ends."""

import contextlib
import errno
import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # a system without them
    fcntl = None  # type: ignore[assignment]

__all__ = ["FileLock", "for_a_moment", "keep_trying", "try_lock"]

_STEP = 0.02  # seconds between two tries


class FileLock:
    """A lock on a file, which several processes share or one has alone.

    Where the file system knows no locks, every try succeeds.

    Args:
      path: the file, created if need be, and deleted by the last who closes it if it is
        empty; or a folder.

    Attributes:
      is_alone: whether this process has the lock alone.
      is_real: whether the file system knows locks, as far as was seen.

    Raises:
      FileExistsError: it is neither: a pipe, a device, or a link to a file.
      OSError: it cannot be opened.
    """

    def __init__(self, path: str | os.PathLike[str]):
        self._path = Path(path)
        self._is_folder = self._path.is_dir()
        self._handle: int | None = _open(self._path)
        self.is_alone, self.is_real = False, fcntl is not None

    def try_alone(self) -> bool:
        """Takes the lock alone if no other process has it; gives up a share."""
        return self._try("LOCK_EX")

    def try_shared(self) -> bool:
        """Takes a share of the lock if no other process has it alone.

        A lock held alone becomes shared; another process may have it between the two.
        """
        return self._try("LOCK_SH")

    def close(self) -> None:
        """Frees the lock."""
        if self._handle is None:
            return
        if not self._is_folder and self.try_alone() and self.is_real:
            with contextlib.suppress(OSError):
                if os.fstat(self._handle).st_size == 0:  # else it is of somebody
                    self._path.unlink()
        os.close(self._handle)
        self._handle = None

    def _try(self, kind: str) -> bool:
        assert self._handle is not None
        self.is_alone = False
        try:
            while self.is_real:
                fcntl.flock(self._handle, getattr(fcntl, kind) | fcntl.LOCK_NB)
                if self._is_folder or self._is_there():
                    break
                # Its last holder has deleted the file.
                old, self._handle = self._handle, _open(self._path)
                os.close(old)
        except BlockingIOError:
            return False
        except OSError:
            self.is_real = False
        self.is_alone = kind == "LOCK_EX"
        return True

    def _is_there(self) -> bool:
        """Whether the path still names the file that is open."""
        try:
            return os.path.samestat(os.fstat(self._handle or 0), os.stat(self._path))
        except FileNotFoundError:
            return False


def try_lock(handle: int) -> bool | None:
    """Locks an open file for this process alone, until it is closed.

    Returns:
      Whether nobody else has it; None where the file system knows no locks.
    """
    if fcntl is None:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def keep_trying(attempt: Callable[[], bool], *, patience: float = 10.0) -> bool:
    """Repeats an attempt until it succeeds; False after ``patience`` seconds."""
    deadline = time.monotonic() + patience
    while not (done := attempt()) and time.monotonic() < deadline:
        time.sleep(_STEP)
    return done


@contextlib.contextmanager
def for_a_moment(path: str | os.PathLike[str]) -> Iterator[None]:
    """Has a lock alone while the block runs, for work of milliseconds.

    A holder that keeps it for seconds has been stopped and is waited for no longer.

    Args:
      path: a file or a folder; see `FileLock`.
    """
    lock = FileLock(path)
    try:
        keep_trying(lock.try_alone)
        yield
    finally:
        lock.close()


def _open(path: Path) -> int:
    if path.is_dir():
        return os.open(path, os.O_RDONLY)
    # Neither follows a link, nor waits for the other end of a pipe.
    flags = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | flags, 0o666)
    except PermissionError:
        if not path.is_file():
            raise
        handle = os.open(path, os.O_RDONLY | flags)  # made by another user
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise _no_file(path) from error
        raise
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise _no_file(path)
    return handle


def _no_file(path: Path) -> FileExistsError:
    sentence = "expected an ordinary file for a lock, or none, but this is another kind"
    return FileExistsError(errno.EEXIST, sentence, str(path))
