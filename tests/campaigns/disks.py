"""Disks that are full, read-only, deleted or not to be written, and no home.

Usage: python -m tests.campaigns.disks [--seed=1] [--minutes=20] [--skip=0]

Every job meets every trouble with every folder that it writes: its output, the cache
of weights, that of compiled programs, temporary files. It must end well or with a
sentence; nothing under the name of a result may be half written; and once the trouble
is mended, the same command must make what an undisturbed run makes, byte for byte.
Where nothing can be mounted, the cases that need it are left out.
"""

import contextlib
import dataclasses
import functools
import itertools
import random
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tests.campaigns import jobs
from tests.campaigns.children import Place, import_early, run, start, strays
from tests.campaigns.jobs import Job
from tests.campaigns.mounts import can_mount, mounted_tmpfs, read_only
from tests.campaigns.report import Report, arguments, finish
from tests.campaigns.sandbox import Sandbox, age, opened

# What jobs write to, but for the output: the variables that name those folders.
_FOLDERS = {
    "cache": "UHSEG_CACHE",
    "compiled": "JAX_COMPILATION_CACHE_DIR",
    "hub": "HF_HOME",
    "tmp": "TMPDIR",
}
_WRITES = {
    "segment": ("output", "cache", "compiled", "tmp"),
    "score": ("output", "cache", "compiled", "tmp"),
    "convert": ("output", "tmp"),
    "fetch by pip": ("tmp",),
    "fetch by url": ("tmp",),
    "fetch by hub": ("hub", "tmp"),
}
_FREE = (0, 30_000, 200_000, 1_000_000)  # bytes on a full disk
_LARGEST = (0, 1_000, 30_000, 300_000)  # bytes of a file

Mend = Callable[[], None]
Trouble = Callable[[Path], contextlib.AbstractContextManager[Mend]]


@contextlib.contextmanager
def _full(folder: Path, free: int) -> Iterator[Mend]:
    with mounted_tmpfs(folder):
        filler = folder / ".filler"
        room = shutil.disk_usage(folder).free - free
        with filler.open("wb") as file, contextlib.suppress(OSError):
            for _ in range(room // 4096):
                file.write(bytes(4096))
                file.flush()
        yield filler.unlink


@contextlib.contextmanager
def _read_only(folder: Path) -> Iterator[Mend]:
    with contextlib.ExitStack() as stack:
        stack.enter_context(read_only(folder))
        yield stack.close


@contextlib.contextmanager
def _unwritable(folder: Path) -> Iterator[Mend]:
    folder.chmod(0o555)
    yield lambda: folder.chmod(0o755)


@contextlib.contextmanager
def _uncreatable(folder: Path) -> Iterator[Mend]:
    """It is not there, and may not be made."""
    kept = folder.rename(folder.with_name("kept"))
    folder.parent.chmod(0o555)

    def mend() -> None:
        folder.parent.chmod(0o755)
        kept.rename(folder)

    yield mend


@contextlib.contextmanager
def _a_file(folder: Path) -> Iterator[Mend]:
    kept = folder.rename(folder.with_name("kept"))
    folder.write_text("no folder\n")

    def mend() -> None:
        folder.unlink()
        kept.rename(folder)

    yield mend


@contextlib.contextmanager
def _none(folder: Path) -> Iterator[Mend]:
    del folder
    yield lambda: None


@dataclasses.dataclass(frozen=True)
class _Case:
    """One trouble that one job meets.

    Attributes:
      job: name of the job.
      folder: which of its folders; empty for none.
      trouble: name of the trouble.
      make: makes it.
      deleted: the share of the run's time after which the folder is deleted.
      file_size: the largest file that may be written.
      env: variables.
    """

    job: str
    folder: str
    trouble: str
    make: Trouble = _none
    deleted: float | None = None
    file_size: int | None = None
    env: Mapping[str, str | None] = dataclasses.field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.job}, {self.folder}: {self.trouble}"


def _cases(rng: random.Random) -> list[_Case]:
    troubles: dict[str, Trouble] = {
        "unwritable": _unwritable,
        "uncreatable": _uncreatable,
        "a file": _a_file,
    }
    if can_mount():
        troubles["read-only"] = _read_only
        for free in _FREE:
            troubles[f"{free} bytes free"] = functools.partial(_full, free=free)
    cases = []
    for job, folders in _WRITES.items():
        for folder, (name, make) in itertools.product(folders, troubles.items()):
            cases.append(_Case(job, folder, name, make))
        for folder, _ in itertools.product(folders, range(2)):
            cases.append(_Case(job, folder, "deleted", deleted=rng.random()))
        for size in _LARGEST:
            name = f"files of {size} bytes at most"
            cases.append(_Case(job, "all", name, file_size=size))
        for home in (None, "/proc/nowhere"):
            cases.append(_Case(job, "home", str(home), env={"HOME": home}))
    rng.shuffle(cases)
    return cases


def main() -> None:
    """Runs the campaign."""
    given = arguments(__doc__, minutes=20, skip=0)
    report = Report("disks", given.minutes, given.seed)
    import_early()
    with opened(given.work) as sandbox:
        place = jobs.environment(sandbox, given.compiled)
        with jobs.all_jobs(sandbox, place) as known:
            expected, seconds = {}, {}
            for name in _WRITES:
                output = sandbox.output("undisturbed")
                ending = report.saw(known[name].run(output))
                seconds[name] = ending.seconds
                if ending.status:
                    report.add(name, [f"undisturbed: {ending.sentence}"])
                else:
                    expected[name] = known[name].results(output)
            sandbox.leftovers()
            before = sandbox.digest()
            for case in _cases(random.Random(given.seed))[given.skip :]:
                if not report.has_time:
                    break
                if case.job not in expected:
                    continue
                job, wanted = known[case.job], expected[case.job]
                faults = _meet(case, job, wanted, seconds[case.job], sandbox, report)
                if sandbox.digest() != before:
                    faults.append("files of the user were changed")
                    before = sandbox.digest()
                report.add(str(case), faults)
    finish(report.end())


def _meet(
    case: _Case,
    job: Job,
    expected: Mapping[str, object],
    seconds: float,
    sandbox: Sandbox,
    report: Report,
) -> list[str]:
    """Lets a job meet a trouble, and then run again without it; what was wrong."""
    base = sandbox.output("disk")
    (base / "box").mkdir(parents=True)
    folder, output = base / "box" / "folder", base / "output"
    place = _prepare(case, job.place, folder)
    if case.folder == "output":
        output = folder
    troubled = dataclasses.replace(
        place, is_bound=True, file_size=case.file_size, env={**place.env, **case.env}
    )
    faults = []
    with case.make(folder) as mend:
        child = start(job.main, job.argv(output), troubled)
        if case.deleted is not None:
            time.sleep(case.deleted * seconds)
            shutil.rmtree(folder, ignore_errors=True)
        ending = report.saw(child.wait(seconds=120))
        faults += [ending.fault] * bool(ending.fault)
        faults += [] if ending.fault else job.damage(output)
        if ending.status and case.folder == "compiled":
            faults.append(f"a cache stopped the run: {ending.sentence}")
        if not ending.status and case.deleted is None:
            found = _results(job, output)
            faults += [f"all was well, but {x}" for x in jobs.same(found, expected)]
        mend()
        folder.mkdir(exist_ok=True)
        for one in (output, place.tmp):
            age(one)
        ending = report.saw(run(job.main, job.argv(output), place))
        if ending.status or ending.fault:
            faults.append(f"mended: {ending.fault or ending.sentence}")
        else:
            found = _results(job, output)
            faults += [f"mended: {x}" for x in jobs.same(found, expected)]
        faults += [f"left: {x.name}" for x in output.rglob(".*.part")]
        faults += [f"left: {x.name}" for x in place.tmp.iterdir()]
        return faults + sandbox.leftovers() + strays()


def _prepare(case: _Case, place: Place, folder: Path) -> Place:
    """Makes the folder that the trouble is with, and a place that uses it."""
    variable = _FOLDERS.get(case.folder)
    if variable == "TMPDIR":
        folder.mkdir()
        return dataclasses.replace(place, tmp=folder)
    if variable is None:
        folder.mkdir()
        return place
    before = place.env[variable]
    if before and Path(before).is_dir() and case.folder != "hub":
        shutil.copytree(before, folder)
    folder.mkdir(exist_ok=True)
    if case.folder == "compiled":  # some of them have to be compiled and kept
        for path in sorted(folder.iterdir())[::7]:
            path.unlink()
    return dataclasses.replace(place, env={**place.env, variable: str(folder)})


def _results(job: Job, output: Path) -> Mapping[str, object]:
    """The results; none at all where they cannot be had."""
    try:
        return job.results(output)
    except (OSError, ValueError):
        return {}


if __name__ == "__main__":
    main()
