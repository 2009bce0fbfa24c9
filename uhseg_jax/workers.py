"""Processes that call slow functions of arrays for the threads of a run.

Threads share Python's lock, and some compiled functions never let go of it (scipy's
assignment); calls of those take turns however many processors there are. A worker
imports no more of this package than the function does: no JAX, so it starts in half a
second and takes some tens of megabytes.
"""

import contextlib
import pickle
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, TypeVar, runtime_checkable

from uhseg_jax.processes import PACKAGE, PACKAGE_PARENT, ProcessError, kill, start
from uhseg_jax.scratch import scratch_folder

__all__ = ["Call", "WorkerError", "Workers", "call_here"]

Returned = TypeVar("Returned")

# Seconds of a call from which on processes are worth their start.
_SLOW = 0.1
_MOST_SAID = 2000  # characters of what a worker said before it ended

# What a worker runs: calls from standard input, one after the other. A thread hears
# when that is closed because we have ended, be it by SIGKILL, and ends the worker in
# the middle of a call. The package is entered without its own imports.
_PROGRAM = """
import importlib, os, pickle, queue, signal, sys, threading, traceback, types
name, folder = sys.argv[1:]
sys.path.append(folder)
sys.modules[name] = types.ModuleType(name)
sys.modules[name].__path__ = [os.path.join(folder, name)]
requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
os.dup2(2, 1)
calls = queue.SimpleQueue()
def listen():
    try:
        while True:
            calls.put(pickle.load(requests))
    except EOFError:
        pass
    except BaseException:
        traceback.print_exc()
    sys.stderr.flush()
    if hasattr(os, "killpg"):
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(1)
threading.Thread(target=listen, daemon=True).start()
while True:
    module, function, arguments = calls.get()
    try:
        found = getattr(importlib.import_module(module), function)(*arguments)
        reply = found, "", False
    except BaseException as error:
        reply = None, traceback.format_exc(), isinstance(error, MemoryError)
    pickle.dump(reply, replies, protocol=5)
    replies.flush()
"""


class WorkerError(RuntimeError):
    """A call failed in a worker, or its process ended; the message says how."""


@runtime_checkable
class Call(Protocol):
    """How a slow function is called."""

    def __call__(self, function: Callable[..., Returned], *arguments: Any) -> Returned:
        """What the function returns.

        Args:
          function: of a module of this package that imports no JAX, by its name there.
          *arguments: its positional arguments, which can be pickled.
        """
        ...


def call_here(function: Callable[..., Returned], *arguments: Any) -> Returned:
    """A `Call` in the thread of the caller."""
    return function(*arguments)


class Workers:
    """Up to so many processes, started as calls need them; a context.

    Calls are made in the threads that ask until one has taken long; the same numbers
    come out either way. Where no process can be started, that remains so.

    Args:
      most: processes.
      on_note: called with a sentence if none can be started.
    """

    def __init__(self, most: int, on_note: Callable[[str], None] = lambda note: None):
        self._on_note = on_note
        self._free = threading.Semaphore(most)
        self._lock = threading.Lock()
        self._workers: list[_Worker] = []
        self._idle: list[_Worker] = []
        self._stack = contextlib.ExitStack()
        self._is_worth_it = self._is_refused = self._is_closed = False

    def __enter__(self) -> "Workers":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Ends all processes, also those in the middle of a call."""
        del kind, error, traceback
        with self._lock:
            self._is_closed = True
            for worker in self._workers:
                worker.end()
            self._stack.close()

    def call(self, function: Callable[..., Returned], *arguments: Any) -> Returned:
        """A `Call` that several threads may make at once.

        Raises:
          WorkerError: the function failed in a process, or the process did, or all
            were ended.
          MemoryError: there was too little memory in a process.
        """
        if not self._is_worth_it or self._is_refused:
            before = time.monotonic()
            found = function(*arguments)
            self._is_worth_it |= time.monotonic() - before > _SLOW
            return found
        with self._free:
            worker = self._take()
            if worker is not None:
                try:
                    return worker.call(function, *arguments)
                finally:
                    if worker.has_replied:
                        self._idle.append(worker)
        return function(*arguments)

    def _take(self) -> "_Worker | None":
        """One that is idle, or a new one; None if that cannot be started."""
        with self._lock:
            if self._is_closed:
                raise WorkerError("the processes were ended.")
            if self._idle:
                return self._idle.pop()
            try:
                if not self._workers:
                    self._scratch = self._stack.enter_context(scratch_folder())
                worker = _Worker(self._scratch / f"said-{len(self._workers)}")
            except (ProcessError, OSError) as error:
                if not self._is_refused:
                    self._on_note(f"scoring goes on in one process ({error})")
                self._is_refused = True
                return None
            self._workers.append(worker)
            return worker


class _Worker:
    """One process.

    Args:
      said: the file for its standard error, in the folder where it works.

    Attributes:
      has_replied: whether it waits for the next call; not if the last was broken off.

    Raises:
      ProcessError: it cannot be started.
      OSError: the file cannot be written.
    """

    def __init__(self, said: Path):
        self._said = said
        self.has_replied = True
        with said.open("wb") as errors:
            self._process = start(
                _PROGRAM,
                [PACKAGE, PACKAGE_PARENT],
                scratch=said.parent,
                # Workers are as many as processors.
                environment={"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
            )

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        requests, replies = self._process.stdin, self._process.stdout
        assert requests is not None
        assert replies is not None
        request = (function.__module__, function.__qualname__, arguments)
        self.has_replied = False
        try:
            pickle.dump(request, requests, protocol=5)
            requests.flush()
            found, failure, is_memory = pickle.load(replies)
            self.has_replied = True
        except (OSError, EOFError, ValueError, pickle.UnpicklingError) as error:
            self.end()
            raise WorkerError(
                f"a process ended with status {self._process.returncode} while it "
                f"computed {function.__qualname__}; if the memory is short, end other "
                f"programs. {self._last_words()}".rstrip()
            ) from error
        if is_memory:
            raise MemoryError(f"too little memory for {function.__qualname__}")
        if failure:
            raise WorkerError(f"{function.__qualname__} failed: {failure}")
        return found

    def end(self) -> None:
        kill(self._process)
        for stream in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError, ValueError):
                if stream is not None:
                    stream.close()

    def _last_words(self) -> str:
        with contextlib.suppress(OSError):
            return self._said.read_text(errors="replace")[-_MOST_SAID:].strip()
        return ""
