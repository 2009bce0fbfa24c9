"""The processes of `jax.distributed`: who does what, and waiting for each other."""

from collections.abc import Callable

import jax
import numpy as np
from jax.experimental import multihost_utils

from uhseg_jax.types import Int

__all__ = ["count", "first_then_others", "gather", "index"]


def index() -> int:
    """Number of this process, from 0."""
    return jax.process_index()


def count() -> int:
    """Number of processes."""
    return jax.process_count()


def first_then_others(action: Callable[[], None], *, name: str) -> None:
    """Lets the first process act before the others do.

    They act on what it left: in a folder that they share they find its files, in one of
    their own they make them.
    """
    if count() == 1:
        action()
        return
    failure: Exception | None = None
    try:
        if index() == 0:
            action()
    except Exception as error:  # the others must not wait for ever
        failure = error
    failed = gather(np.asarray([failure is not None], np.int32))
    if failure is not None:
        raise failure
    if np.any(failed):
        raise RuntimeError(f"{name}: the first process failed; see its message.")
    if index():
        action()
    multihost_utils.sync_global_devices(name)


def gather(words: Int[np.ndarray, " w"]) -> Int[np.ndarray, "processes w"]:
    """The int32 vectors of all processes, in the order of their numbers."""
    if count() == 1:
        return words[None]
    return np.asarray(multihost_utils.process_allgather(words))
