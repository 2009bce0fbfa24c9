"""The names that a pickle of torch may use, and the harmless values they stand for."""

import dataclasses
import functools
from typing import Any

import jax.numpy as jnp
import numpy as np

from uhseg_jax.backbones.weights.readers.lazy import RefusedError
from uhseg_jax.backbones.weights.readers.pickles import Inert, Symbol, mapping

_DTYPES: dict[str, Any] = {
    "float64": np.float64,
    "double": np.float64,
    "float32": np.float32,
    "float": np.float32,
    "float16": np.float16,
    "half": np.float16,
    "bfloat16": jnp.bfloat16,
    "float8_e4m3fn": jnp.float8_e4m3fn,
    "float8_e5m2": jnp.float8_e5m2,
    "int64": np.int64,
    "int32": np.int32,
    "int16": np.int16,
    "int8": np.int8,
    "uint64": np.uint64,
    "uint32": np.uint32,
    "uint16": np.uint16,
    "uint8": np.uint8,
    "bool": np.bool_,
    "complex64": np.complex64,
    "complex128": np.complex128,
}
_STORAGES: dict[str, Any] = {
    "DoubleStorage": np.float64,
    "FloatStorage": np.float32,
    "HalfStorage": np.float16,
    "BFloat16Storage": jnp.bfloat16,
    "LongStorage": np.int64,
    "IntStorage": np.int32,
    "ShortStorage": np.int16,
    "CharStorage": np.int8,
    "ByteStorage": np.uint8,
    "BoolStorage": np.bool_,
    "ComplexFloatStorage": np.complex64,
    "ComplexDoubleStorage": np.complex128,
    "UntypedStorage": np.uint8,
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
) -> Tensor:
    del requires_grad, hooks
    if metadata:
        raise RefusedError("it holds tensors that are conjugated or negated when read.")
    return _view(storage, offset, shape, strides, None)


def _tensor_of_dtype(
    storage: Any,
    offset: Any,
    shape: Any,
    strides: Any,
    requires_grad: Any,
    hooks: Any,
    dtype: Any,
    metadata: Any = None,
) -> Tensor:
    del requires_grad, hooks
    if metadata or not isinstance(dtype, np.dtype):
        raise RefusedError("it holds tensors of a kind that is not read.")
    return _view(storage, offset, shape, strides, dtype)


def _view(
    storage: Any, offset: Any, shape: Any, strides: Any, dtype: np.dtype | None
) -> Tensor:
    numbers = (offset, *shape, *strides) if _are_tuples(shape, strides) else (None,)
    if not isinstance(storage, Storage) or any(type(x) is not int for x in numbers):
        raise RefusedError("it describes a tensor in another way than torch does.")
    return Tensor(storage, dtype or storage.dtype, offset, shape, strides)


def _are_tuples(*values: Any) -> bool:
    return all(type(value) is tuple for value in values)


def _parameter(tensor: Any, *others: Any) -> Any:
    """A parameter is its tensor."""
    del others
    return tensor


def _from_type(function: Any, kind: Any, arguments: Any, state: Any) -> Any:
    """A tensor with attributes of its own is that tensor."""
    del kind, state
    plain = [_SYMBOLS["torch._utils", f"_rebuild_tensor_v{n}"] for n in (2, 3)]
    if not any(function is one for one in plain) or type(arguments) is not tuple:
        raise RefusedError("it holds a tensor of a class of its own.")
    return function.build(*arguments)


def _dict(*arguments: Any) -> dict[Any, Any]:
    pairs = arguments[-1] if arguments and type(arguments[-1]) in (list, tuple) else ()
    return mapping(pairs)


def _counter(*arguments: Any) -> dict[Any, Any]:
    return arguments[0] if arguments and type(arguments[0]) is dict else {}


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
_INERT = (
    ("argparse", "Namespace"),
    ("types", "SimpleNamespace"),
    ("pathlib", "Path"),
    ("pathlib", "PosixPath"),
    ("pathlib", "PurePosixPath"),
    ("pathlib", "WindowsPath"),
    ("pathlib", "PureWindowsPath"),
    ("_codecs", "encode"),
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    *(
        (f"numpy.{core}.multiarray", name)
        for core in ("core", "_core")
        for name in ("scalar", "_reconstruct", "_frombuffer")
    ),
    *(("numpy", name) for name in ("float64", "float32", "int64", "int32", "bool_")),
    ("torch", "device"),
    ("torch", "Tensor"),
    ("torch.nn.parameter", "Parameter"),
    ("torch.nn.parameter", "Buffer"),
)
_BUILDERS: dict[tuple[str, str], Any] = {
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_tensor_v3"): _tensor_of_dtype,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch._utils", "_rebuild_parameter_with_state"): _parameter,
    ("torch._tensor", "_rebuild_from_type_v2"): _from_type,
    ("torch", "Size"): functools.partial(_sequence, tuple),
    ("collections", "OrderedDict"): _dict,
    ("collections", "defaultdict"): _dict,
    ("collections", "Counter"): _counter,
    # TorchScript's own: lists of one kind, and a value beside the name of its type.
    ("torch.jit._pickle", "restore_type_tag"): _first,
    **{
        ("torch.jit._pickle", f"build_{kind}list"): _first
        for kind in ("int", "double", "bool", "tensor")
    },
}
for _module in ("builtins", "__builtin__"):
    _BUILDERS[_module, "dict"] = _dict
    for _name, _make in (
        ("list", list),
        ("set", list),
        ("frozenset", list),
        ("tuple", tuple),
    ):
        _BUILDERS[_module, _name] = functools.partial(_sequence, _make)

_SYMBOLS: dict[tuple[str, str], Any] = {
    **{
        pair: Symbol(".".join(pair), functools.partial(_inert, ".".join(pair)))
        for pair in _INERT
    },
    **{pair: Symbol(".".join(pair), build) for pair, build in _BUILDERS.items()},
    **{("torch", name): np.dtype(dtype) for name, dtype in _DTYPES.items()},
    **{
        (module, name): StorageType(np.dtype(dtype))
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
        named = f"{module}.{name}"
        return Symbol(named, functools.partial(_inert, named))
    raise RefusedError(
        f"its pickle asks for {f'{module}.{name}'[:200]!r}, which is not needed for "
        "tensors and could run code. Nothing was run. If you trust the file's source, "
        "load it with torch and save its state dict alone, best as .safetensors."
    )
