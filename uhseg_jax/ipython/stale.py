"""Packages that a session has imported in another version than is installed.

pip replaces files; what was imported from them stays. Kernels import some packages
before the first cell, to be quick or to draw.
"""

import importlib.metadata
import re
import sys

__all__ = ["stale_packages"]

_MODULES = {
    "PIL": "pillow",
    "jax": "jax",
    "jaxlib": "jaxlib",
    "matplotlib": "matplotlib",
    "numpy": "numpy",
    "scipy": "scipy",
    "skimage": "scikit-image",
}
# What is built from source may make its version when it is imported, of today's date.
_RELEASE = re.compile(r"[\d.]+")


def stale_packages() -> list[str]:
    """What pip calls them; those whose version is of no release are left out."""
    return [package for module, package in _MODULES.items() if _is_stale(module)]


def _is_stale(module: str) -> bool:
    imported = getattr(sys.modules.get(module), "__version__", None)
    try:
        installed = importlib.metadata.version(_MODULES[module])
    except importlib.metadata.PackageNotFoundError:
        return False
    return imported != installed and _is_release(imported) and _is_release(installed)


def _is_release(version: object) -> bool:
    return isinstance(version, str) and bool(_RELEASE.fullmatch(version))
