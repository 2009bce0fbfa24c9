"""Interrupts that are heard at once, wherever the process is.

Python raises KeyboardInterrupt when its own code goes on, which a compilation delays by
up to a minute; and where C++ called that code, the exception is printed and lost. So a
thread listens as well: it lets the process leave when the first interrupt was not heard
in time, at once at the second, and repeats one that was lost.
"""

import _thread
import os
import select
import signal
import sys
import threading
import time
from types import FrameType
from typing import Any

from uhseg_jax.files import remove_open_parts

__all__ = ["SENTENCE", "STATUS", "check", "leave", "listen"]

STATUS = 130
SENTENCE = "Interrupted; the same command, without --overwrite, goes on here."

_PATIENCE = 2.0  # seconds until the process leaves without its main thread
_PAUSE = 0.05
_LOST = b"\0"  # no signal has this number
_heard = threading.Event()  # the main thread has raised KeyboardInterrupt


def listen() -> None:
    """Hears interrupts from now on, unless the process is to ignore them."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.signal(signal.SIGINT, _raise)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    report = sys.unraisablehook

    def hook(lost: Any) -> None:
        if issubclass(lost.exc_type, KeyboardInterrupt):
            os.write(writing, _LOST)
        else:
            report(lost)

    sys.unraisablehook = hook
    threading.Thread(target=_watch, args=(reading,), daemon=True).start()


def check() -> None:
    """Raises KeyboardInterrupt if one was raised before, and lost.

    Raises:
      KeyboardInterrupt: see above.
    """
    if _heard.is_set():
        raise KeyboardInterrupt


def leave(status: int = STATUS) -> None:
    """Ends the process now, with nothing half-written behind it."""
    remove_open_parts()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    os._exit(status)


def _raise(number: int, frame: FrameType | None) -> None:
    del number, frame
    _heard.set()
    raise KeyboardInterrupt


def _watch(reading: int) -> None:
    """Waits for the numbers of signals, and for exceptions that were lost."""
    count = repeats = 0
    while found := os.read(reading, 1):
        if found == _LOST:
            time.sleep(_PAUSE)  # until what lost it has returned
            repeats += 1
            _heard.clear()
            _thread.interrupt_main()  # whose number comes here as well
        elif found[0] == signal.SIGINT:
            if repeats:
                repeats -= 1
            else:
                count += 1
            if count > 1 or not _reacts(reading):
                print(SENTENCE, file=sys.stderr)
                leave()


def _reacts(reading: int) -> bool:
    """Whether the main thread raises in time, or the next signal comes before."""
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        if _heard.wait(_PAUSE) or select.select([reading], [], [], 0)[0]:
            return True
    return False
