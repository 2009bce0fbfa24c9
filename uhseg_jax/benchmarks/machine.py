"""What figures were measured on: processor, cores, memory, versions."""

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

import jax

from uhseg_jax import __version__
from uhseg_jax.benchmarks.anchors import ANCHORS

__all__ = ["machine"]

_OTHERS = ("jax", "jaxlib", "numpy", "scipy", "flax")
# Instructions that products of these types are made of, as Linux calls them.
_INSTRUCTIONS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")


def machine() -> dict[str, Any]:
    """A record of the machine and of the packages that take part."""
    cores = (
        len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count()
    )
    device = jax.devices()[0]
    described = _described()
    return {
        "processor": described.get("model name", platform.machine()),
        "cores": cores,
        "instructions": [
            x for x in _INSTRUCTIONS if x in described.get("flags", "").split()
        ],
        "memory_gb": _memory(),
        "device": f"{device.platform} ({device.device_kind})",
        "devices": jax.device_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": _versions(),
        "openblas_num_threads": os.environ.get("OPENBLAS_NUM_THREADS", "default"),
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
    }


def _described() -> dict[str, str]:
    """The fields of the first processor in Linux's own words; none elsewhere."""
    try:
        text = Path("/proc/cpuinfo").read_text(errors="replace")
    except OSError:
        return {"model name": platform.processor()} if platform.processor() else {}
    pairs = (x.partition(":") for x in text.split("\n\n")[0].splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _memory() -> float | None:
    """Gigabytes of memory; None where the system does not say."""
    try:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None
    return round(total / 1e9, 1)


def _versions() -> dict[str, str]:
    versions = {"uhseg_jax": __version__}
    for name in (*_OTHERS, *(x.package for x in ANCHORS.values())):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions
