"""Writes files as torch.save does, without torch, and pickles of any other content."""

import dataclasses
import io
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

STORAGES = {
    np.dtype(np.float64): "DoubleStorage",
    np.dtype(np.float32): "FloatStorage",
    np.dtype(np.float16): "HalfStorage",
    np.dtype(jnp.bfloat16): "BFloat16Storage",
    np.dtype(np.int64): "LongStorage",
    np.dtype(np.uint8): "ByteStorage",
    np.dtype(np.bool_): "BoolStorage",
}


@dataclasses.dataclass(frozen=True)
class Name:
    """A class or function that a pickle asks for."""

    module: str
    name: str
    by_stack: bool = False


@dataclasses.dataclass(frozen=True)
class Call:
    """A call of the machine's, with REDUCE or another instruction."""

    function: Any
    arguments: Any
    instruction: bytes = b"R"


@dataclasses.dataclass(frozen=True)
class Build:
    """An object whose state is set."""

    target: Any
    state: Any


@dataclasses.dataclass(frozen=True)
class Persistent:
    """An object that lies elsewhere."""

    identity: Any


def emit(value: Any) -> bytes:
    """The instructions that push a value."""
    match value:
        case Name(module, name, True):
            return emit(module) + emit(name) + b"\x93"
        case Name(module, name):
            return b"c" + f"{module}\n{name}\n".encode()
        case Call(function, arguments, instruction):
            return emit(function) + emit(arguments) + instruction
        case Build(target, state):
            return emit(target) + emit(state) + b"b"
        case Persistent(identity):
            return emit(identity) + b"Q"
        case dict():
            items = b"".join(emit(k) + emit(v) for k, v in value.items())
            return b"}(" + items + b"u"
        case list():
            return b"](" + b"".join(map(emit, value)) + b"e"
        case tuple():
            return b"(" + b"".join(map(emit, value)) + b"t"
        case _:
            return pickle.dumps(value, 2)[2:-1]


def program(value: Any, protocol: int = 2) -> bytes:
    """A whole pickle."""
    return b"\x80" + bytes([protocol]) + emit(value) + b"."


def tensor(
    dtype: Any,
    key: str,
    size: int,
    shape: tuple[int, ...],
    *,
    offset: int = 0,
    strides: tuple[int, ...] | None = None,
    legacy: bool = False,
) -> Call:
    """A tensor of a pickle: a view of a storage."""
    if strides is None:
        strides = tuple(int(np.prod(shape[i + 1 :])) for i in range(len(shape)))
    kind = Name("torch", STORAGES[np.dtype(dtype)])
    identity = ("storage", kind, key, "cpu", size, *((None,) * legacy))
    hooks = Call(Name("collections", "OrderedDict"), ())
    return Call(
        Name("torch._utils", "_rebuild_tensor_v2"),
        (Persistent(identity), offset, shape, strides, False, hooks),
    )


def write_zip(
    path: Path,
    root: Any,
    storages: dict[str, bytes],
    *,
    order: str = "little",
    compression: int = zipfile.ZIP_STORED,
) -> None:
    """Writes the archive of a pickle and its storages."""
    content = root if isinstance(root, bytes) else program(root)
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", content)
        archive.writestr("archive/byteorder", order)
        for key, data in storages.items():
            archive.writestr(f"archive/data/{key}", data)


def write_legacy(path: Path, root: Any, storages: dict[str, tuple[int, bytes]]) -> None:
    """Writes pickles in a row, then storages: number of elements, then bytes."""
    stream = io.BytesIO()
    for value in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}):
        stream.write(pickle.dumps(value, 2))
    stream.write(root if isinstance(root, bytes) else program(root))
    stream.write(pickle.dumps([*storages], 2))
    for size, data in storages.values():
        stream.write(struct.pack("<q", size) + data)
    path.write_bytes(stream.getvalue())


def write_arrays(
    path: Path, arrays: dict[str, np.ndarray], *, legacy: bool = False
) -> None:
    """Writes a flat state dict."""
    keys = {name: str(index) for index, name in enumerate(arrays)}
    root = {
        name: tensor(x.dtype, keys[name], x.size, x.shape, legacy=legacy)
        for name, x in arrays.items()
    }
    if legacy:
        content = {keys[name]: (x.size, x.tobytes()) for name, x in arrays.items()}
        write_legacy(path, root, content)
    else:
        write_zip(path, root, {keys[n]: x.tobytes() for n, x in arrays.items()})
