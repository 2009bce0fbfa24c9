"""The devices that JAX computes on, and what to do where those wanted are not there."""

import functools
import os
import re
from pathlib import Path

import jax
import jax.extend.backend

from uhseg_jax.errors import SentenceError

__all__ = [
    "KINDS",
    "DeviceError",
    "choose_devices",
    "computing_on",
    "idle_accelerator",
    "require_devices",
]

KINDS = ("cpu", "gpu", "tpu")
"""Names of kinds of devices."""

_INSTALL = {
    **dict.fromkeys(("cuda", "gpu"), "pip install 'jax[cuda13]'"),
    "tpu": "pip install 'jax[tpu]'",
    "rocm": "pip install 'jax[rocm7-local]'",
}

# Where Linux shows accelerators, whatever JAX makes of them.
_DEVICES, _PCI = Path("/dev"), Path("/sys/bus/pci/devices")
_NVIDIA_DRIVER = Path("/proc/driver/nvidia/version")
_CUDA_13 = 580  # the first driver for it
# The maker and the chips of TPUs on the PCI bus, as in jax/_src/hardware_utils.py.
_GOOGLE = "0x1ae0"
_TPUS = ("0x0027", "0x0056", "0x005e", "0x0062", "0x0063", "0x006f", "0x0076")


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


def computing_on() -> str:
    """What JAX computes on by default, in words, such as "the CPU (2 cores)"."""
    devices = jax.devices()
    if devices[0].platform == "cpu":
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
        return f"the CPU ({cores or os.cpu_count()} cores)"
    count = f"{len(devices)} x " if len(devices) > 1 else ""
    return f"{count}{devices[0].device_kind} ({devices[0].platform.upper()})"


def idle_accelerator() -> str:
    """A sentence where JAX computes on the CPU although there is a GPU or a TPU.

    It says how JAX comes to use it. Empty otherwise.
    """
    found = _accelerator()
    if found is None or jax.default_backend() != "cpu":
        return ""
    what, install = found
    wanted = jax.config.values["jax_platforms"]
    if wanted and "cpu" in wanted.split(","):
        return (
            f"There is {what} here, but JAX was told to compute on the CPU "
            f"(JAX_PLATFORMS={wanted}); unset JAX_PLATFORMS to use what is there."
        )
    return (
        f"There is {what} here, but JAX computes on the CPU; {install}, and start "
        "Python anew (in a notebook, restart the session)."
    )


def _accelerator() -> tuple[str, str] | None:
    """What there is, as Linux shows it, and the command for JAX to use it."""
    if any(_DEVICES.glob("nvidia[0-9]*")):
        return "an NVIDIA GPU", _of_this_version(f"cuda{_newest_cuda()}")
    ids = ((x / "vendor", x / "device") for x in _PCI.glob("*"))
    if any(_text(x) == _GOOGLE and _text(y) in _TPUS for x, y in ids):
        return "a TPU", _of_this_version("tpu")
    if (_DEVICES / "kfd").exists():
        return "an AMD GPU", _of_this_version("rocm7-local")
    return None


def _of_this_version(extra: str) -> str:
    return f"pip install 'jax[{extra}]=={jax.__version__}'"


def _newest_cuda() -> int:
    """The newest version of CUDA that the driver of NVIDIA takes and JAX has."""
    found = re.search(r"\s(\d{3,4})\.\d+", _text(_NVIDIA_DRIVER))
    return 12 if found and int(found[1]) < _CUDA_13 else 13


def _text(path: Path) -> str:
    """What a file of the system says; empty where it cannot be read."""
    try:
        return path.read_text().strip()
    except OSError:
        return ""
