"""The package in a notebook: what ``%load_ext uhseg_jax`` does.

It says what JAX computes on, and whether that leaves a GPU or a TPU idle; it says what
is compiled while a cell waits for that; it shows errors of ours as their sentences; and
``!`` finds the commands of the package.
"""

from typing import Any

import uhseg_jax
from uhseg_jax.errors import SentenceError
from uhseg_jax.ipython.commands import find_commands
from uhseg_jax.ipython.sentences import Sentences
from uhseg_jax.ipython.stale import stale_packages

__all__ = ["load_ipython_extension", "unload_ipython_extension"]

_LISTENERS = "_uhseg_jax"  # attribute of a shell that has the extension


def load_ipython_extension(shell: Any) -> None:
    """Begins; IPython calls it.

    Args:
      shell: IPython's.

    Raises:
      SentenceError: the session must be restarted first.
      devices.DeviceError: ``JAX_PLATFORMS`` names a kind that there is none of.
    """
    unload_ipython_extension(shell)
    listeners: list[Any] = [Sentences(shell)]
    setattr(shell, _LISTENERS, listeners)
    if stale := stale_packages():
        raise SentenceError(
            f"This session had imported {', '.join(stale)} before another version was "
            "installed; restart it (Runtime > Restart session, or Kernel > Restart), "
            "and run this cell again."
        )
    find_commands()
    # They import JAX, which must be the version that is installed.
    from uhseg_jax import devices
    from uhseg_jax.ipython.compiling import Compiling

    devices.require_devices()
    print(f"uhseg_jax {uhseg_jax.__version__} computes on {devices.computing_on()}.")
    if idle := devices.idle_accelerator():
        print(idle)
    listeners.append(Compiling(shell))


def unload_ipython_extension(shell: Any) -> None:
    """Leaves a shell as it was; IPython calls it."""
    for listener in vars(shell).pop(_LISTENERS, []):
        listener.close()
