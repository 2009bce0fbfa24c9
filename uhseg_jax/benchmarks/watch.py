"""How many programs a process compiled, and what memory it took.

As a program, this file runs a module and writes down what it counted:

    python watch.py REPORT MODULE ARGUMENT...

It stands alone, so that it can watch another version of the package. A REPORT "-" means
that nothing is counted and JAX is not imported beforehand.
"""

import dataclasses
import json
import os
import re
import resource
import runpy
import sys
import threading
from pathlib import Path
from typing import Any

__all__ = ["Programs", "memory_maps", "peak_memory", "resident_memory"]

_COMPILED = "/jax/core/compile/backend_compile_duration"
_LOADED = "/jax/compilation_cache/cache_hits"
# A cache that the user chose is not the one that is timed.
_CACHES = (
    "JAX_COMPILATION_CACHE_DIR",
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES",
)


@dataclasses.dataclass
class Programs:
    """Counts the programs that JAX compiles or loads while the block runs.

    Attributes:
      count: of programs.
      loaded: those of them that came from the persistent cache.
      seconds: in which they were compiled or loaded, those of all threads together.
    """

    count: int = 0
    loaded: int = 0
    seconds: float = 0.0
    _lock: Any = dataclasses.field(default_factory=threading.Lock, repr=False)
    _left: bool = dataclasses.field(default=False, repr=False)

    def __enter__(self) -> "Programs":
        from jax import monitoring

        monitoring.register_event_duration_secs_listener(self._on_duration)
        monitoring.register_event_listener(self._on_event)
        return self

    def __exit__(self, *_: Any) -> None:
        from jax import monitoring

        self._left = True
        if hasattr(monitoring, "unregister_event_listener"):  # JAX 0.7 has none
            monitoring.unregister_event_duration_listener(self._on_duration)
            monitoring.unregister_event_listener(self._on_event)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, with what the process holds now."""
        return {
            "programs": self.count,
            "loaded": self.loaded,
            "compile_s": round(self.seconds, 3),
            "peak_gb": round(peak_memory(), 3),
            "maps": memory_maps(),
        }

    def _on_duration(self, event: str, duration_secs: float, **kwargs: Any) -> None:
        del kwargs
        if event == _COMPILED and not self._left:
            with self._lock:  # threads compile at the same time
                self.count += 1
                self.seconds += duration_secs

    def _on_event(self, event: str, **kwargs: Any) -> None:
        del kwargs
        if event == _LOADED and not self._left:
            with self._lock:
                self.loaded += 1


def memory_maps() -> int | None:
    """Pieces of memory that this process maps; None where the system does not say."""
    try:
        return Path("/proc/self/maps").read_bytes().count(b"\n")
    except OSError:
        return None


def resident_memory() -> float:
    """Resident memory of this process now, in GB; its peak where that is unknown."""
    return _status("VmRSS") or peak_memory()


def peak_memory() -> float:
    """Largest resident memory of this process so far, in GB."""
    # What getrusage says of a child begins with its parent's peak.
    if found := _status("VmHWM"):
        return found
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e9 if sys.platform == "darwin" else 1e6)  # bytes there, kB here


def _status(field: str) -> float | None:
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    found = re.search(rf"{field}:\s*(\d+) kB", status.read_text())
    return int(found[1]) / 1e6 if found else None


def _main(report: str, module: str, arguments: list[str]) -> None:
    for name in _CACHES:
        os.environ.pop(name, None)
    sys.argv[:] = [module, *arguments]
    if report == "-":
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        return
    with Programs() as programs:

        def write() -> None:
            Path(report).write_text(json.dumps(programs.to_dict()))

        def leave(status: int, leave_fn: Any = os._exit) -> None:
            write()
            leave_fn(status)

        os._exit = leave  # type: ignore[assignment]  # commands may end that way
        try:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        finally:
            write()


if __name__ == "__main__":
    _main(sys.argv[1], sys.argv[2], sys.argv[3:])
