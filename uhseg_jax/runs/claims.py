"""Claims: whose an output folder is while a run works there.

A lock on the folder keeps runs of other settings out as long as one works in it; what
is there already must be of the same settings, or of nobody.
"""

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from uhseg_jax.export.exporter import IsOwn
from uhseg_jax.files import STALE_AFTER, atomic_write, remove_parts, sha256_of
from uhseg_jax.locks import FileLock, for_a_moment, keep_trying
from uhseg_jax.runs.record import (
    RECORD,
    Record,
    RunError,
    naming_the_file,
    obstacle,
    owns,
    read_record,
    write_record,
)
from uhseg_jax.runs.settings import Settings, differences, digest

__all__ = ["LOCK", "Claim", "claim", "require"]

LOCK = ".run.lock"
_COMMANDS = {"segment": "uhseg-segment", "evaluate": "uhseg-evaluate"}
_ADVICE = "give another --output folder, or replace them with --overwrite."


class Claim:
    """A folder in which the files of one run come to be; a context manager.

    As long as it is open, no run of other settings can begin in the folder.

    Attributes:
      output: the folder.
      settings_sha256: digest of the settings in force there.
      overwrite: whether files that no run wrote are replaced, and results made again.
    """

    def __init__(
        self, output: Path, settings: Settings, lock: FileLock, *, overwrite: bool
    ):
        self.output = output
        self.settings_sha256 = digest(settings)
        self.overwrite = overwrite
        self._lock = lock

    def __enter__(self) -> "Claim":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets runs of other settings begin."""
        self._lock.close()

    def owns(self, name: str) -> bool:
        """Whether a file below the folder is as a run wrote it by `write`."""
        return owns(self.output, name)

    def obstacle(self, path: Path, is_own: IsOwn | None = None) -> str:
        """Why the run may not write a file; see `record.obstacle`."""
        return obstacle(self.output, path, is_own, overwrite=self.overwrite)

    @contextlib.contextmanager
    def write(self, name: str, is_own: IsOwn | None = None) -> Iterator[Path]:
        """Yields a path to write a file of the run to, which then gets its name.

        What is there is looked at before and again at the end, for people may put files
        of their own there meanwhile. The digest of a file without a mark is recorded
        before it gets its name, so it is known as the run's own even if the process is
        killed right after.

        Args:
          name: of the file, a path below the folder with ``/``.
          is_own: whether a file carries the mark of such files; None: they have none.

        Raises:
          RunError: a file of that name is there which no run wrote.
          OSError: it cannot be written.
        """
        path = self.output / name
        self._require_free(path, is_own)
        with atomic_write(path) as aside:
            yield aside
            self._require_free(path, is_own)
            if is_own is None:
                self._record(name, aside)

    def remove(self, name: str) -> None:
        """Removes a file that `write` wrote, unless it was changed since.

        Raises:
          RunError: the record of the run was changed meanwhile.
          OSError: it cannot be removed.
        """
        if not self.owns(name):
            return
        with self._changing_record() as record:
            (self.output / name).unlink(missing_ok=True)
            del record.files[name]

    def _require_free(self, path: Path, is_own: IsOwn | None) -> None:
        if sentence := self.obstacle(path, is_own):
            raise RunError(sentence)

    def _record(self, name: str, aside: Path) -> None:
        """Records the digest of a file that is about to get its name."""
        with self._changing_record() as record:
            # Until the rename the file that is there is ours as well.
            there = [sha256_of(self.output / name)] if self.owns(name) else []
            record.files[name] = [*dict.fromkeys([*there, sha256_of(aside)])]

    @contextlib.contextmanager
    def _changing_record(self) -> Iterator[Record]:
        """What is recorded in the folder; written again where the block changes it."""
        with for_a_moment(self.output):
            record = read_record(self.output, strict=True)
            if record is None or digest(record.settings) != self.settings_sha256:
                raise RunError(
                    f"{self.output / RECORD}: expected the settings of this run, but "
                    "the file was changed or removed meanwhile; begin again."
                )
            before = dict(record.files)
            yield record
            if record.files != before:
                write_record(self.output, record)


@naming_the_file()
def claim(
    output: Path,
    settings: Settings,
    *,
    results: Iterable[Path] = (),
    files: Iterable[Path] = (),
    is_own: IsOwn | None = None,
    forget: Iterable[Path] = (),
    overwrite: bool = False,
    shared: bool = False,
) -> Claim:
    """Makes a folder the output of runs with these settings.

    Args:
      output: the folder; created if need be.
      settings: what its results depend on, as `describe` gives it.
      results: files of earlier runs there. Settings that gave none are replaced.
      files: of the run as a whole that it will write. Those that are there must be
        ones that a run wrote.
      is_own: whether a file carries the mark of a run; those that `Claim.write` wrote
        are known without.
      forget: files of runs to delete before the settings come into force, since a
        method or an evaluation would go on from them, or people take them for results
        of these. Those that `Claim.write` recorded go in any case.
      overwrite: bring the settings into force anew, whatever was there.
      shared: other processes of the same run work in the folder as well, so with the
        same settings there is nothing to bring into force.

    Raises:
      RunError: the folder is one of other settings, another run works there, it holds
        files that no run wrote, or it cannot be written.
    """
    if output.exists() and not output.is_dir():
        raise RunError(
            f"{output}: expected a folder for the results, but this is a file; give "
            "another --output folder."
        )
    output.mkdir(parents=True, exist_ok=True)
    lock = _lock_of(output)
    try:
        _take(lock, output, settings, may_join=shared or not overwrite)
        for path in files:
            if sentence := obstacle(output, path, is_own, overwrite=overwrite):
                raise RunError(sentence)
        if lock.is_alone:
            _bring_into_force(output, settings, results, forget, overwrite=overwrite)
            # Processes on other machines may not see our locks, nor we theirs.
            age = STALE_AFTER if shared else 0.0
            remove_parts(output, age=age, beside=RECORD)
            keep_trying(lock.try_shared)
        written = read_record(output, strict=True)
        if written is None or not written.is_of(settings):
            raise RunError(_busy(output, written, settings))
    except BaseException:
        lock.close()
        raise
    return Claim(output, settings, lock, overwrite=overwrite)


@naming_the_file()
def require(output: Path, settings: Settings, *, files: Iterable[Path] = ()) -> Claim:
    """The claim of a folder that other processes have claimed with these settings.

    Args:
      output: the folder.
      settings: as for `claim`.
      files: as for `claim`.

    Raises:
      RunError: they have not, or with other settings; or it holds files that no run
        wrote.
    """
    record = read_record(output, strict=True)
    if record is None:
        raise RunError(
            f"{output}: expected the results of --shard=1/N, --shard=2/N, ..., but "
            f"there is no {RECORD}; run the shards with this --output first."
        )
    if not record.is_of(settings):
        raise RunError(_refusal(output, record, settings))
    return claim(output, settings, files=files, shared=True)


def _lock_of(output: Path) -> FileLock:
    path = output / LOCK
    try:
        return FileLock(path)
    except FileExistsError as error:
        raise RunError(
            f"{path}: {error.strerror}; rename it, or give another --output folder."
        ) from error


def _take(lock: FileLock, output: Path, settings: Settings, *, may_join: bool) -> None:
    """Takes the lock alone, or a share beside processes with the same settings."""
    record = None
    if keep_trying(lambda: lock.try_alone() or lock.try_shared()):
        if lock.is_alone:
            return
        record = read_record(output, strict=True)
        if may_join and record is not None and record.is_of(settings):
            return
    raise RunError(_busy(output, record, settings))


def _bring_into_force(
    output: Path,
    settings: Settings,
    results: Iterable[Path],
    forget: Iterable[Path],
    *,
    overwrite: bool,
) -> None:
    """Writes the record, unless it is there; only one process does so at a time."""
    record = read_record(output, strict=not overwrite)
    recorded = [output / x for x in (record.files if record else ()) if owns(output, x)]
    if record is not None and not overwrite:
        if record.is_of(settings):
            return
        # Runs of another kind have results that are not known here.
        is_other_kind = record.settings.get("kind") != settings["kind"]
        if is_other_kind or recorded or any(os.path.exists(x) for x in results):
            # Without locks another process may have begun meanwhile.
            record = read_record(output, strict=True) or record
            if record.is_of(settings):
                return
            raise RunError(_refusal(output, record, settings))
    for old in forget:
        old.unlink(missing_ok=True)
    if record is not None and record.is_of(settings):
        return
    for old in recorded:
        old.unlink(missing_ok=True)
    # Without locks, of several processes that begin together the first one writes it.
    replace = record is not None or overwrite
    write_record(output, Record(settings), replace=replace)


def _busy(output: Path, record: Record | None, wanted: Settings) -> str:
    """Why a run cannot begin beside another."""
    different = ""
    if record is not None and record.settings.get("kind") == wanted["kind"]:
        different = differences(record.settings, wanted)
    return (
        f"{output}: another run works in this folder"
        f"{f', with other settings ({different})' if different else ''}; wait until it "
        "has ended, or give another --output folder."
    )


def _refusal(output: Path, record: Record, wanted: Settings) -> str:
    """Why results of recorded settings and of those wanted do not mix."""
    found = record.settings
    if record.is_old or "kind" not in found:
        return (
            f"{output}: the results there were made by uhseg_jax "
            f"{found.get('version')}, which recorded its settings otherwise; {_ADVICE}"
        )
    if found["kind"] != wanted["kind"]:
        theirs, ours = (_COMMANDS.get(x["kind"], x["kind"]) for x in (found, wanted))
        return f"{output}: the results there are of {theirs}, not of {ours}; {_ADVICE}"
    return (
        f"{output / RECORD}: the results there were made with other settings "
        f"({differences(found, wanted)}); {_ADVICE}"
    )
