"""Where callers enter: JAX set as results need it, and room for compiled programs.

Pure functions are not wrapped: whoever calls them in a program of their own decides on
JAX's settings.
"""

import contextlib
import functools
import gc
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ParamSpec, TypeVar

import jax
import jax.experimental

from uhseg_jax.cache import keep_programs_quietly
from uhseg_jax.devices import require_devices

__all__ = ["entry_point", "forget_programs_if_many", "own_settings"]

Parameters = ParamSpec("Parameters")
Returned = TypeVar("Returned")

_MAPS, _MAX_MAPS = Path("/proc/self/maps"), Path("/proc/sys/vm/max_map_count")
_MOST_MAPS = 45_000  # where the system allows more, the memory of so many is enough
_SHARE_OF_MAPS = 0.7  # of those the system allows
_RISKED = 1.3  # times so many, where the process has nearly all without programs
_MAPS_OF_A_CALL = 2_000  # twice what the largest programs of one image take
_CHUNK = 2**16  # bytes
_calls_before_counting = 0
_counting = threading.Lock()

# Of jax itself from 0.8 on.
_enable_x64 = getattr(jax, "enable_x64", getattr(jax.experimental, "enable_x64", None))


@contextlib.contextmanager
def own_settings() -> Iterator[None]:
    """Gives JAX, in this thread, the settings that results do not record.

    So a tree depends on the image and on the method, not on what else the process does
    with JAX: float32 whatever ``jax_enable_x64`` says, products of our precision, keys
    of one kind.
    """
    with (
        _enable_x64(False),
        jax.default_matmul_precision(None),
        jax.default_prng_impl("threefry2x32"),
        jax.threefry_partitionable(True),
    ):
        yield


def entry_point(
    function: Callable[Parameters, Returned],
) -> Callable[Parameters, Returned]:
    """Runs a function under `own_settings`, with room for what it may compile.

    That is kept for later processes (`cache.keep_programs`).

    Where the devices asked for are not there, it raises `devices.DeviceError`.

    Not for generators, which would leave the settings to their callers.
    """

    @functools.wraps(function)
    def entered(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Returned:
        leaves = jax.tree.leaves((args, kwargs))
        if any(isinstance(x, jax.core.Tracer) for x in leaves):
            return function(*args, **kwargs)  # a part of the caller's own program
        require_devices()
        keep_programs_quietly()
        forget_programs_if_many()
        with own_settings():
            return function(*args, **kwargs)

    return entered


def forget_programs_if_many() -> None:
    """Frees compiled programs before they take all memory maps of the process.

    Linux lets a process map 65,530 pieces of memory, and beyond the compiler crashes.
    The programs of a first image take about a thousand. Those still needed are compiled
    again, or loaded from the cache folder. Where too many maps are of something else,
    programs are given some room all the same, or every call would forget those of the
    call before. While one thread counts, others go on.
    """
    if not _counting.acquire(blocking=False):
        return
    try:
        _forget_if_many()
    finally:
        _counting.release()


def _forget_if_many() -> None:
    global _calls_before_counting
    _calls_before_counting -= 1
    if _calls_before_counting > 0:  # counting takes up to 50 ms
        return
    most, found = _most_maps(), _count_maps()
    if found > most:
        jax.clear_caches()
        gc.collect()
        found = _count_maps()
        if found > most:
            most = int(_RISKED * most)
    _calls_before_counting = (most - found) // _MAPS_OF_A_CALL


def _count_maps() -> int:
    """Pieces of memory that this process maps; 0 where the system does not say."""
    try:
        with _MAPS.open("rb") as maps:  # megabytes of text where there are many
            chunks = iter(lambda: maps.read(_CHUNK), b"")
            return sum(chunk.count(b"\n") for chunk in chunks)
    except OSError:
        return 0


def _most_maps() -> int:
    """How many there may be before programs are forgotten."""
    try:
        return min(_MOST_MAPS, int(_SHARE_OF_MAPS * int(_MAX_MAPS.read_text())))
    except (OSError, ValueError):
        return _MOST_MAPS
