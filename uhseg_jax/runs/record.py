"""The record of an output folder: which settings are in force, which files are ours.

``run.json`` is written when its settings come into force, before the first result. It
also lists, by their digests, the files of the run that carry no mark of their own.
"""

import contextlib
import dataclasses
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from uhseg_jax.errors import SentenceError
from uhseg_jax.export.exporter import IsOwn
from uhseg_jax.files import parse_json, sha256_of, write_json
from uhseg_jax.runs.settings import Settings

__all__ = [
    "RECORD",
    "Record",
    "RunError",
    "naming_the_file",
    "obstacle",
    "owns",
    "read_record",
    "sentence_of",
    "unreadable",
    "unwritable",
    "write_record",
]

# What the system says of one name, and not of the disk.
_OF_ONE_FILE = {
    *(errno.EACCES, errno.EEXIST, errno.EILSEQ, errno.EINVAL, errno.EISDIR),
    *(errno.ELOOP, errno.ENAMETOOLONG, errno.ENOTDIR, errno.EPERM),
}

RECORD = "run.json"
_OLD_RECORD = "settings.json"  # of evaluations by older versions
_FILES = "files"  # in the record, beside the settings


class RunError(SentenceError):
    """A run cannot begin or go on."""


@contextlib.contextmanager
def naming_the_file(
    then: str = "what is finished stays, and the same command goes on",
) -> Iterator[None]:
    """Turns errors of writing into sentences.

    Args:
      then: what holds afterwards.

    Raises:
      RunError: in place of an OSError.
    """
    try:
        yield
    except OSError as error:
        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, None)
        raise RunError(
            f"{error.filename or 'Some file'}: expected to write it, but the system "
            f"says: {error.strerror or error}. "
            f"{'Free some space, or give' if is_full else 'Give'} another --output "
            f"folder; {then}."
        ) from error


@dataclasses.dataclass(frozen=True)
class Record:
    """What ``run.json`` holds.

    Attributes:
      settings: in force in the folder.
      files: digests of files that runs wrote, by their names.
      is_old: whether an older version wrote it, which recorded no files.
    """

    settings: Settings
    files: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    is_old: bool = False

    def is_of(self, settings: Settings) -> bool:
        """Whether results of these settings can be in the folder."""
        return not self.is_old and self.settings == settings


def read_record(output: Path, *, strict: bool) -> Record | None:
    """What is recorded in a folder; None if there is nothing.

    Raises:
      RunError: if ``strict``, the file holds something else.
    """
    for path in (output / RECORD, output / _OLD_RECORD):
        if not path.is_file():
            if os.path.lexists(path) and path.name == RECORD:
                kind = "a folder" if path.is_dir() else "no ordinary file"
                raise RunError(
                    f"{path}: expected the settings of a run, but this is {kind}; "
                    "rename it, or give another --output folder."
                )
            continue
        if record := _parsed(path.read_bytes()):
            return record
        if strict and path.name == RECORD:
            raise RunError(
                f"{path}: expected the settings of a run, but the file holds something "
                "else; give another --output folder, or replace it with --overwrite."
            )
    return None


def _parsed(content: bytes) -> Record | None:
    """The record that a file holds; None if it holds something else."""
    try:
        found = parse_json(content)
    except ValueError:
        return None
    if not isinstance(found, dict) or "weights_sha256" not in found:
        return None
    if not isinstance(found.get("kind", ""), str):
        return None
    if _FILES not in found:
        return Record(found, is_old=True)
    files = found.pop(_FILES)
    return Record(found, files) if _are_files(files) else None


def _are_files(value: Any) -> bool:
    """Whether these are digests of files by their names below a folder."""
    return isinstance(value, dict) and all(
        isinstance(digests, list)
        and all(isinstance(x, str) for x in digests)
        and not os.path.isabs(name)
        and ".." not in Path(name).parts
        for name, digests in value.items()
    )


def write_record(output: Path, record: Record, *, replace: bool = True) -> None:
    """Writes what is recorded in a folder; see `files.write_json`."""
    value = {**record.settings, _FILES: record.files}
    write_json(output / RECORD, value, replace=replace)


def owns(output: Path, name: str) -> bool:
    """Whether a file below an output folder is as a `claims.Claim` wrote it."""
    record = read_record(output, strict=False)
    known = record.files.get(name, []) if record else []
    path = output / name
    try:
        return bool(known) and path.is_file() and sha256_of(path) in known
    except OSError:
        return False


def obstacle(
    output: Path,
    path: Path,
    is_own: IsOwn | None = None,
    *,
    overwrite: bool = False,
) -> str:
    """Why a run may not write a file where something is already.

    It may replace what a run wrote and what is empty, as files can be after a loss of
    power; with ``overwrite`` any other file, but never a folder.

    Args:
      output: the folder of the run.
      path: the file, in it or below.
      is_own: whether a file carries the mark of a run; those of a `claims.Claim` that
        carry none are known as well.
      overwrite: whether files that no run wrote are replaced.

    Returns:
      A sentence; empty if it may.
    """
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return ""
    except OSError as error:
        return unwritable(path, error)
    if path.is_dir():
        return (
            f"{path}: expected a file of the run or nothing, but this is a folder; "
            "rename it, or give another --output folder."
        )
    is_empty = stat.S_ISREG(found.st_mode) and found.st_size == 0
    if overwrite or is_empty or (is_own is not None and is_own(path)):
        return ""
    if owns(output, path.relative_to(output).as_posix()):
        return ""
    return (
        f"{path}: the file is there, but no run wrote it as it is; rename it, give "
        "another --output folder, or replace it with --overwrite."
    )


def unwritable(path: Path, error: OSError) -> str:
    """Why a file of an image cannot be written, as the system says."""
    if error.errno == errno.ENAMETOOLONG:
        return f"{path}: the name is too long for a file; rename the image."
    return (
        f"{path}: expected to write it, but the system says: {error.strerror}; give "
        "another --output folder."
    )


def unreadable(path: Path, error: OSError) -> str:
    """Why a file cannot be read, as the system says."""
    return f"{error.filename or path}: cannot be read ({error.strerror or error})."


def sentence_of(error: Exception) -> str:
    """Why an image cannot have its files; raises what says more than that."""
    if not isinstance(error, OSError):
        return str(error)
    if error.errno not in _OF_ONE_FILE or error.filename is None:
        raise error
    return unwritable(Path(error.filename), error)
