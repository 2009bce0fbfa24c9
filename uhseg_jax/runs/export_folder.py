"""The folder of an export: what lies in it, and what may be replaced.

``export.json`` says at the end what was exported and lists the files with their
digests. Until then a journal does, so that after a kill it is known which files are the
export's. Nothing else is replaced unless somebody says so, and images never. An export
that takes the place of another removes what is left of it when it is whole.

Files are written aside and renamed, so that whatever kills the process leaves whole
ones. Nothing is forced onto the disk: after a loss of power the last may be empty,
which their digests tell.
"""

import contextlib
import glob
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import uhseg_jax
from uhseg_jax.export.exporter import Exporter, IsOwn
from uhseg_jax.files import (
    atomic_write,
    parse_json,
    remove_parts,
    sha256_of,
    write_json,
)
from uhseg_jax.locks import FileLock, keep_trying
from uhseg_jax.runs.claims import LOCK
from uhseg_jax.runs.record import RECORD, RunError

__all__ = ["ExportFolder", "open_folder"]

_EXPORT = "export.json"
_JOURNAL = ".export.journal"
_MARK = {"uhseg_jax": "export"}
_ADVICE = "give another --output folder, or replace it with --overwrite."


class ExportFolder:
    """A `export.Destination` that remembers what it wrote.

    Args:
      output: the folder.
      common: names of files for all images together.
      images: files that are never replaced.
      before: what an export before wrote, with digests.
      overwrite: whether files that are there are replaced.
    """

    def __init__(
        self,
        output: Path,
        common: Iterable[str],
        images: Iterable[Path],
        *,
        before: Mapping[str, str],
        overwrite: bool,
    ):
        self.output = output
        self._before = before
        self._was_interrupted = os.path.lexists(output / _JOURNAL)
        self._common = {*common}
        self._images = {os.path.realpath(x) for x in images}
        self._overwrite = overwrite
        self._names = {_EXPORT, _JOURNAL, LOCK}  # that are taken
        self._files: dict[str, str] = {}

    @contextlib.contextmanager
    def write(self, name: str, is_own: IsOwn | None = None) -> Iterator[Path]:
        """Yields a path to write a file to, which then gets its name.

        Raises:
          RunError: the file may not be written.
          OSError: it cannot be written.
        """
        # Those of single images have marks, be they written before or after.
        is_common = is_own is not None and name in self._common
        if is_common or name in self._names:
            raise RunError(
                f"{self.output / name}: two files of the export would have this name; "
                "rename the image, or leave out a format."
            )
        self.require_free(name)
        self._names.add(name)
        with atomic_write(self.output / name, durable=False) as aside:
            yield aside
            self.require_free(name)
            self._files[name] = sha256_of(aside)
            line = json.dumps([name, self._files[name]])
            with open(self.output / _JOURNAL, "a", encoding="ascii") as journal:
                journal.write(f"{line}\n")

    def remove(self, name: str) -> None:
        """Does nothing: `finish` removes what an export before wrote."""

    def require_free(self, name: str) -> None:
        """Refuses a file, below the folder, that is there or is no place for one.

        Raises:
          RunError: so it is.
        """
        path = self.output / name
        if not os.path.lexists(path):
            return
        if os.path.realpath(path) in self._images:
            raise RunError(
                f"{path}: it would replace the image; give another --output folder."
            )
        if path.is_dir():
            raise RunError(
                f"{path}: expected a file of the export or nothing, but this is a "
                "folder; rename it, or give another --output folder."
            )
        if not self._overwrite:
            raise RunError(f"{path}: the file is there; {_ADVICE}")

    def finish(self, said: Mapping[str, Any]) -> None:
        """Writes ``export.json``, after which the export is whole.

        What an export before wrote goes, where it was not replaced.
        """
        _remove(self.output, _without(self._before, self._files))
        version = {"version": uhseg_jax.__version__}
        write_json(
            self.output / _EXPORT, {**_MARK, **version, **said, "files": self._files}
        )
        (self.output / _JOURNAL).unlink(missing_ok=True)

    def abandon(self) -> None:
        """Removes what was written; an export before stays."""
        own = _without(self._files, self._before)
        _remove(self.output, own)
        if len(own) == len(self._files) and not self._was_interrupted:
            (self.output / _JOURNAL).unlink(missing_ok=True)


@contextlib.contextmanager
def open_folder(
    output: Path,
    exporters: Sequence[Exporter],
    names: Sequence[str],
    *,
    images: Iterable[Path],
    overwrite: bool,
) -> Iterator[ExportFolder]:
    """Makes a folder that of an export, which nobody else writes to meanwhile.

    Args:
      output: the folder; created if need be.
      exporters: the formats that will be written.
      names: of the results.
      images: files that are never replaced.
      overwrite: whether others are. Those that an export before wrote, and nobody
        changed since, are deleted in the end.

    Raises:
      RunError: the folder holds something else, or another process works there.
    """
    if output.exists() and not output.is_dir():
        raise RunError(
            f"{output}: expected a folder for the exports, but this is a file; give "
            "another --output folder."
        )
    if (output / RECORD).exists():
        raise RunError(
            f"{output}: expected a folder for the exports alone, but the results of a "
            "run are there; give another --output folder."
        )
    output.mkdir(parents=True, exist_ok=True)
    with _locked(output):
        before = _files_before(output, overwrite=overwrite)
        common = (x for one in exporters if not one.per_image for x in one.patterns)
        folder = ExportFolder(
            output, common, images, before=before, overwrite=overwrite
        )
        for name in _there(output, exporters, names):
            if name not in before:
                folder.require_free(name)
        remove_parts(output, age=0.0, beside=RECORD)
        yield folder


@contextlib.contextmanager
def _locked(output: Path) -> Iterator[None]:
    """Keeps other commands from writing to the folder."""
    try:
        lock = FileLock(output / LOCK)
    except FileExistsError as error:
        raise RunError(
            f"{output / LOCK}: {error.strerror}; rename it, or give another --output "
            "folder."
        ) from error
    try:
        if not keep_trying(lock.try_alone, patience=1.0):
            raise RunError(
                f"{output}: another command writes to this folder; wait until it has "
                "ended, or give another --output folder."
            )
        yield
    finally:
        lock.close()


def _there(
    output: Path, exporters: Sequence[Exporter], names: Sequence[str]
) -> Iterator[str]:
    """Names below the folder of files that are there where formats have theirs."""
    for exporter in exporters:
        for pattern in exporter.patterns:
            for name in names if exporter.per_image else ("",):
                if "*" in pattern:  # any name
                    files = pattern.replace("{name}", glob.escape(name))
                    yield from glob.iglob(files, root_dir=output, include_hidden=True)
                elif os.path.lexists(output / pattern.replace("{name}", name)):
                    yield pattern.replace("{name}", name)


def _files_before(output: Path, *, overwrite: bool) -> dict[str, str]:
    """What an export before wrote, with digests.

    Raises:
      RunError: there was one, or what is no record of one, and it is not replaced.
    """
    journal, record = output / _JOURNAL, output / _EXPORT
    if not os.path.lexists(journal) and not os.path.lexists(record):
        return {}
    if not overwrite:
        what = "an export is there"
        if os.path.lexists(journal):
            what = "an export was begun there and interrupted"
        raise RunError(f"{output}: {what}; {_ADVICE}")
    files = _listed(record)
    with contextlib.suppress(OSError):
        for line in journal.read_text("ascii", "replace").splitlines():
            with contextlib.suppress(ValueError, TypeError):
                name, digest = parse_json(line)
                files[name] = digest
    return {x: digest for x, digest in files.items() if _is_below(x)}


def _listed(record: Path) -> dict[str, str]:
    """The files that ``export.json`` lists."""
    try:
        found = parse_json(record.read_bytes())
    except (OSError, ValueError):
        return {}
    files = found.get("files") if isinstance(found, dict) else None
    return files if isinstance(files, dict) else {}


def _is_below(name: Any) -> bool:
    return (
        isinstance(name, str)
        and not os.path.isabs(name)
        and ".." not in Path(name).parts
    )


def _without(files: Mapping[str, str], others: Mapping[str, str]) -> dict[str, str]:
    return {name: digest for name, digest in files.items() if name not in others}


def _remove(output: Path, files: Mapping[str, str]) -> None:
    """Deletes what an export wrote and nobody changed since, and empty folders."""
    folders = set()
    for name, digest in files.items():
        path = output / name
        with contextlib.suppress(OSError):
            if path.is_file() and not path.is_symlink() and sha256_of(path) == digest:
                path.unlink()
                folders |= {output / x for x in Path(name).parents} - {output}
    for folder in sorted(folders, reverse=True):
        with contextlib.suppress(OSError):  # it holds other files
            folder.rmdir()
