"""The folder in which weights and compiled programs are kept between processes."""

import contextlib
import functools
import hashlib
import os
import platform
import stat
import tempfile
import warnings
from pathlib import Path

import jax
import platformdirs

from uhseg_jax.files import expand_home
from uhseg_jax.processor import instructions

__all__ = ["checkpoint_directory", "keep_programs", "keep_programs_quietly"]

_FOLDER = "UHSEG_CACHE"
_SWITCH = "UHSEG_KEEP_PROGRAMS"  # "0": compiled programs are not kept
_DIRECTORY = "jax_compilation_cache_dir"
_LEAST_SECONDS = "jax_persistent_cache_min_compile_time_secs"
_JAX_SECONDS = 1.0  # where nobody has chosen
_SECONDS = 0.05  # compilations that took less are not worth a file
_MOST_BYTES = 2**30  # of compiled programs; far more than those of one version are


def checkpoint_directory(directory: str | os.PathLike[str] | None = None) -> Path:
    """The folder that converted weights are kept in, and compiled programs.

    Args:
      directory: the user's choice; None for the environment variable ``UHSEG_CACHE``
        or else the user's cache folder of this platform.

    Returns:
      An absolute path; it need not exist.

    Raises:
      FileNotFoundError: it is below a home that is not known.
    """
    chosen = directory or os.environ.get(_FOLDER)
    if not chosen:
        try:
            chosen = platformdirs.user_cache_dir("uhseg_jax", appauthor=False)
        except RuntimeError:  # of versions that look for the home themselves
            chosen = "~"
    return expand_home(chosen).absolute()


@functools.cache
def keep_programs_quietly() -> None:
    """Calls `keep_programs` once; what it says becomes a warning."""
    if trouble := keep_programs():
        warnings.warn(trouble, stacklevel=4)


def keep_programs() -> str:
    """Lets later processes load what this one compiles, from the cache folder.

    It sets JAX for the whole process: what else the process compiles is kept there too.
    A folder that the user has given JAX (``JAX_COMPILATION_CACHE_DIR``) stays, and so
    does the time that a compilation must take to be kept
    (``JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS``). Nothing
    is kept with ``UHSEG_KEEP_PROGRAMS=0``, or where JAX's own cache is switched off
    (``JAX_ENABLE_COMPILATION_CACHE=0``).

    Returns:
      A sentence on why nothing can be kept; empty if it can, or is not to be.
    """
    values = jax.config.values
    is_on = os.environ.get(_SWITCH) != "0" and values["jax_enable_compilation_cache"]
    if not is_on or values[_DIRECTORY] is not None:
        return ""
    try:
        folder = checkpoint_directory() / "compiled" / _processor()
    except FileNotFoundError:  # no home, and the weights may be elsewhere
        return ""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        return (
            f"{folder}: compiled programs cannot be kept there "
            f"({error.strerror or error}), so the next run compiles them again."
        )
    _forget_oldest(folder.parent)
    jax.config.update(_DIRECTORY, str(folder))
    is_chosen = _LEAST_SECONDS.upper() in os.environ
    if not is_chosen and values[_LEAST_SECONDS] == _JAX_SECONDS:
        jax.config.update(_LEAST_SECONDS, _SECONDS)
    return ""


def _forget_oldest(folder: Path) -> None:
    """Deletes the programs written first, until half of what may be kept is left.

    Those for other kinds of processors count, which have folders of their own.

    JAX does as much only with the help of a package that it does not bring.
    """
    with contextlib.suppress(OSError):  # another process may be at it
        files = [(x.stat(), x) for x in folder.glob("*/*")]
        files = [(found, x) for found, x in files if stat.S_ISREG(found.st_mode)]
        total = sum(found.st_size for found, _ in files)
        if total <= _MOST_BYTES:
            return
        for found, path in sorted(files, key=lambda x: x[0].st_mtime):
            if total <= _MOST_BYTES // 2:
                return
            path.unlink(missing_ok=True)
            total -= found.st_size


def _processor() -> str:
    """A name for this kind of processor.

    JAX does not tell processors apart, and code compiled for one may not run on another
    that shares the folder.
    """
    described = f"{platform.machine()} {instructions()}"
    return hashlib.sha256(described.encode()).hexdigest()[:12]
