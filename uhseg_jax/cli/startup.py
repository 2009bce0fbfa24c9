"""How commands begin and end: chatter, compiled programs, and errors as sentences."""

import hashlib
import importlib
import logging
import platform
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import jax
import threadpoolctl
from absl import logging as absl_logging

from uhseg_jax.backbones import WeightsError, checkpoint_directory
from uhseg_jax.cli.overrides import UsageError
from uhseg_jax.runs.record import RunError

__all__ = [
    "exit_status",
    "keep_compilations",
    "keep_lapack_serial",
    "keep_quiet",
    "run_command",
]

_SECONDS = 0.2  # compilations that took less are not worth a file


def run_command(main: Callable[[Sequence[str]], int]) -> None:
    """Runs the main function of an installed command."""
    keep_quiet()
    keep_compilations()
    keep_lapack_serial()
    sys.exit(main(sys.argv))


def exit_status(work: Callable[[], int]) -> int:
    """Does the work of a command; what stops it becomes a sentence.

    Returns:
      What the work returns, or 1 if it failed, 2 for a command line that makes no
      sense, 130 if interrupted.
    """
    try:
        return work()
    except KeyboardInterrupt:
        message = "Interrupted; the same command, without --overwrite, goes on here."
        status = 130
    except UsageError as error:
        message, status = str(error), 2
    except (ValueError, OSError, WeightsError, RunError) as error:
        message, status = str(error), 1
    print(message, file=sys.stderr)
    return status


def keep_quiet() -> None:
    """Leaves the terminal to our own messages, unless Python was told to warn."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    # JAX tells at length which accelerators it did not find.
    logging.getLogger("jax").setLevel(logging.ERROR)
    absl_logging.set_verbosity(absl_logging.ERROR)


def keep_compilations() -> None:
    """Lets later runs load what this one compiles, from the user's cache folder.

    A choice of the user's own (``JAX_COMPILATION_CACHE_DIR``) stays.
    """
    if jax.config.values["jax_compilation_cache_dir"] is None:
        folder = checkpoint_directory() / "compiled" / _processor()
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", _SECONDS)


def keep_lapack_serial() -> None:
    """Lets LAPACK use one thread for the small eigenproblems of a cut.

    More are no faster there, and on a loaded machine OpenBLAS's threads wait for each
    other ten to a hundred times as long as they work.
    """
    importlib.import_module("scipy.linalg")  # JAX borrows the LAPACK that this loads
    threadpoolctl.threadpool_limits(1, user_api="blas")


def _processor() -> str:
    """A name for this kind of processor.

    JAX does not tell processors apart, and code compiled for one may not run on another
    that shares the folder.
    """
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
        features = next(x for x in lines if x.startswith(("flags", "Features")))
    except (OSError, StopIteration):
        features = platform.processor()
    described = f"{platform.machine()} {features}"
    return hashlib.sha256(described.encode()).hexdigest()[:12]
