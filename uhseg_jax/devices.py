"""The devices that JAX is told to use, and what to do where they are not there."""

import functools

import jax
import jax.extend.backend

from uhseg_jax.errors import SentenceError

__all__ = ["KINDS", "DeviceError", "choose_devices", "require_devices"]

KINDS = ("cpu", "gpu", "tpu")
"""Names of kinds of devices."""

_INSTALL = {
    **dict.fromkeys(("cuda", "gpu"), "pip install 'jax[cuda13]'"),
    "tpu": "pip install 'jax[tpu]'",
    "rocm": "pip install 'jax[rocm7-local]'",
}


class DeviceError(SentenceError):
    """There is no device of the kind asked for; the message says what there is."""


def choose_devices(kind: str) -> None:
    """Lets JAX use devices of one kind, whatever ``JAX_PLATFORMS`` says.

    Args:
      kind: one of `KINDS`. Of accelerators there must be one; the processor stays there
        beside them.

    Raises:
      DeviceError: there is none, or JAX has begun with another.
    """
    # Not "gpu": JAX would insist on those of every maker.
    jax.config.update("jax_platforms", "cpu" if kind == "cpu" else None)
    try:
        jax.devices(kind)
        if jax.default_backend() == kind:
            return
        reason = f"JAX has begun with {jax.default_backend()}"
    except (RuntimeError, AssertionError) as error:
        reason = str(error)
    install = f"install what it needs with {_INSTALL[kind]}, or " * (kind in _INSTALL)
    raise DeviceError(
        f"--device={kind}: expected such a device, but JAX finds only "
        f"{', '.join(sorted({x.platform for x in jax.devices()}))} here ({reason}); "
        f"{install}leave the flag out to use what is there."
    )


@functools.cache
def require_devices() -> None:
    """Starts JAX's devices; once they are there, this costs nothing.

    Raises:
      DeviceError: ``JAX_PLATFORMS`` names a kind that there is none of.
    """
    try:
        jax.devices()
    except (RuntimeError, AssertionError) as error:
        wanted = jax.config.values["jax_platforms"]
        if not wanted:  # nothing was asked for, so this is another trouble
            raise
        lines = [_INSTALL[kind] for kind in wanted.split(",") if kind in _INSTALL]
        advice = "".join(f"install what it needs with {x}, or " for x in lines[:1])
        reason, *_ = str(error).partition(" (set JAX_PLATFORMS")
        raise DeviceError(
            f"JAX_PLATFORMS={wanted}: expected such a device, but JAX finds only "
            f"{_present(wanted)} here{f' ({reason})' if reason else ''}; {advice}unset "
            "JAX_PLATFORMS to use what is there."
        ) from error


def _present(wanted: str) -> str:
    """The kinds of devices that there are, whatever was asked for."""
    jax.config.update("jax_platforms", None)
    try:
        return ", ".join(sorted({x.platform for x in jax.devices()}))
    except (RuntimeError, AssertionError):
        return "none"
    finally:
        jax.extend.backend.clear_backends()
        jax.config.update("jax_platforms", wanted)
