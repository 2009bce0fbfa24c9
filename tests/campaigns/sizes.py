"""A thousand image sizes in one process, with the refiner that users get.

Usage: python -m tests.campaigns.sizes [--seed=1] [--minutes=12] [--sizes=1000]
       [--occupied=30000] [--optimised=0]

One run of `uhseg-segment` over images of as many sizes. Linux lets a process map 65,530
pieces of memory, of which every compiled program takes some; beyond, it is killed. So
that the end comes in sight the process has others already. Programs that are compiled
without optimisations take a tenth of the time and fewer maps; --optimised=1 compiles
those of users, for as many sizes as there is time for.
"""

import ctypes
import mmap
import os
import random
import re
import signal
import time
from collections.abc import Sequence
from pathlib import Path

from tests.campaigns import jobs
from tests.campaigns.children import import_early, start, strays
from tests.campaigns.report import Report, arguments, finish
from tests.campaigns.sandbox import damage, opened
from tests.small_runs import PRESET, photograph
from uhseg_jax.cli import segment

_FLAGS = (*(x for x in PRESET if "refine" not in x), "--format=npz")
_LARGEST = 72  # pixels of a side
_occupied: list[mmap.mmap] = []  # for as long as the process lives


def main() -> None:
    """Runs the campaign."""
    given = arguments(__doc__, minutes=12, sizes=1000, occupied=30_000, optimised=0)
    report = Report("sizes", given.minutes, given.seed)
    import_early()
    rng = random.Random(given.seed)
    every = [(w, h) for w in range(1, _LARGEST) for h in range(1, _LARGEST)]
    with opened(given.work) as sandbox:
        for number, size in enumerate(rng.sample(every, given.sizes)):
            path = sandbox.user / "photos" / f"{number:04}.png"
            photograph(path, seed=number, size=size)
        before = sandbox.digest()
        output = sandbox.output("sizes")
        argv = ["uhseg-segment", "photos", f"--output={output}", *_FLAGS]
        flags = {"XLA_FLAGS": ""} if given.optimised else {}
        place = jobs.environment(sandbox, given.compiled, **flags)

        def crowded(argv: Sequence[str]) -> int:
            _occupied.append(_occupy(given.occupied))
            return segment.main(argv)

        child = start(crowded, argv, place)
        most = _watch(child.pid, report)
        ending = report.saw(child.wait())
        done = len([*output.glob("*.npz")])
        faults = [*damage(output), *strays(), *sandbox.leftovers()]
        if ending.status == 130:
            report.notes.append("stopped when its time was over")
        elif ending.fault or ending.status:
            faults.append(ending.fault or ending.sentence)
        if sandbox.digest() != before:
            faults.append("files of the user were changed")
        report.add("the run", faults, count=done)
        report.notes.append(f"at most {most:,} memory maps")
        report.notes += re.findall(r"\d+ segmented.*failed", ending.said)
    finish(report.end())


def _occupy(count: int) -> mmap.mmap:
    """Takes so many memory maps: pages in a row, of which every other is read-only."""
    pages = mmap.mmap(-1, count * mmap.PAGESIZE)
    first = ctypes.addressof(ctypes.c_char.from_buffer(pages))
    libc = ctypes.CDLL(None)
    for page in range(0, count, 2):
        address = ctypes.c_void_p(first + page * mmap.PAGESIZE)
        libc.mprotect(address, ctypes.c_size_t(mmap.PAGESIZE), mmap.PROT_READ)
    return pages


def _watch(pid: int, report: Report) -> int:
    """The most memory maps that a process has, until it ends or is stopped."""
    most = 0
    while True:
        try:
            most = max(most, Path(f"/proc/{pid}/maps").read_bytes().count(b"\n"))
            is_dead = " Z " in Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            is_dead = True
        if is_dead:
            return most
        if not report.has_time:
            os.kill(pid, signal.SIGINT)
            return most
        time.sleep(0.5)


if __name__ == "__main__":
    main()
