"""Repeated timing, paired: contenders take turns, so that a busy machine hits all."""

import dataclasses
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax

__all__ = ["Timing", "machine", "measure"]


@dataclasses.dataclass(frozen=True)
class Timing:
    """Seconds of one contender.

    Attributes:
      seconds: of every call but the first, which may have compiled.
    """

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """Median of the warm calls, in seconds."""
        return statistics.median(self.seconds)

    def to_dict(self) -> dict[str, float]:
        """JSON-ready: median, fastest and slowest, in seconds."""
        return {
            "median_s": self.median,
            "min_s": min(self.seconds),
            "max_s": max(self.seconds),
        }


def measure(
    contenders: Mapping[str, Callable[[], Any]], *, repeats: int
) -> dict[str, Timing]:
    """Times contenders in turns: one call each to warm up, then ``repeats`` rounds.

    A call is over when what it returns is computed (`jax.block_until_ready`).
    """
    for call in contenders.values():
        _seconds(call)
    rounds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(repeats):
        for name, call in contenders.items():
            rounds[name].append(_seconds(call))
    return {name: Timing(tuple(rounds[name])) for name in contenders}


def _seconds(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    jax.block_until_ready(call())
    return time.perf_counter() - start


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    cores = (
        len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count()
    )
    device = jax.devices()[0]
    return {
        "processor": _processor(),
        "cores": cores,
        "device": f"{device.platform} ({device.device_kind})",
        "python": platform.python_version(),
        "jax": jax.__version__,
        "openblas_num_threads": os.environ.get("OPENBLAS_NUM_THREADS", "default"),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [x.split(":", 1)[1].strip() for x in lines if x.startswith("model name")]
    return names[0] if names else platform.machine()
