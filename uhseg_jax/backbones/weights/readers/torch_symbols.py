"""The names that a pickle of torch may use, and the harmless values they stand for."""

import dataclasses
import functools
from typing import Any

import jax.numpy as jnp
import numpy as np

from uhseg_jax.backbones.weights.readers.lazy import NUMBERS, RefusedError
from uhseg_jax.backbones.weights.readers.pickles import Inert, Symbol, mapping

__all__ = ["Storage", "StorageType", "Tensor", "find"]

_MOST_NUMBERS = 128  # of the shape and strides of a tensor

_DTYPES = {
    "double": "float64",
    "float": "float32",
    "half": "float16",
    **{name: name for name in NUMBERS},
}
_STORAGES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
    "UntypedStorage": "uint8",
}


@dataclasses.dataclass(frozen=True, eq=False)
class StorageType:
    """A class of storages.

    Attributes:
      dtype: of their elements.
    """

    dtype: np.dtype


@dataclasses.dataclass(frozen=True, eq=False)
class Storage:
    """Numbers that lie elsewhere in the file; several tensors may share them.

    Attributes:
      dtype: of the elements.
      key: the file's name for it.
      size: number of elements.
    """

    dtype: np.dtype
    key: str
    size: int


@dataclasses.dataclass(frozen=True, eq=False)
class Tensor:
    """A view of a storage. Its numbers are not checked here but against the file.

    Attributes:
      storage: of its elements.
      dtype: of its elements; the storage's own unless that is one of bytes.
      offset: of the first element, in elements.
      shape: of the tensor.
      strides: in elements.
    """

    storage: Storage
    dtype: np.dtype
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def _tensor(
    storage: Any,
    offset: Any,
    shape: Any,
    strides: Any,
    requires_grad: Any = None,
    hooks: Any = None,
    metadata: Any = None,
    *,
    dtype: np.dtype | None = None,
) -> Tensor:
    del requires_grad, hooks
    if metadata:
        raise RefusedError("it holds tensors that are conjugated or negated when read.")
    if (
        not isinstance(storage, Storage)
        or type(shape) is not tuple
        or type(strides) is not tuple
        or len(shape) + len(strides) > _MOST_NUMBERS
        or any(type(x) is not int for x in (offset, *shape, *strides))
    ):
        raise RefusedError("it describes a tensor in another way than torch does.")
    return Tensor(storage, dtype or storage.dtype, offset, shape, strides)


def _tensor_of_dtype(*arguments: Any) -> Tensor:
    """A tensor whose storage is one of bytes; its dtype comes after the hooks."""
    *others, dtype = arguments[:7]
    if not isinstance(dtype, np.dtype):
        raise RefusedError("it holds tensors of a kind that is not read.")
    return _tensor(*others, *arguments[7:], dtype=dtype)


def _from_type(function: Any, kind: Any, arguments: Any, state: Any) -> Any:
    """A tensor with attributes of its own is that tensor."""
    del kind, state
    plain = [_SYMBOLS["torch._utils", f"_rebuild_tensor_v{n}"] for n in (2, 3)]
    if not any(function is one for one in plain) or type(arguments) is not tuple:
        raise RefusedError("it holds a tensor of a class of its own.")
    return function.build(*arguments)


def _dict(*arguments: Any) -> dict[Any, Any]:
    given = arguments[-1] if arguments else ()
    if type(given) is dict:
        return given
    return mapping(given if type(given) in (list, tuple) else ())


def _sequence(make: Any, *arguments: Any) -> Any:
    items = arguments[0] if arguments and type(arguments[0]) in (list, tuple) else ()
    return make(items)


def _first(value: Any = None, *others: Any) -> Any:
    del others
    return value


def _inert(name: str, *arguments: Any) -> Inert:
    del arguments
    return Inert(name)


# What training leaves beside the weights: known classes of data only. They are read
# over, never made.
_INERT = {
    "argparse": ("Namespace",),
    "types": ("SimpleNamespace",),
    "pathlib": tuple(
        f"{kind}Path" for kind in ("", "Posix", "PurePosix", "Windows", "PureWindows")
    ),
    "_codecs": ("encode",),
    "numpy": ("dtype", "ndarray", "float64", "float32", "int64", "int32", "bool_"),
    "numpy.core.multiarray": ("scalar", "_reconstruct", "_frombuffer"),
    "numpy._core.multiarray": ("scalar", "_reconstruct", "_frombuffer"),
    "torch": ("device", "Tensor"),
    "torch.nn.parameter": ("Parameter", "Buffer"),
}
_SEQUENCES = {"list": list, "set": list, "frozenset": list, "tuple": tuple}
_BUILDERS: dict[tuple[str, str], Any] = {
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_tensor_v3"): _tensor_of_dtype,
    # A parameter is its tensor.
    ("torch._utils", "_rebuild_parameter"): _first,
    ("torch._utils", "_rebuild_parameter_with_state"): _first,
    ("torch._tensor", "_rebuild_from_type_v2"): _from_type,
    ("torch", "Size"): functools.partial(_sequence, tuple),
    ("collections", "OrderedDict"): _dict,
    ("collections", "defaultdict"): _dict,
    ("collections", "Counter"): _dict,
    # TorchScript's own: lists of one kind, and a value beside the name of its type.
    ("torch.jit._pickle", "restore_type_tag"): _first,
    **{
        ("torch.jit._pickle", f"build_{kind}list"): _first
        for kind in ("int", "double", "bool", "tensor")
    },
    **{
        (module, name): functools.partial(_sequence, make)
        for module in ("builtins", "__builtin__")
        for name, make in _SEQUENCES.items()
    },
    **{(module, "dict"): _dict for module in ("builtins", "__builtin__")},
}


def _symbol(module: str, name: str) -> Symbol:
    full = f"{module}.{name}"
    build = _BUILDERS.get((module, name), functools.partial(_inert, full))
    return Symbol(full, build)


_SYMBOLS: dict[tuple[str, str], Any] = {
    **{(m, name): _symbol(m, name) for m, names in _INERT.items() for name in names},
    **{pair: _symbol(*pair) for pair in _BUILDERS},
    **{("torch", name): jnp.dtype(dtype) for name, dtype in _DTYPES.items()},
    **{
        (module, name): StorageType(jnp.dtype(dtype))
        for module in ("torch", "torch.cuda", "torch.storage")
        for name, dtype in _STORAGES.items()
    },
}


def find(module: str, name: str) -> Any:
    """What a name in a pickle stands for.

    Args:
      module: where the pickle says it is from; never imported.
      name: of a class, a function or a dtype.

    Returns:
      A `Symbol`, a dtype or a `StorageType`.

    Raises:
      RefusedError: the name is not needed for tensors; it is given in the message.
    """
    if (module, name) in _SYMBOLS:
        return _SYMBOLS[module, name]
    if module.partition(".")[0] == "__torch__":
        # A class that a TorchScript archive defines; its objects hold parameters.
        return _symbol(module, name)
    raise RefusedError(
        f"its pickle asks for {f'{module}.{name}'[:200]!r}, which is not needed for "
        "tensors and could run code. Nothing was run. If you trust the file's source, "
        "load it with torch and save its state dict alone, best as .safetensors."
    )
