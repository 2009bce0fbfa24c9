"""The processes of `jax.distributed`: who does what, and waiting for each other."""

import itertools
from collections.abc import Callable

import jax
import numpy as np
from jax.experimental import multihost_utils

from uhseg_jax.runs.record import RunError
from uhseg_jax.runs.shards import Share
from uhseg_jax.types import Int

__all__ = [
    "HostsError",
    "all_succeed",
    "count",
    "first_alone",
    "first_then_others",
    "gather",
    "index",
    "join",
    "share",
]


_FOREVER = 2**31 - 1  # milliseconds, the most that a barrier takes: 24 days
_barriers = itertools.count()


class HostsError(RunError):
    """The processes cannot go on together; the message says why."""


def join(
    coordinator: str | None = None,
    processes: int | None = None,
    process: int | None = None,
) -> None:
    """Makes this one of several processes; before anything else is done with JAX.

    Args:
      coordinator: HOST:PORT of the first process; by default the cluster's own.
      processes: how many there are.
      process: which this is, from 0.

    Raises:
      HostsError: they do not find each other.
    """
    try:
        jax.distributed.initialize(coordinator, processes, process)
    except (RuntimeError, ValueError) as error:
        raise HostsError(
            f"the processes cannot start together ({error}); give every one the same "
            "coordinator (HOST:PORT) and number of processes, and a number of its own."
        ) from error


def index() -> int:
    """Number of this process, from 0."""
    return jax.process_index()


def count() -> int:
    """Number of processes."""
    return jax.process_count()


def share() -> Share:
    """The images of this process."""
    return Share(index(), count())


def all_succeed(action: Callable[[], object], *, name: str) -> None:
    """Runs an action in every process and waits until all have finished.

    Args:
      action: what this process does.
      name: of the action, for messages.

    Raises:
      HostsError: another process failed.
    """
    if count() == 1:
        action()
        return
    failure: Exception | None = None
    try:
        action()
    except Exception as error:  # the others must not wait for ever
        failure = error
    failed = gather(np.asarray([failure is not None], np.int32))
    if failure is not None:
        raise failure
    if np.any(failed):
        first = int(np.flatnonzero(np.concatenate(failed))[0])
        raise HostsError(f"{name}: process {first} failed; see its message.")


def first_alone(action: Callable[[], object], *, name: str) -> None:
    """Lets the first process act and the others wait; see `all_succeed`."""
    all_succeed(action if index() == 0 else lambda: None, name=name)


def first_then_others(action: Callable[[], object], *, name: str) -> None:
    """Lets the first process act before the others do.

    They act on what it left: in a folder that they share they find its files, in one of
    their own they make them.

    Args:
      action: what every process does.
      name: of the action, for messages.

    Raises:
      HostsError: another process failed.
    """
    for is_mine in (index() == 0, index() > 0):
        all_succeed(action if is_mine else lambda: None, name=name)


def gather(words: Int[np.ndarray, " w"]) -> list[Int[np.ndarray, " _"]]:
    """The int32 vectors of all processes, in the order of their numbers.

    They may be of any lengths. Waits until all are there, be it for days: shares of
    images are unequal.

    Raises:
      HostsError: another process ended.
    """
    if count() == 1:
        return [words]
    try:
        _wait_for_all()
        # Those that travel together are of one length.
        lengths = _all_of(np.asarray([words.size], np.int32))[:, 0]
        padded = np.pad(words, (0, int(lengths.max()) - words.size))
        gathered = _all_of(padded)
    except RuntimeError as error:
        raise HostsError(f"another process cannot be reached ({error}).") from error
    return [x[:length] for x, length in zip(gathered, lengths, strict=True)]


def _all_of(words: Int[np.ndarray, " w"]) -> Int[np.ndarray, "processes w"]:
    return np.asarray(multihost_utils.process_allgather(words))


def _wait_for_all() -> None:
    """A barrier; collectives of JAX give up after half a minute on CPUs."""
    from orbax.checkpoint import multihost

    key = f"uhseg_jax {next(_barriers)}"
    multihost.get_barrier_sync_fn()(key=key, timeout_ms=_FOREVER)
