"""Compiling in threads what will be called soon.

While the weights of a model are read and an image is decoded, the programs that they
will go through can be compiled already: their shapes are known. A jitted function finds
what another thread compiled of it for arguments of the same shapes.

The threads are two at most, and do one thing after the other in the order it was begun.
When the process ends, what has not begun is dropped; what is being compiled is waited
for, since the compiler does not bear that the interpreter goes while it works.
"""

import atexit
import collections
import contextlib
import dataclasses
import threading
from collections.abc import Callable, Hashable
from concurrent import futures
from typing import Any, Generic, ParamSpec, TypeVar

import jax
import numpy as np

from uhseg_jax.entry import own_settings

__all__ = ["Arguments", "Program", "begin", "is_compiling"]

Parameters = ParamSpec("Parameters")
Returned = TypeVar("Returned")
# Those that are no constants; `jax.ShapeDtypeStruct` in place of arrays.
Arguments = tuple[Any, ...]

_MOST_THREADS = 2
_MOST_KEYS = 64  # that a program remembers
_lock = threading.Lock()
_queue: collections.deque[Callable[[], object]] = collections.deque()
_threads: set[threading.Thread] = set()  # those at work
_ends = threading.Event()  # the process


@dataclasses.dataclass(frozen=True, eq=False)
class _Work:
    """What is compiled ahead.

    Attributes:
      statics: the constants of the program.
      signature: will be that of its arguments.
      shapes: will be those of what it returns.
      done: ends when it is compiled, or will not be.
    """

    statics: dict[str, Any]
    signature: "futures.Future[Hashable]"
    shapes: "futures.Future[Any]"
    done: "futures.Future[None]"

    def stop(self, error: BaseException) -> None:
        """Tells those that wait that nothing comes, where it has not come."""
        for future in (self.signature, self.shapes):
            if not future.done():
                future.set_exception(error)


class Program(Generic[Parameters, Returned]):
    """A jitted function that can be compiled before it is called.

    A call waits for the thread that compiles what it needs, and for no other. If that
    thread has not come to it, the call compiles by itself; so it does if something goes
    wrong in the thread, and raises what there is to raise.

    Attributes:
      jitted: the function; arguments by name are static.
    """

    def __init__(self, jitted: Callable[Parameters, Returned]) -> None:
        self.jitted: Any = jitted
        self._lock = threading.Lock()
        self._unfinished: list[_Work] = []
        self._shapes: dict[Hashable, futures.Future[Any]] = {}  # by key

    def __call__(self, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Returned:
        """What the function returns, compiled now where it is not yet."""
        if self._unfinished:
            self._wait(args, kwargs)
        returned: Returned = self.jitted(*args, **kwargs)
        return returned

    def compile_soon(
        self,
        key: Hashable,
        arguments: Callable[[], Arguments],
        statics: dict[str, Any],
    ) -> "futures.Future[Any]":
        """Begins to compile for some arguments, once for each key.

        Args:
          key: says which arguments these are.
          arguments: makes those that are no constants, in the thread.
          statics: the constants.

        Returns:
          The shapes of what the program will return, when they are known; or the
          exception that kept them from being known.
        """
        device = _default_device()
        with self._lock:
            if key in self._shapes:
                return self._shapes[key]
            work = _Work(statics, *(futures.Future() for _ in range(3)))
            self._shapes[key] = work.shapes
            self._unfinished.append(work)
            for oldest in [*self._shapes][:-_MOST_KEYS]:
                del self._shapes[oldest]
        try:
            begin(lambda: self._compile(work, arguments, device))
        except RuntimeError as error:  # no thread can be started
            with self._lock:
                self._shapes.pop(key, None)
            self._finish(work, error)
        return work.shapes

    def _compile(
        self, work: _Work, arguments: Callable[[], Arguments], device: Any
    ) -> None:
        """What a thread does: it traces, tells the shapes, and compiles."""
        error: BaseException = futures.CancelledError()
        if not work.done.set_running_or_notify_cancel():
            return
        try:
            with own_settings(), jax.default_device(device):
                args = arguments()
                work.signature.set_result(_signature(args))
                if _ends.is_set():
                    return
                tracing = self.jitted.trace(*args, **work.statics)
                work.shapes.set_result(tracing.out_info)
                if not _ends.is_set():
                    tracing.lower().compile()
        except Exception as found:
            error = found
        finally:
            self._finish(work, error)

    def _finish(self, work: _Work, error: BaseException) -> None:
        with self._lock, contextlib.suppress(ValueError):
            self._unfinished.remove(work)
        work.stop(error)
        if not work.done.done():
            work.done.set_result(None)

    def _wait(self, args: tuple[Any, ...], statics: dict[str, Any]) -> None:
        """Waits, as long as nobody interrupts, for what serves a call."""
        with self._lock:
            works = [x for x in self._unfinished if x.statics == statics]
        for work in works:
            if work.done.cancel():
                self._finish(work, futures.CancelledError())
                continue
            futures.wait([work.signature])
            if work.signature.exception() or work.signature.result() != _signature(
                args
            ):
                continue
            futures.wait([work.done])


def begin(work: Callable[[], object]) -> None:
    """Does something in one of the threads, and forgets what goes wrong in it.

    Args:
      work: is done after what was begun before, for which it may wait.

    Raises:
      RuntimeError: no thread can be started.
    """
    with _lock:
        if len(_threads) < _MOST_THREADS:
            # A daemon, so that commands may leave at any time; otherwise `_finish`
            # waits.
            thread = threading.Thread(
                target=_run, name="uhseg-compile", args=(work,), daemon=True
            )
            try:
                thread.start()
            except RuntimeError:
                if not _threads:
                    raise
                _queue.append(work)
            else:
                _threads.add(thread)
        else:
            _queue.append(work)


def is_compiling() -> bool:
    """Whether threads are still at work, for whom nobody need wait."""
    return bool(_threads)


def _run(work: Callable[[], object] | None) -> None:
    while work is not None:
        with contextlib.suppress(Exception):
            work()
        with _lock:
            work = _queue.popleft() if _queue else None
            if work is None:
                _threads.discard(threading.current_thread())


def _signature(args: tuple[Any, ...]) -> Hashable:
    """What one program serves, besides its constants."""
    leaves, structure = jax.tree.flatten(args)
    shapes = tuple((np.shape(x), getattr(x, "dtype", type(x))) for x in leaves)
    return structure, shapes


def _default_device() -> Any:
    """Of this thread, where `jax.config.values` has that of all; None: the first."""
    return getattr(jax.config, "jax_default_device")  # noqa: B009


@atexit.register
def _finish() -> None:
    _ends.set()
    with _lock:
        _queue.clear()
    for thread in tuple(_threads):
        thread.join()
