"""How commands begin and end: chatter, compiled programs, and errors as sentences."""

import importlib
import logging
import sys
import warnings
from collections.abc import Callable, Sequence

import jax
import threadpoolctl
from absl import logging as absl_logging

import uhseg_jax
from uhseg_jax import ahead, cache
from uhseg_jax.cli import interrupts, terminal
from uhseg_jax.cli.overrides import UsageError
from uhseg_jax.entry import own_settings
from uhseg_jax.errors import SentenceError
from uhseg_jax.memory import is_out_of_memory

__all__ = [
    "exit_status",
    "keep_compilations",
    "keep_lapack_serial",
    "keep_quiet",
    "run_command",
]

_NO_MEMORY = (
    "There is not enough memory. Give a smaller --batch_size, --grid or --model, or "
    "end other programs; what is finished stays, and the same command goes on."
)


def run_command(
    main: Callable[[Sequence[str]], int],
    *,
    prepare: Sequence[Callable[[], None]] | None = None,
) -> None:
    """Runs the main function of an installed command, and ends the process.

    Args:
      main: takes the command line and returns an exit status.
      prepare: what is done before; by default the three functions of this module.
    """
    terminal.guard_streams()
    if prepare is None:
        prepare = [keep_quiet, keep_compilations, keep_lapack_serial]

    def work() -> int:
        interrupts.listen()
        for step in prepare:
            step()
        return main(sys.argv)

    status = exit_status(work)
    terminal.tell_of_losses()
    # Threads at work need not be waited for; other processes of a cluster do wait until
    # this one takes leave of them.
    is_compiling = ahead.is_compiling() and not jax.distributed.is_initialized()
    if status == interrupts.STATUS or is_compiling:
        interrupts.leave(status)
    sys.exit(status)


def exit_status(work: Callable[[], int]) -> int:
    """Does the work of a command; what stops it becomes a sentence.

    Returns:
      What the work returns, or 1 if it failed, 2 for a command line that makes no
      sense, 130 if interrupted.
    """
    try:
        with own_settings():
            return work()
    except KeyboardInterrupt:
        message, status = interrupts.SENTENCE, interrupts.STATUS
    except UsageError as error:
        message, status = str(error), 2
    except (ValueError, OSError, SentenceError) as error:
        message, status = str(error), 1
    except (MemoryError, jax.errors.JaxRuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        message, status = f"{_NO_MEMORY} ({_first_line(error)})", 1
    terminal.err(message)
    return status


def _first_line(error: BaseException) -> str:
    """What an exception says, or else what it is called."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def keep_quiet() -> None:
    """Leaves the terminal to our own messages, unless Python was told to warn."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    # JAX tells at length which accelerators it did not find.
    logging.getLogger("jax").setLevel(logging.ERROR)
    absl_logging.set_verbosity(absl_logging.ERROR)
    own = logging.getLogger(uhseg_jax.__name__)
    own.handlers, own.propagate = [_Notices(logging.WARNING)], False
    own.setLevel(logging.WARNING)


class _Notices(logging.Handler):
    """What the package logs, as the commands print it."""

    def emit(self, record: logging.LogRecord) -> None:
        """Prints a notice."""
        terminal.err(record.getMessage())


def keep_compilations() -> None:
    """Lets later runs load what this one compiles; see `cache.keep_programs`."""
    if trouble := cache.keep_programs():
        terminal.err(trouble)


def keep_lapack_serial() -> None:
    """Lets LAPACK use one thread for the small eigenproblems of a cut.

    More are no faster there, and on a loaded machine OpenBLAS's threads wait for each
    other ten to a hundred times as long as they work.
    """
    importlib.import_module("scipy.linalg")  # JAX borrows the LAPACK that this loads
    threadpoolctl.threadpool_limits(1, user_api="blas")
