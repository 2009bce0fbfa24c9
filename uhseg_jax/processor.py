"""What the system says of the processor."""

import functools
import platform
from pathlib import Path

__all__ = ["instructions"]

_DESCRIPTION = Path("/proc/cpuinfo")


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
