"""Errors of this package as sentences in a notebook, those of other code as ever.

A message of ours says what was expected, what was found and what to do; where it was
raised matters to nobody. What led to it does: the line of the cell. ``%tb`` shows the
whole traceback.
"""

import dis
import linecache
import sys
import traceback
from types import FrameType
from typing import Any

import uhseg_jax
from uhseg_jax.errors import SentenceError

__all__ = ["Sentences", "sentence_of"]

_RED, _PLAIN = "\x1b[0;31m", "\x1b[0m"
_ADVICE = "%tb shows the whole traceback."
_NO_MEMORY = (
    "There is not enough memory. Give a smaller image, grid or model, or restart the "
    "session to free what it holds."
)


class Sentences:
    """Stands before what a shell shows errors with.

    Args:
      shell: IPython's.
    """

    def __init__(self, shell: Any):
        self._shell = shell
        self._show, self._show_custom = shell.showtraceback, shell.CustomTB
        shell.showtraceback, shell.CustomTB = self._any, self._custom

    def close(self) -> None:
        """Steps aside, unless somebody else has come before it since."""
        if self._shell.showtraceback == self._any:
            self._shell.showtraceback = self._show
        if self._shell.CustomTB == self._custom:
            self._shell.CustomTB = self._show_custom

    def _any(self, *args: Any, **kwargs: Any) -> None:
        """In place of ``showtraceback``, which cells and ``%tb`` call."""
        of_a_cell = kwargs.get("running_compiled_code") and not args
        if not (of_a_cell and self._shown(sys.exc_info()[1])):
            self._show(*args, **kwargs)

    def _custom(self, etype: Any, value: Any, tb: Any, tb_offset: Any = None) -> Any:
        """In place of ``CustomTB``, which Colab has of its own for some errors."""
        if self._shown(value):
            return None
        return self._show_custom(etype, value, tb, tb_offset)

    def _shown(self, error: BaseException | None) -> bool:
        """Shows an error if it is one of ours; whether it did."""
        if not isinstance(error, Exception):
            return False
        lines = sentence_of(error, self._shell.user_global_ns)
        if not lines:
            return False
        # Where %tb looks.
        sys.last_type, sys.last_value = type(error), error
        sys.last_traceback = error.__traceback__
        self._shell._showtraceback(type(error), error, lines)
        return True


def sentence_of(error: Exception, names: dict[str, Any]) -> list[str]:
    """What a notebook shows of an error, in lines; none if it is not one of ours.

    Ours are those that a ``raise`` of this package raised, `SentenceError` wherever it
    was raised, files that this package could not open, and the lack of memory for what
    it computes.

    Args:
      error: with its traceback.
      names: the global ones of cells, by which their frames are known.
    """
    frames = list(traceback.walk_tb(error.__traceback__))
    first = next((i for i, (x, _) in enumerate(frames) if _is_ours(x)), None)
    if first is None and not isinstance(error, SentenceError):
        return []
    text = str(error)
    if not isinstance(error, SentenceError) and not _is_raised_by_us(error):
        if isinstance(error, OSError) and error.filename is not None:
            text = f"{error.filename}: {error.strerror}"
        elif _is_out_of_memory(error):
            text = _NO_MEMORY
        else:
            return []
    lines = [f"{_RED}{type(error).__name__}{_PLAIN}: {text}"]
    of_cells = [(x, line) for x, line in frames[:first] if x.f_globals is names]
    if of_cells:
        frame, number = of_cells[-1]
        code = linecache.getline(frame.f_code.co_filename, number).strip()
        lines.append(f"Line {number} of the cell: {code}")
    return [*lines, _ADVICE]


def _is_ours(frame: FrameType) -> bool:
    name = frame.f_globals.get("__name__", "")
    return f"{name}.".startswith(f"{uhseg_jax.__name__}.")


def _is_raised_by_us(error: Exception) -> bool:
    """Whether a ``raise`` in this package raised it, not what it calls."""
    innermost = error.__traceback__
    while innermost is not None and innermost.tb_next is not None:
        innermost = innermost.tb_next
    if innermost is None or not _is_ours(innermost.tb_frame):
        return False
    code = innermost.tb_frame.f_code.co_code
    return dis.opname[code[innermost.tb_lasti]] == "RAISE_VARARGS"


def _is_out_of_memory(error: Exception) -> bool:
    from uhseg_jax.memory import is_out_of_memory  # JAX

    return is_out_of_memory(error)
