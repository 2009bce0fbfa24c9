"""Names of regions in a run: results get them on their way to the files."""

import dataclasses
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from uhseg_jax.export.result import Result

if TYPE_CHECKING:
    from uhseg_jax.naming.namer import Namer

__all__ = ["Complete", "Naming"]

# Makes of a result one that holds all that formats write.
Complete = Callable[[Result], Result]


class Naming:
    """Gives results their names; in any thread, one image at a time.

    Args:
      namer: what names regions.
    """

    def __init__(self, namer: "Namer"):
        self._namer = namer
        self._turn = threading.Lock()
        self._named = self._regions = 0

    def __call__(self, result: Result) -> Result:
        """The result with names."""
        with self._turn:  # one forward takes all processors, and the memory of one
            found = self._namer(result.tree, result.pixels)
            self._named += int((found.indices >= 0).sum())
            self._regions += len(found)
        return dataclasses.replace(result, names=found.indices)

    def summary(self) -> str:
        """How many regions got a name, in a sentence."""
        advice = ""
        if not self._named and self._regions:
            advice = " Other labels, or a lower --labels_threshold, may fit."
        return f"{self._named} of {self._regions} regions have a name.{advice}"
