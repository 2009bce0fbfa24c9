"""What commands do before anything else: silence chatter, keep compiled programs."""

import hashlib
import importlib
import logging
import platform
import sys
import warnings
from pathlib import Path

import jax
import threadpoolctl
from absl import logging as absl_logging

from uhseg_jax.backbones import checkpoint_directory

__all__ = ["keep_compilations", "keep_lapack_serial", "keep_quiet"]

_SECONDS = 0.2  # compilations that took less are not worth a file


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
