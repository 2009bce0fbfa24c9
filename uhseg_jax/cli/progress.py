"""How far a run is: a bar that says what is waited for, and how long it will be."""

import collections
import contextlib
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any

from tqdm import tqdm

from uhseg_jax.cli import interrupts, terminal
from uhseg_jax.compilations import PROGRAMS, watch

__all__ = ["Bar", "Remaining", "kinds_of"]

_PAUSE = 0.5  # seconds between two looks at what is compiled
_WORTH_SAYING = 1.0  # seconds that something must have been compiled for
_WORTH_A_LINE = 5.0  # where no bar can be redrawn
_WINDOW = 64  # the last images, by which those to come are judged
_FORMAT = "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}{postfix}]"


def kinds_of(*, model: str, method: str) -> Mapping[str, str]:
    """What a bar calls programs, where the model and the method have these names."""
    named = {"backbone": f"the backbone {model}", "method": f"the method {method}"}
    return {**PROGRAMS, **named}


class Remaining:
    """How long the rest will take, by the last images, without compilation.

    Args:
      total: how many there are.
      at_once: how many may come together.
    """

    def __init__(self, total: int, at_once: int = 1):
        self._total, self._at_once = total, at_once
        self._last = collections.deque[tuple[int, float]](maxlen=_WINDOW + 1)

    def add(self, done: int, seconds: float) -> None:
        """Hears how many are done after so many seconds without compilation."""
        self._last.append((done, seconds))

    def text(self) -> str:
        """Such as "about 3 min left"; empty where that cannot be said."""
        if len(self._last) < 3:  # the beginning and two that are done
            return ""
        (first, begin), (last, end) = self._last[0], self._last[-1]
        second, later = self._last[1]
        if last - second >= self._at_once:
            # The first one came late: it went through all stages while none overlapped.
            first, begin = second, later
        if last <= first or last >= self._total:
            return ""
        seconds = (end - begin) / (last - first) * (self._total - last)
        return f"about {_duration(seconds)} left"


def _duration(seconds: float) -> str:
    if seconds < 99.5:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{round(minutes / 60)} h"


class Bar:
    """How far a run is, on the standard error output.

    Where that is a terminal it also says, twice a second, what is being compiled. Where
    it is not, a line says so once of everything that takes some seconds.

    Args:
      total: images, in all passes.
      kinds: what programs are called, of `kinds_of`.
      unit: what is counted.
      at_once: how many may come together.
    """

    def __init__(
        self,
        total: int,
        *,
        kinds: Mapping[str, str] = PROGRAMS,
        unit: str = "image",
        at_once: int = 1,
    ):
        self._watch, self._kinds = watch(), kinds
        self._remaining = Remaining(total, at_once)
        self._shown = f"waiting for the first {unit}"
        self._told: set[str] = set()
        self._ends = threading.Event()
        self._bar = tqdm(total=total, unit=unit, dynamic_ncols=True, bar_format=_FORMAT)
        self._begin = time.monotonic(), self._watch.seconds()
        self._remaining.add(0, 0.0)
        self._is_terminal = _is_terminal()
        self._thread = threading.Thread(target=self._tick, daemon=True)
        self._thread.start()

    def __enter__(self) -> "Bar":
        return self

    def __exit__(self, *_: Any) -> None:
        self._ends.set()
        self._thread.join()
        self._describe(compiling=False)
        self._bar.close()

    @property
    def done(self) -> int:
        """Images so far."""
        return int(self._bar.n)

    def move(self, done: int, shown: str) -> None:
        """Shows how many are done, and a text behind the bar.

        Raises:
          KeyboardInterrupt: an interrupt was swallowed since the last move.
        """
        self._shown = terminal.printable(shown, one_line=True)
        begin, compiled = self._begin
        seconds = time.monotonic() - begin - (self._watch.seconds() - compiled)
        self._remaining.add(done, seconds)
        self._describe()
        self._bar.update(done - self._bar.n)
        interrupts.check()

    def err(self, text: str) -> None:
        """Prints a line above the bar."""
        terminal.err(terminal.printable(text, one_line=True))

    def _tick(self) -> None:
        while not self._ends.wait(_PAUSE):
            found = self._watch.now()
            if self._is_terminal:
                self._describe()
                self._bar.refresh()
            elif found and found[1] > _WORTH_A_LINE and found[0] not in self._told:
                self._told.add(found[0])
                self.err(f"Compiling {self._kinds[found[0]]}; it takes a while.")

    def _describe(self, *, compiling: bool = True) -> None:
        """Puts what there is to say behind the bar, without drawing it."""
        parts = [self._remaining.text(), self._shown]
        found = self._watch.now() if compiling else None
        if found and found[1] > _WORTH_SAYING:
            parts = [f"compiling {self._kinds[found[0]]}, {found[1]:.0f} s"]
        self._bar.set_postfix_str(", ".join(filter(None, parts)), refresh=False)


def _is_terminal() -> bool:
    with contextlib.suppress(AttributeError, ValueError, OSError):
        return sys.stderr.isatty()
    return False
