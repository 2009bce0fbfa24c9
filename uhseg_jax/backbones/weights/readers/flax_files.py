"""Trees of parameters that Flax or Orbax wrote, their paths joined by slashes."""

import re
from collections.abc import Mapping
from typing import Any

import flax.traverse_util

from uhseg_jax.backbones.weights.readers.lazy import LazyArrays

__all__ = ["are_own", "torch_layout"]


def torch_layout(arrays: LazyArrays) -> LazyArrays:
    """The arrays of a Flax model under the names and in the layout of its torch twin.

    A path becomes dotted; ``kernel``, ``scale`` and ``embedding`` become ``weight``.
    Kernels [in, out] become [out, in], and [rows, columns, in, out] become
    [out, in, rows, columns]. That is how transformers relates its models.

    Args:
      arrays: from `read_msgpack` or `read_orbax`.

    Returns:
      The same arrays, still read on access.
    """
    found = {}
    for path in arrays:
        name = re.sub(r"(?:^|/)(?:kernel|scale|embedding)$", "/weight", path)
        name = name.lstrip("/").replace("/", ".")
        stored = arrays.located(path)
        axes = {2: (1, 0), 4: (3, 2, 0, 1)}.get(len(stored.shape))
        if axes and re.search(r"(?:^|/)kernel$", path):
            stored = stored.transposed(axes)
        found[name] = stored
    return LazyArrays(arrays.path, found)


def are_own(arrays: LazyArrays, abstract: Mapping[str, Any]) -> bool:
    """Whether arrays are called as our own parameters.

    Args:
      arrays: from `read_msgpack` or `read_orbax`.
      abstract: the parameter tree of a model, as shapes (`backbone.Family`).
    """
    return set(arrays) == set(flax.traverse_util.flatten_dict(abstract, sep="/"))
