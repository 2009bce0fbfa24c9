"""Writing files so that nothing half-written is ever taken for a result."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

__all__ = ["atomic_write"]


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yields a path to write to; renames it to ``path`` when the block succeeds.

    The temporary file lies in the same folder (created if need be), so the rename is
    atomic; if the block raises, the temporary file goes and ``path`` is as it was.

    Raises:
      OSError: the folder cannot be written, or the disk is full; the message names
        ``path``, since the caller knows no temporary name.
    """
    path = Path(path)
    aside = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            dir=path.parent, prefix=f".{path.name}.", suffix=".part"
        )
        os.close(handle)
        aside = Path(name)
        yield aside
        # mkstemp makes private files; results get the permissions of ordinary ones.
        aside.chmod(0o666 & ~_umask())
        os.replace(aside, path)
    except OSError as error:
        if error.filename not in (None, str(aside), str(path.parent)):
            raise
        if error.errno is None:  # of a library such as Pillow, with a text alone
            raise OSError(f"{path}: {error}") from error
        raise type(error)(error.errno, error.strerror, str(path)) from error
    finally:
        if aside is not None:
            aside.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
