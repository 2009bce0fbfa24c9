"""The same image again and again: in other processes, batches, on other devices.

Usage: python -m tests.campaigns.same [--seed=1] [--minutes=6] [--runs=20]

So many runs over the same images, each with a batch size, a number of devices, of
processors and of threads, and a seed of Python's hashes of its own. Labels, parents and
depths must be equal, costs to the last digit or, with other threads, nearly.
"""

import dataclasses
import itertools
import os
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tests.campaigns import jobs
from tests.campaigns.children import Place, import_early, run, strays
from tests.campaigns.report import Report, arguments, finish
from tests.campaigns.sandbox import contents, opened
from tests.small_runs import PRESET, photograph
from uhseg_jax.cli import segment

_COSTS = 1e-5  # by which costs may differ where sums have another order
_REFINE = "--refine=pamr,crf"  # the costliest
_FLAGS = (*(x for x in PRESET if "refine" not in x), _REFINE, "--grid=30")
_IMAGES = 5


@dataclasses.dataclass(frozen=True)
class _Way:
    """How a run is made.

    Attributes:
      batch_size: images at once.
      devices: that JAX sees.
      threads: of XLA's.
    """

    batch_size: int = 1
    devices: int = 1
    threads: int = 2

    def place(self, place: Place) -> Place:
        """The place of such a run."""
        flags = [str(place.env["XLA_FLAGS"])]
        flags.append(f"--xla_force_host_platform_device_count={self.devices}")
        if self.threads == 1:
            flags.append("--xla_cpu_multi_thread_eigen=false")
        cores = sorted(os.sched_getaffinity(0))[: self.threads]
        env = {**place.env, "XLA_FLAGS": " ".join(flags)}
        return dataclasses.replace(place, env=env, cores=frozenset(cores))


def _ways(count: int, rng: random.Random) -> Iterator[_Way]:
    """So many ways: the plain one several times, the others in turn."""
    others = [_Way(*x) for x in itertools.product((1, 2, 3, 5), (1, 2, 8), (1, 2))]
    rng.shuffle(others)
    plain = [_Way()] * (count // 4)
    return iter([*plain, *itertools.islice(itertools.cycle(others), count)][:count])


def main() -> None:
    """Runs the campaign."""
    given = arguments(__doc__, minutes=6, runs=20)
    report = Report("same", given.minutes, given.seed)
    rng = random.Random(given.seed)
    import_early()
    widest, equal = 0.0, 0
    with opened(given.work) as sandbox:
        for number in range(_IMAGES):
            path = sandbox.user / "photos" / f"{number}.png"
            photograph(path, seed=number, size=(60, 45))
        base = jobs.environment(sandbox, given.compiled)
        first: Path | None = None
        for number, way in enumerate(_ways(given.runs, rng)):
            if not report.has_time:
                break
            output = sandbox.output(f"run {number}")
            argv = ["uhseg-segment", "photos", f"--output={output}", *_FLAGS]
            argv.append(f"--batch_size={way.batch_size}")
            ending = report.saw(run(segment.main, argv, way.place(base)))
            faults = [*strays(), *sandbox.leftovers()]
            if ending.status or ending.fault:
                faults.append(ending.fault or ending.sentence)
            elif first is not None:
                width, others = _compare(output, first)
                widest, faults = max(widest, width), faults + others
                equal += contents(output) == contents(first)
            first = first or output
            report.add(f"run {number}, {way}", faults)
        report.notes.append(f"{equal} equal to the first byte for byte")
        report.notes.append(f"costs differ by {widest:.1e} at most")
    finish(report.end())


def _compare(output: Path, first: Path) -> tuple[float, list[str]]:
    """By how much costs differ, and what else does."""
    widest, faults = 0.0, []
    for path in sorted(first.glob("*.npz")):
        with np.load(path) as one, np.load(output / path.name) as other:
            for name in ("labels", "parents", "depths"):
                if not np.array_equal(one[name], other[name]):
                    faults.append(f"{name} of {path.stem} are others")
            if one["costs"].shape == other["costs"].shape:
                width = float(np.abs(one["costs"] - other["costs"]).max())
                widest = max(widest, width)
                if width > _COSTS:
                    faults.append(f"costs of {path.stem} differ by {width:.1e}")
    return widest, faults


if __name__ == "__main__":
    main()
