"""The record of an output folder: which settings are in force, which files are ours.

``run.json`` is written when its settings come into force, before the first result. It
also lists, by their digests, the files of the run that carry no mark of their own.
"""

import contextlib
import dataclasses
import errno
from collections.abc import Iterator
from pathlib import Path

from uhseg_jax.files import parse_json, sha256_of, write_json
from uhseg_jax.runs.settings import Settings

__all__ = [
    "RECORD",
    "Record",
    "RunError",
    "foreign",
    "naming_the_file",
    "owns",
    "read_record",
    "write_record",
]

RECORD = "run.json"
_OLD_RECORD = "settings.json"  # of evaluations by older versions
_FILES = "files"  # in the record, beside the settings


class RunError(RuntimeError):
    """A run cannot begin or go on; the message says why and what to do."""


@contextlib.contextmanager
def naming_the_file() -> Iterator[None]:
    """Turns errors of writing into sentences.

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
            "folder; what is finished stays, and the same command goes on."
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
            if path.exists() and path.name == RECORD:
                raise RunError(foreign(path))
            continue
        try:
            found = parse_json(path.read_bytes())
        except ValueError:
            found = None
        if isinstance(found, dict) and "weights_sha256" in found:
            files = found.pop(_FILES, None)
            if isinstance(files, dict):
                return Record(found, files)
            return Record(found, is_old=True)
        if strict and path.name == RECORD:
            raise RunError(
                f"{path}: expected the settings of a run, but the file holds something "
                "else; give another --output folder, or replace it with --overwrite."
            )
    return None


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


def foreign(path: Path) -> str:
    """Why a file of a run cannot be written where something else is."""
    if path.is_dir():
        return (
            f"{path}: expected a file of the run or nothing, but this is a folder; "
            "rename it, or give another --output folder."
        )
    return (
        f"{path}: the file is there, but no run wrote it as it is; rename it, give "
        "another --output folder, or replace it with --overwrite."
    )
