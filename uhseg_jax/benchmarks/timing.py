"""Repeated timing, paired: contenders take turns, so that a busy machine hits all."""

import dataclasses
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import jax

__all__ = ["Calls", "Timing", "measure", "paired_ratio"]

Calls = dict[str, Callable[[], Any]]


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
    contenders: Mapping[str, Callable[[], Any]], *, repeats: int, warm_up: bool = True
) -> dict[str, Timing]:
    """Times contenders in turns: ``repeats`` rounds, after one call each to warm up.

    A call is over when what it returns is computed (`jax.block_until_ready`).

    Args:
      contenders: what to call.
      repeats: rounds that count.
      warm_up: whether a round that does not count comes first.
    """
    if warm_up:
        for call in contenders.values():
            _seconds(call)
    rounds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(repeats):
        for name, call in contenders.items():
            rounds[name].append(_seconds(call))
    return {name: Timing(tuple(rounds[name])) for name in contenders}


def paired_ratio(ours: Timing, anchor: Timing) -> float:
    """Median over the rounds of the quotient of two calls of one round."""
    pairs = zip(ours.seconds, anchor.seconds, strict=True)
    return statistics.median(x / y for x, y in pairs)


def _seconds(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    jax.block_until_ready(call())
    return time.perf_counter() - start
