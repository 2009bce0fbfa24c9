"""Two and four runs at once into one folder, with equal and with different settings.

Usage: python -m tests.campaigns.at_once [--seed=1] [--minutes=6] [--rounds=4]

The runs of a round begin at random moments. Each must succeed or be refused in a
sentence; at the end the folder must hold, byte for byte, what one run with the settings
of those that succeeded makes alone.
"""

import dataclasses
import itertools
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.campaigns import jobs
from tests.campaigns.children import Child, import_early, start, strays
from tests.campaigns.jobs import Job
from tests.campaigns.report import Report, arguments, finish
from tests.campaigns.sandbox import Sandbox, damage, opened

# Flags of each of the runs of a round.
_EQUAL = ((), (), (), ())
_DIFFERENT = ((), ("--refine=none",), ("--connected",), ("--min_area=0.02",))
_ANEW = tuple((*flags, "--overwrite") for flags in _DIFFERENT)
_KINDS = {"equal": _EQUAL, "different": _DIFFERENT, "different, overwriting": _ANEW}


def main() -> None:
    """Runs the campaign."""
    given = arguments(__doc__, minutes=6, rounds=4)
    report = Report("at once", given.minutes, given.seed)
    rng = random.Random(given.seed)
    import_early()
    with opened(given.work) as sandbox:
        place = jobs.environment(sandbox, given.compiled)
        with jobs.all_jobs(sandbox, place) as known:
            alone = {
                name: _alone(known[name], sandbox, report)
                for name in ("segment", "score")
            }
            before = sandbox.digest()
            cases = itertools.product(range(given.rounds), alone, (2, 4), _KINDS)
            for number, name, count, kind in cases:
                if not report.has_time:
                    break
                faults = _round(
                    known[name], sandbox, report, _KINDS[kind][:count], alone[name], rng
                )
                if sandbox.digest() != before:
                    faults.append("files of the user were changed")
                report.add(f"{count} of {name}, {kind}, round {number}", faults)
    finish(report.end())


@dataclasses.dataclass(frozen=True)
class _Alone:
    """What single runs make.

    Attributes:
      results: by their flags.
      seconds: that the last took.
    """

    results: dict[tuple[str, ...], Any]
    seconds: float


def _alone(job: Job, sandbox: Sandbox, report: Report) -> _Alone:
    results, seconds = {}, 0.0
    for flags in _DIFFERENT:
        output = sandbox.output("alone")
        ending = report.saw(_begin(job, output, flags).wait())
        assert not ending.status, ending.said
        results[flags], seconds = job.results(output), ending.seconds
    return _Alone(results, seconds)


def _begin(job: Job, output: Path, flags: Sequence[str]) -> Child:
    return start(job.main, [*job.argv(output), *flags], job.place)


def _round(
    job: Job,
    sandbox: Sandbox,
    report: Report,
    runs: Sequence[tuple[str, ...]],
    alone: _Alone,
    rng: random.Random,
) -> list[str]:
    """Runs at once; what was wrong."""
    output = sandbox.output("at once")
    pause = alone.seconds * rng.choice((0.01, 0.2, 0.6)) / len(runs)
    children = []
    for flags in runs:
        children.append(_begin(job, output, flags))
        time.sleep(rng.uniform(0, 2 * pause))
    endings = [report.saw(child.wait()) for child in children]
    faults = [x.fault for x in endings if x.fault]
    done = {
        tuple(x for x in flags if x != "--overwrite")
        for flags, ending in zip(runs, endings, strict=True)
        if not ending.status
    }
    if not done:
        faults.append(f"none succeeded: {endings[0].sentence}")
    if len(done) > 1 and "--overwrite" not in runs[0]:
        faults.append("runs of different settings succeeded")
    found = job.results(output)
    differences = [jobs.same(found, alone.results[flags]) for flags in done]
    if all(differences):
        faults += [f"of several runs: {x}" for x in (differences or [[]])[0][:3]]
    return [*faults, *damage(output), *sandbox.leftovers(), *strays()]


if __name__ == "__main__":
    main()
