"""Runs that are killed at random moments, taken up again, and compared.

Usage: python -m tests.campaigns.kills [JOB]... [--seed=1] [--minutes=6] [--kills=100]

JOB is one of segment, collect, score, draw, convert, fetch; all of them by default,
each for so many minutes at most. A job is killed so many times, by SIGKILL mostly, in
chains of about ten kills on one folder; after each kill what lies under the name of a
result must be whole, and nothing may run on. At the end of a chain the job runs
undisturbed: its results must be those of a run that was never disturbed, byte for byte.
"""

import itertools
import random
import signal
import time
from pathlib import Path

from tests.campaigns import jobs
from tests.campaigns.children import import_early, start, strays
from tests.campaigns.jobs import Job
from tests.campaigns.report import Report, arguments, finish
from tests.campaigns.sandbox import Sandbox, age, opened

_CHAIN = 10  # kills before the run that is left alone
_SIGNALS = (*(8 * [signal.SIGKILL]), signal.SIGINT, signal.SIGTERM)
_PATIENCE = 5.0  # seconds from SIGINT to the end
_HEEDED = 1.0  # of a run that ends well although it was interrupted
_GROUPS = {
    "segment": ("segment",),
    "collect": ("collect",),
    "score": ("score",),
    "draw": ("draw segments", "draw scores"),
    "convert": ("convert",),
    "fetch": ("fetch by pip", "fetch by hub", "fetch by url"),
}


def main() -> None:
    """Runs the campaign."""
    given = arguments(__doc__, minutes=6, names=_GROUPS, kills=100)
    import_early()
    reports = []
    with opened(given.work) as sandbox:
        place = jobs.environment(sandbox, given.compiled)
        with jobs.all_jobs(sandbox, place) as known:
            for name in given.names:
                report = Report(f"kills, {name}", given.minutes, given.seed)
                group = [_job(known, x, sandbox) for x in _GROUPS[name]]
                _campaign(group, sandbox, report, given.kills)
                reports.append(report.end())
    finish(*reports)


def _job(known: dict[str, Job], name: str, sandbox: Sandbox) -> Job:
    if not name.startswith("draw"):
        return known[name]
    job = known[name.removeprefix("draw ").removesuffix("s")]
    finished = sandbox.output(f"finished {job.name}")
    assert job.run(finished).status == 0
    return jobs.drawing(job, finished)


def _campaign(group: list[Job], sandbox: Sandbox, report: Report, kills: int) -> None:
    """Chains of kills, of the jobs of a group in turn."""
    rng = random.Random(report.seed)
    expected, seconds = {}, {}
    for job in list(group):
        for _ in range(2):  # the second finds what the first has compiled
            output = sandbox.output("undisturbed")
            job.prepare(output)
            ending = report.saw(job.run(output))
        if ending.status:
            report.add(job.name, [f"undisturbed: {ending.sentence}"])
            group.remove(job)
        else:
            expected[job.name], seconds[job.name] = job.results(output), ending.seconds
    sandbox.leftovers()
    before = sandbox.digest()
    for job in itertools.cycle(group):
        wanted = min(_CHAIN, kills - report.tried)
        if wanted < 1 or not report.has_time:
            return
        output = sandbox.output("killed")
        job.prepare(output)
        case = f"{job.name}, chain at kill {report.tried}"
        killed, faults = 0, []
        for _ in range(wanted):
            fault, was_killed = _kill(job, output, seconds[job.name], rng, report)
            faults += fault
            killed += was_killed
            if not was_killed:
                break  # it was done before
        for folder in (output, sandbox.tmp):
            age(folder)
        ending = report.saw(job.run(output))
        if ending.status or ending.fault:
            faults.append(f"taken up again: {ending.fault or ending.sentence}")
        else:
            faults += jobs.same(job.results(output), expected[job.name])
        faults += [f"left: {x.name}" for x in output.rglob(".*.part")]
        faults += sandbox.leftovers() + strays()
        if sandbox.digest() != before:
            faults.append("files of the user were changed")
            before = sandbox.digest()
        report.add(case, faults, count=killed)


def _kill(
    job: Job, output: Path, seconds: float, rng: random.Random, report: Report
) -> tuple[list[str], bool]:
    """Kills a job once; what was wrong, and whether it was killed before its end."""
    number = rng.choice(_SIGNALS)
    child = start(job.main, job.argv(output), job.place)
    time.sleep(rng.uniform(0, seconds))
    child.kill(number)
    began = time.monotonic()
    ending = report.saw(child.wait())
    waited = time.monotonic() - began
    faults = [f"{x} ran on after {number.name}" for x in strays()]
    faults += [f"after {number.name}: {x}" for x in job.damage(output)]
    was_killed = ending.status in (-number, 130)
    if not was_killed and (ending.status or ending.fault):
        faults.append(f"{number.name}: {ending.fault or ending.sentence}")
    if number == signal.SIGINT and waited > _PATIENCE:
        faults.append(f"SIGINT took {waited:.1f} s")
    if number == signal.SIGINT and not was_killed and waited > _HEEDED:
        faults.append(f"SIGINT was not heeded for {waited:.1f} s")
    return faults, was_killed


if __name__ == "__main__":
    main()
