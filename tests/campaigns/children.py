"""Commands run in children that are forked from a process with everything imported.

A command takes seconds to import and far less to do its work on a small input, so a
campaign of hundreds of runs imports once. No JAX backend may be alive in the parent:
its threads would not exist in the children.
"""

import atexit
import contextlib
import ctypes
import dataclasses
import fcntl
import importlib
import os
import resource
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import jax
from jax._src import xla_bridge

from uhseg_jax.cli import startup

__all__ = [
    "SERVANTS",
    "Child",
    "Ending",
    "Main",
    "Place",
    "import_early",
    "run",
    "start",
    "strays",
]

Main = Callable[[Sequence[str]], int]

SERVANTS: set[int] = set()  # processes of the campaign itself, which are no strays

_LIBC = ctypes.CDLL(None, use_errno=True)
_SUBREAPER = 36  # prctl: orphans of our children become our children
_DROP = 24  # prctl: what is run from here on lacks a capability too
_PIPE = 1 << 20  # bytes
_OVERRIDES = (1, 2)  # capabilities by which the superuser may read and write anything
# What commands import late; Orbax and TensorFlow start no threads before they work.
_LATE = (
    *("scipy.linalg", "onnx", "safetensors", "flax.serialization", "PIL.Image"),
    *("orbax.checkpoint", "pycocotools.mask", "skimage.data", "threadpoolctl"),
)
# Audit events of a process that is started, whoever starts it.
_STARTS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork")


@dataclasses.dataclass(frozen=True)
class Place:
    """What a run finds around it.

    Attributes:
      folder: the current folder.
      tmp: the folder for temporary files.
      env: variables on top of those of this process; None as a value unsets one.
      file_size: the most bytes that a file may have.
      memory: the most bytes that it may allocate.
      is_bound: whether permissions count although the superuser runs it.
      cores: processors to run on.
      stdout: what to write to, in place of what is kept in `Ending.said`.
    """

    folder: Path
    tmp: Path
    env: Mapping[str, str | None] = dataclasses.field(default_factory=dict)
    file_size: int | None = None
    memory: int | None = None
    is_bound: bool = False
    cores: frozenset[int] | None = None
    stdout: str | None = None


@dataclasses.dataclass(frozen=True)
class Ending:
    """How a run ended.

    Attributes:
      status: its exit status; the negative number of the signal that ended it.
      said: what it wrote to the terminal.
      events: processes that it started.
      peak: bytes of memory, at most, of it or of a process that it waited for.
      seconds: of wall time.
    """

    status: int
    said: str
    events: tuple[str, ...]
    peak: int
    seconds: float

    @property
    def fault(self) -> str:
        """What no run may do, whatever its input; empty if it did not."""
        if "Traceback (most recent call last)" in self.said:
            lines = [x for x in self.said.splitlines() if x and not x.startswith(" ")]
            return f"a traceback: {lines[-1][:300]}"
        if self.status < 0:
            return f"ended by {signal.Signals(-self.status).name}"
        if self.status not in (0, 1, 2, 130):
            return f"exit status {self.status}"
        if self.status == 1 and not self.said.strip():
            return "exit status 1 without a sentence"
        return ""

    @property
    def sentence(self) -> str:
        """The last that it said."""
        return (self.said.strip().splitlines() or ["nothing"])[-1][:300]


class Child:
    """A run that has begun."""

    def __init__(self, pid: int, said: int, events: int):
        self.pid, self._pipes = pid, (said, events)
        self._read = (bytearray(), bytearray())
        self._began = time.monotonic()

    def kill(self, number: signal.Signals) -> None:
        """Sends a signal, if the child is there yet."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def wait(self, seconds: float = 600.0) -> Ending:
        """Waits for the end; a run that takes longer is killed, and so it ended."""
        deadline = time.monotonic() + seconds
        while True:
            pid, code, usage = os.wait4(self.pid, os.WNOHANG)
            for pipe, read in zip(self._pipes, self._read, strict=True):
                with contextlib.suppress(BlockingIOError):
                    while data := os.read(pipe, _PIPE):
                        read += data
            if pid:
                break
            if time.monotonic() > deadline:
                self.kill(signal.SIGKILL)
            time.sleep(0.002)
        for pipe in self._pipes:
            os.close(pipe)
        said, events = (read.decode(errors="replace") for read in self._read)
        return Ending(
            os.waitstatus_to_exitcode(code),
            said,
            tuple(events.splitlines()),
            usage.ru_maxrss * 1024,
            time.monotonic() - self._began,
        )


def import_early(*others: str) -> None:
    """Imports what the commands import, and takes orphans in from here on."""
    for name in (*_LATE, *others):
        importlib.import_module(name)
    _LIBC.prctl(_SUBREAPER, 1, 0, 0, 0)


def start(main: Main, argv: Sequence[Any], place: Place) -> Child:
    """Begins a command in a child.

    Args:
      main: the command's main function.
      argv: its command line, with the name of the command first.
      place: what the run finds around it.
    """
    assert not xla_bridge.backends_are_initialized(), "the children would hang"
    sys.stdout.flush()
    sys.stderr.flush()
    # Not files, whose size and disk may be limited for the run.
    (said, say), (events, note) = os.pipe(), os.pipe()
    for pipe in (said, events):
        os.set_blocking(pipe, False)
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE)
    pid = os.fork()
    if not pid:
        _become(main, [str(x) for x in argv], place, say, note)
    os.close(say)
    os.close(note)
    return Child(pid, said, events)


def run(
    main: Main, argv: Sequence[Any], place: Place, *, seconds: float = 600.0
) -> Ending:
    """Runs a command to its end; see `start`."""
    return start(main, argv, place).wait(seconds)


def strays(grace: float = 3.0) -> list[str]:
    """Ends the processes that runs left alive, and says which they were.

    Args:
      grace: seconds that they have to end by themselves.
    """
    deadline = time.monotonic() + grace
    while (pids := _children()) and time.monotonic() < deadline:
        time.sleep(0.02)
    found = []
    for pid in pids:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
        found.append(command.decode(errors="replace").strip()[:120] or f"process {pid}")
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    _children()
    return found


def _children() -> list[int]:
    """Children that runs left alive, where no run goes on; dead ones are buried."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    pids = []
    for path in Path(f"/proc/{os.getpid()}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            pids += [int(x) for x in path.read_text().split()]
    return [x for x in pids if x not in SERVANTS]


def _become(main: Main, argv: list[str], place: Place, say: int, note: int) -> NoReturn:
    """Turns this child into a run of a command, from the first to the last thing."""
    status = 70
    try:
        _settle(place, say, note)
        sys.argv = argv
        startup.run_command(main)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException:
        traceback.print_exc()
    finally:
        try:
            threading._shutdown()  # type: ignore[attr-defined]
            atexit._run_exitfuncs()
            sys.stdout.flush()
        except BaseException:
            traceback.print_exc()
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()
        os._exit(status)


def _settle(place: Place, say: int, events: int) -> None:
    os.setsid()
    for name, value in {"TMPDIR": str(place.tmp), **place.env}.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value
    tempfile.tempdir = None
    os.chdir(place.folder)
    os.dup2(say, 2)
    os.dup2(os.open(place.stdout, os.O_WRONLY) if place.stdout else say, 1)
    os.close(say)
    # As Python opens them; those of the parent belong to another kind of file.
    text: dict[str, Any] = {"encoding": "utf-8", "closefd": False}
    sys.stdout = open(1, "w", **text)  # noqa: SIM115
    sys.stderr = open(2, "w", 1, errors="backslashreplace", **text)  # noqa: SIM115
    if place.cores is not None:
        os.sched_setaffinity(0, place.cores)
    folder = os.environ.get("JAX_COMPILATION_CACHE_DIR")  # was read at the import
    jax.config.update("jax_compilation_cache_dir", folder)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    if place.is_bound:
        _let_permissions_count()
    if place.memory is not None:
        resource.setrlimit(resource.RLIMIT_DATA, (place.memory, place.memory))
    if place.file_size is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # as Python does at its start
        limits = (place.file_size, place.file_size)
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _STARTS:
            os.write(events, f"{event} {arguments!r:.200}\n".encode(errors="replace"))

    sys.addaudithook(note)


def _let_permissions_count() -> None:
    """Takes from this process what lets the superuser pass over permissions."""
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted and inheritable, twice
    if _LIBC.capget(header, sets):
        return
    for capability in _OVERRIDES:
        _LIBC.prctl(_DROP, capability, 0, 0, 0)
        for index in range(3):
            sets[index] &= ~(1 << capability)
    _LIBC.capset(header, sets)
