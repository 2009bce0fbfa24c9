"""What the system says of the processor."""

import functools
import os
import platform
from pathlib import Path

__all__ = ["host_threads", "instructions"]

_DESCRIPTION = Path("/proc/cpuinfo")
_MOST_THREADS = 16


@functools.cache
def instructions() -> str:
    """The instruction sets, as words in Linux's names; elsewhere the processor's name.

    Empty where nothing is known.
    """
    try:
        lines = _DESCRIPTION.read_text(errors="replace").splitlines()
        found = next(x for x in lines if x.startswith(("flags", "Features")))
    except (OSError, StopIteration):
        return platform.processor()
    return found.partition(":")[2].strip()


def host_threads() -> int:
    """Threads for work on the host: one for each processor that it may use."""
    if hasattr(os, "sched_getaffinity"):
        return min(_MOST_THREADS, len(os.sched_getaffinity(0)))
    return min(_MOST_THREADS, os.cpu_count() or 1)
