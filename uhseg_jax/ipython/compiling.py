"""A line in the output of a cell that waits for programs to be compiled."""

import threading
from typing import Any

from uhseg_jax.compilations import PROGRAMS, watch

__all__ = ["Compiling"]

_PAUSE = 0.5  # seconds between two looks
_WORTH_A_LINE = 3.0  # seconds that something must have been compiled for


class Compiling:
    """Prints what is compiled, once of every kind in a cell.

    Args:
      shell: IPython's, whose cells it follows.
    """

    def __init__(self, shell: Any):
        self._shell, self._watch = shell, watch()
        self._ends = threading.Event()
        shell.events.register("pre_run_cell", self._begin)
        shell.events.register("post_run_cell", self._end)

    def close(self) -> None:
        """Follows no more cells."""
        self._ends.set()
        self._shell.events.unregister("pre_run_cell", self._begin)
        self._shell.events.unregister("post_run_cell", self._end)

    def _begin(self, info: Any) -> None:
        del info
        self._ends = threading.Event()
        threading.Thread(target=self._follow, args=(self._ends,), daemon=True).start()

    def _end(self, result: Any) -> None:
        del result
        self._ends.set()

    def _follow(self, ends: threading.Event) -> None:
        told: set[str] = set()
        while not ends.wait(_PAUSE):
            found = self._watch.now()
            if found and found[1] > _WORTH_A_LINE and found[0] not in told:
                told.add(found[0])
                print(f"Compiling {PROGRAMS[found[0]]}; it takes a while, once.")
