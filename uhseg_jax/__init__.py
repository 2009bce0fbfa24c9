"""Unsupervised hierarchical image segmentation in JAX.

A photograph goes in; a tree of nested regions comes out, found from the features of a
self-supervised backbone by spectral clustering and region merging, without labels or
training.

What is listed here is imported when it is first used: JAX, and what is built on it,
takes a second.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from uhseg_jax.api import extract_features, segment, segment_features
    from uhseg_jax.hierarchy.tree import RegionTree

__all__ = ["RegionTree", "extract_features", "segment", "segment_features"]
__version__ = "0.4.0"

_HOMES = {
    "RegionTree": "uhseg_jax.hierarchy.tree",
    "extract_features": "uhseg_jax.api",
    "segment": "uhseg_jax.api",
    "segment_features": "uhseg_jax.api",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name, f"{__name__}.{name}")
    try:
        found = importlib.import_module(home)
    except ModuleNotFoundError as error:
        if error.name != home:
            raise  # something that it needs is not installed
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    return getattr(found, name) if name in _HOMES else found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
