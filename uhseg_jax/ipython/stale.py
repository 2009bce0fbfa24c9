"""Packages that a session has imported in another version than is installed.

pip replaces files; what was imported from them stays. Kernels import some packages
before the first cell, to be quick or to draw.
"""

import importlib.metadata
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


def stale_packages() -> list[str]:
    """What pip calls them; those that say no version are left out."""
    return [package for module, package in _MODULES.items() if _is_stale(module)]


def _is_stale(module: str) -> bool:
    imported = getattr(sys.modules.get(module), "__version__", None)
    if imported is None:
        return False
    try:
        return importlib.metadata.version(_MODULES[module]) != imported
    except importlib.metadata.PackageNotFoundError:
        return False
