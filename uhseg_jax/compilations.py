"""What JAX compiles in this process, while it does, and how long it did.

JAX tells of every trace, lowering and compilation when it begins and when it ends, in
the thread that does it. Within a thread they are nested; what counts is the outermost.
"""

import functools
import sys
import threading
import time
from typing import Any

import jax.monitoring

__all__ = ["PROGRAMS", "Watch", "watch"]

_EVENTS = "/jax/core/compile/"

# The programs that are compiled ahead are begun by no function of their room.
_BY_NAME = {"_answers": "backbone", "jitted_trees": "method"}
_BY_ROOM = {
    "backbones": "backbone",
    "methods": "method",
    "spectral": "method",
    "superpixels": "method",
    "refinement": "refinement",
    "hierarchy": "trees",
    "metrics": "scores",
    "protocols": "scores",
    "export": "drawings",
}
_OTHERS = "programs"

PROGRAMS = {
    "backbone": "the backbone",
    "method": "the method",
    "refinement": "the refinement",
    "trees": "what trees go through",
    "scores": "the scores",
    "drawings": "the drawings",
    _OTHERS: "programs",
}
"""What programs are called to people, by what they are for."""

_PAUSE = 2.0  # seconds after which what is compiled again is another thing


class Watch:
    """Listens to JAX."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of_thread = threading.local()
        self._now: dict[int, tuple[str, float]] = {}  # by thread: for what, since when
        self._seconds, self._since = 0.0, 0.0
        # By kind: since when, and when it ended last. Tracing, lowering and compiling
        # follow one another.
        self._before: dict[str, tuple[float, float]] = {}

    def now(self) -> tuple[str, float] | None:
        """What is being compiled for longest, and for how many seconds; or None.

        It is one of `PROGRAMS`: "programs" where what they are for is not known.
        """
        with self._lock:
            if not self._now:
                return None
            kind, since = min(self._now.values(), key=lambda x: x[1])
        return kind, time.monotonic() - since

    def seconds(self) -> float:
        """How long something was being compiled, in whatever thread."""
        with self._lock:
            more = time.monotonic() - self._since if self._now else 0.0
            return self._seconds + more

    def on_begin(self, event: str, value: float, **details: Any) -> None:
        """Hears that something begins; a listener of JAX for scalars."""
        del value
        if not event.startswith(_EVENTS):
            return
        begun = self._of_thread.__dict__.setdefault("begun", [])
        begun.append(event)
        if len(begun) > 1:
            return
        kind, time_now = _kind(str(details.get("fun_name", ""))), time.monotonic()
        with self._lock:
            if not self._now:
                self._since = time_now
            since, ended = self._before.get(kind, (time_now, time_now))
            is_new = time_now - ended > _PAUSE
            self._now[threading.get_ident()] = kind, time_now if is_new else since

    def on_end(self, event: str, duration_secs: float, **details: Any) -> None:
        """Hears that something ends; a listener of JAX for durations."""
        del duration_secs, details
        begun = self._of_thread.__dict__.get("begun")
        if not begun or begun[-1] != event:
            return  # what began before anybody listened
        begun.pop()
        if begun:
            return
        with self._lock:
            time_now = time.monotonic()
            if found := self._now.pop(threading.get_ident(), None):
                self._before[found[0]] = found[1], time_now
            if not self._now:
                self._seconds += time_now - self._since


@functools.cache
def watch() -> Watch:
    """The watch of this process, which listens from the first call on."""
    found = Watch()
    jax.monitoring.register_scalar_listener(found.on_begin)
    jax.monitoring.register_event_duration_secs_listener(found.on_end)
    return found


def _kind(function: str) -> str:
    """What a program is for, by its name or by the function of ours that calls it."""
    name = function.removeprefix("jit(").removesuffix(")")
    if name in _BY_NAME:
        return _BY_NAME[name]
    package, _, _ = __name__.rpartition(".")
    frame = sys._getframe(1)
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module.startswith(f"{package}.") and module != __name__:
            room = module.split(".")[1]
            if room in _BY_ROOM:
                return _BY_ROOM[room]
        frame = frame.f_back  # type: ignore[assignment]
    return _OTHERS
