"""Writing files so that nothing half-written is ever taken for a result."""

import contextlib
import hashlib
import json
import os
import re
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from uhseg_jax.locks import try_lock

__all__ = [
    "STALE_AFTER",
    "atomic_write",
    "expand_home",
    "parse_json",
    "remove_open_parts",
    "remove_parts",
    "sha256_of",
    "write_json",
]

STALE_AFTER = 3600.0  # seconds; files being written change more often than that

# Short, so that every name which the file itself can have works aside as well.
_PREFIX, _SUFFIX = ".uhseg-", ".part"
_PART = re.compile(r"\.uhseg-\w{8}\.part")
_open_parts: set[Path] = set()  # being written by this process


@contextlib.contextmanager
def atomic_write(
    path: str | os.PathLike[str], *, replace: bool = True, durable: bool = True
) -> Iterator[Path]:
    """Yields a path to write to; renames it to ``path`` when the block succeeds.

    The temporary file lies in the same folder (created if need be), so the rename is
    atomic; if the block raises, the temporary file goes and ``path`` is as it was. It
    is locked meanwhile, so `remove_parts` knows it from what a killed process left.

    Args:
      path: the file to write.
      replace: False: a file that is there under that name stays, also one that another
        process has written meanwhile.
      durable: False: it may be lost with the power of the machine; for files that can
        be made again.

    Raises:
      OSError: the folder cannot be written, or the disk is full; the message names
        ``path``, since the caller knows no temporary name.
    """
    path = Path(path)
    aside, handle = None, None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, aside = _locked_part(path.parent)
        _open_parts.add(aside)
        yield aside
        # mkstemp makes private files; results get the permissions of ordinary ones.
        aside.chmod(0o666 & ~_umask())
        if durable:
            # After a power loss a name without content could be taken for a result.
            os.fsync(handle)
        if replace:
            os.replace(aside, path)
        else:
            _rename_if_absent(aside, path)
    except OSError as error:
        is_part = _PART.fullmatch(os.path.basename(str(error.filename)))
        if error.filename not in (None, str(path.parent)) and not is_part:
            raise
        if error.errno is None:  # of a library such as Pillow, with a text alone
            raise OSError(f"{path}: {error}") from error
        raise type(error)(error.errno, error.strerror, str(path)) from error
    finally:
        if aside is not None:
            aside.unlink(missing_ok=True)
            _open_parts.discard(aside)
        if handle is not None:
            os.close(handle)  # frees the lock


def write_json(
    path: str | os.PathLike[str], value: Any, *, replace: bool = True
) -> None:
    """Writes a value as indented JSON; see `atomic_write`."""
    with atomic_write(path, replace=replace) as aside:
        aside.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def expand_home(path: str | os.PathLike[str]) -> Path:
    """A path with the home folder in place of ``~``.

    Raises:
      FileNotFoundError: the system knows no such home, as in containers without HOME; a
        folder called "~" is never meant.
    """
    expanded = os.path.expanduser(path)
    if expanded.startswith("~"):
        raise FileNotFoundError(
            f"{path}: expected a home folder to be known, but HOME is not set, or "
            "there is no such user; give another path (for the folder of weights "
            "--checkpoint_dir or UHSEG_CACHE)."
        )
    return Path(expanded)


def remove_open_parts() -> None:
    """Deletes what this process is writing, before it ends without more ado."""
    for part in tuple(_open_parts):
        with contextlib.suppress(OSError):
            part.unlink()


def parse_json(text: str | bytes) -> Any:
    """The value that a text of unknown origin holds as JSON.

    Raises:
      ValueError: it is no JSON, or nested deeper than Python can read.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("expected JSON, but it is nested too deeply.") from error


def remove_parts(folder: Path, *, age: float, beside: str) -> None:
    """Deletes what processes that were killed left half-written.

    What a process is writing is locked, and stays. Where the file system has no locks,
    so does what has changed within the hour.

    Args:
      folder: searched with those below it.
      age: seconds for which a file must not have changed in any case.
      beside: name of a file; folders below that hold one are left alone.
    """
    for parent, folders, names in os.walk(folder):
        if beside in names and parent != str(folder):
            folders.clear()
            continue
        for name in filter(_PART.fullmatch, names):
            with contextlib.suppress(OSError):
                _remove_if_left(Path(parent, name), age)


def sha256_of(path: str | os.PathLike[str]) -> str:
    """The SHA-256 digest of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _locked_part(folder: Path) -> tuple[int, Path]:
    while True:
        handle, name = tempfile.mkstemp(dir=folder, prefix=_PREFIX, suffix=_SUFFIX)
        # Before it is locked, another process can take it for one that was left.
        if try_lock(handle) is not False and os.path.exists(name):
            return handle, Path(name)
        os.close(handle)


def _remove_if_left(part: Path, age: float) -> None:
    if not stat.S_ISREG(part.lstat().st_mode):
        return
    handle = os.open(part, os.O_RDWR)  # some file systems lock only what is written
    try:
        is_free = try_lock(handle)
        age = max(age, STALE_AFTER) if is_free is None else age
        if is_free is not False and time.time() - os.fstat(handle).st_mtime >= age:
            part.unlink()
    finally:
        os.close(handle)


def _rename_if_absent(aside: Path, path: Path) -> None:
    try:
        os.link(aside, path)  # unlike a rename, it fails where the name is taken
    except FileExistsError:
        pass
    except OSError:  # a file system without links
        if not path.exists():
            os.replace(aside, path)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
