"""Names of regions in a run: results get them on their way to the files."""

import dataclasses
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from uhseg_jax.export.result import Result

if TYPE_CHECKING:
    from uhseg_jax.naming import Namer

__all__ = ["Complete", "naming"]

# Makes of a result one that holds all that formats write.
Complete = Callable[[Result], Result]


def naming(namer: "Namer") -> Complete:
    """What gives results their names; in any thread, one image at a time."""
    turn = threading.Lock()

    def named(result: Result) -> Result:
        with turn:  # one forward takes all processors, and the memory of one
            names = namer(result.tree, result.pixels)
        return dataclasses.replace(result, names=names.indices)

    return named
