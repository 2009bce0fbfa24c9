"""Trees of parameters that Flax or Orbax wrote, their paths joined by slashes."""

import functools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import flax.traverse_util
import numpy as np

from uhseg_jax.backbones.weights.checkpoints import read_tree
from uhseg_jax.backbones.weights.convert import Naming, convert_tensors
from uhseg_jax.backbones.weights.readers.lazy import LazyArrays, RefusedError

_DEEPEST = 64


def read_msgpack(path: Path) -> LazyArrays:
    """A ``.msgpack`` of flax.serialization, which is data only; it is read as a whole.

    Raises:
      RefusedError: it does not hold a tree of arrays.
    """
    from flax.serialization import msgpack_restore

    return _lazy(path, msgpack_restore(path.read_bytes()))


def read_orbax(path: Path) -> LazyArrays:
    """A folder that StandardCheckpointer wrote, or one of our own; read as a whole.

    Raises:
      RefusedError: it does not hold a tree of arrays.
      WeightsError: the folder is not one of Orbax's, or is damaged.
    """
    return _lazy(path, read_tree(path))


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
    readers = {}
    for path in arrays:
        name = re.sub(r"(?:^|/)(?:kernel|scale|embedding)$", "/weight", path)
        name = name.lstrip("/").replace("/", ".")
        is_kernel = re.search(r"(?:^|/)kernel$", path) is not None
        readers[name] = functools.partial(_transposed, arrays, path, is_kernel)
    return LazyArrays(arrays.path, readers)


def own_params(arrays: LazyArrays, abstract: Mapping[str, Any]) -> Any:
    """Our own parameters, if that is what the arrays are.

    Args:
      arrays: from `read_msgpack` or `read_orbax`.
      abstract: the parameter tree of a model, as shapes (`backbone.Family`).

    Returns:
      float32 parameters in the structure of ``abstract``; None if the names are others.

    Raises:
      WeightsError: the names are the model's but the arrays do not fit it.
    """
    wanted = flax.traverse_util.flatten_dict(abstract, sep="/")
    if set(arrays) != set(wanted):
        return None
    naming = Naming(lambda name: [(name, np.asarray, False)], lambda name: False)
    return convert_tensors(arrays, abstract, naming=naming)


def _transposed(arrays: LazyArrays, path: str, is_kernel: bool) -> np.ndarray:
    array = arrays[path]
    axes = {2: (1, 0), 4: (3, 2, 0, 1)}.get(array.ndim)
    return array.transpose(axes) if is_kernel and axes else array


def _lazy(path: Path, tree: Any) -> LazyArrays:
    if not isinstance(tree, Mapping):
        raise RefusedError(
            f"it holds a {type(tree).__name__}; expected a tree of named arrays."
        )
    if isinstance(tree.get("params"), Mapping):
        tree = tree["params"]  # a training state, or the variables of a module
    return LazyArrays(
        path, {name: lambda leaf=leaf: leaf for name, leaf in _leaves(tree)}
    )


def _leaves(tree: Mapping[Any, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    if above.count("/") > _DEEPEST:
        raise RefusedError(f"its tree is more than {_DEEPEST} levels deep.")
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{above}{key}/")
        elif isinstance(value, np.ndarray):
            yield f"{above}{key}", value
