"""The files of torch.save: where the tensors of a checkpoint lie, read when needed.

Since torch 1.6 a file is a zip archive with a pickle (``data.pkl``) and a member for
each storage; before, several pickles in a row and then the storages. Neither needs
torch, and neither gets to run code (`pickles`). A TorchScript archive is of the first
kind; its parameters are read, its code is not.

Training wraps the weights: the state dict is looked for below `_WRAPPERS`, in that
order (DINO evaluates its teacher), else it is the one entry that holds tensors.
"""

import functools
import mmap
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from uhseg_jax.backbones.weights.readers import pickles
from uhseg_jax.backbones.weights.readers.budget import Budget
from uhseg_jax.backbones.weights.readers.lazy import (
    Extent,
    LazyArrays,
    RefusedError,
    join_name,
)
from uhseg_jax.backbones.weights.readers.torch_symbols import (
    Storage,
    StorageType,
    Tensor,
    find,
)
from uhseg_jax.backbones.weights.readers.zips import list_members, open_member, start_of

__all__ = ["Extents", "read_torch"]

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_WRAPPERS = (
    *("teacher", "state_dict", "model_state_dict", "model", "student"),
    *("module", "net", "backbone"),
)
_LARGEST_PICKLE = 256 << 20  # bytes without the storages
_DEEPEST = 32
_MOST = 100_000  # entries of nested modules; they may contain each other


def read_torch(path: Path, budget: Budget) -> LazyArrays:
    """Opens a file of torch.save; its tensors are checked, their numbers not read.

    Args:
      path: a ``.pth``, ``.pt``, ``.bin`` or ``.pth.tar``.
      budget: how many tensors it may hold.

    Returns:
      The arrays of the state dict, with the names that it gives them.

    Raises:
      RefusedError: it asks for anything but tensors, or a tensor lies outside the file.
    """
    with path.open("rb") as stream:
        is_zip = stream.read(2) == b"PK"
    root, extents = _read_zip(path) if is_zip else _read_legacy(path)
    tensors = _state_dict(root, budget)
    budget.require_count(len(tensors))
    stored = {}
    for name, tensor in tensors.items():
        extent = extents(tensor.storage)
        place: dict[str, Any] = {"offset": tensor.offset, "strides": tensor.strides}
        try:
            extent.require(tensor.dtype, tensor.shape, **place)
        except RefusedError as error:
            raise RefusedError(f"{name[:200]}: {error}") from error
        stored[name] = extent.stored(tensor.dtype, tensor.shape, **place)
    return LazyArrays(path, stored)


def _persistent(known: dict[str, Storage], identity: Any) -> Storage:
    """The storage that a persistent id names; the first of each key is kept."""
    match identity:
        case (kind, StorageType(dtype), str(key), _, int(size), *view):
            if not 0 <= size < 2**48:
                raise RefusedError("its storage has a size below 0 or beyond 2**48.")
            if kind not in ("storage", b"storage") or view not in ([], [None]):
                raise RefusedError("its pickle names what is no storage of its own.")
        case _:
            raise RefusedError(
                "its pickle names a storage in another way than torch does."
            )
    storage = Storage(dtype, key, size)
    first = known.setdefault(key, storage)
    if first.size * first.dtype.itemsize != size * dtype.itemsize:
        raise RefusedError(f"its storage {key[:50]!r} has two sizes.")
    return storage


Extents = Callable[[Storage], Extent]


def _read_zip(path: Path) -> tuple[Any, Extents]:
    members = list_members(path)
    roots = [name for name in members if name.split("/")[1:] == ["data.pkl"]]
    if len(roots) != 1:
        raise RefusedError(
            f"it is a zip archive with {len(roots)} members FOLDER/data.pkl; "
            "expected one, as torch.save writes it."
        )
    folder = roots[0].removesuffix("data.pkl")
    for name, member in members.items():
        # TorchScript compresses its code, which is not read.
        if (
            name.removeprefix(folder).startswith(("data", "byteorder"))
            and member.compress_type != zipfile.ZIP_STORED
        ):
            raise RefusedError(
                "it is a compressed archive, which torch does not write."
            )
    order = "little"
    if f"{folder}byteorder" in members:
        with open_member(path, members[f"{folder}byteorder"]) as stream:
            order = stream.read(16).decode()
    if order not in ("little", "big"):
        raise RefusedError(f"its byte order is {order!r}; expected little or big.")
    if members[roots[0]].file_size > _LARGEST_PICKLE:
        raise RefusedError(f"its pickle has more than {_LARGEST_PICKLE:,} bytes.")
    with open_member(path, members[roots[0]]) as stream:
        root = pickles.load(
            stream, find=find, persistent=functools.partial(_persistent, {})
        )
    size = path.stat().st_size

    @functools.cache
    def extent_of(key: str) -> Extent:
        member = members.get(f"{folder}data/{key}")
        if member is None:
            raise RefusedError(f"it lacks the storage {key[:50]!r}.")
        start = start_of(path, member)
        if start + member.file_size > size:
            raise RefusedError(f"its storage {key[:50]!r} ends outside the file.")
        return Extent(path, start, member.file_size, order == "big", member.CRC)

    def extents(storage: Storage) -> Extent:
        extent = extent_of(storage.key)
        if storage.size * storage.dtype.itemsize != extent.nbytes:
            raise RefusedError(
                f"its storage {storage.key[:50]!r} should have {storage.size} elements "
                f"of {storage.dtype.itemsize} bytes and has {extent.nbytes:,} bytes."
            )
        return extent

    return root, extents


def _read_legacy(path: Path) -> tuple[Any, Extents]:
    size = path.stat().st_size
    storages: dict[str, Storage] = {}
    load = functools.partial(
        pickles.load, find=find, persistent=functools.partial(_persistent, storages)
    )
    # Mapped, because a read of a hostile length is cut off there, not allocated.
    with (
        path.open("rb") as file,
        mmap.mmap(
            file.fileno(), min(size, _LARGEST_PICKLE), access=mmap.ACCESS_READ
        ) as stream,
    ):
        magic, protocol = load(stream), None
        if magic == _MAGIC:
            protocol = load(stream)
        if magic != _MAGIC or protocol != _PROTOCOL:
            raise RefusedError(
                "it is a pickle, but not one of torch.save: it lacks the numbers that "
                f"begin those. Expected {_MAGIC:#x} and {_PROTOCOL}."
            )
        load(stream)  # the machine that wrote it; storages are little-endian on all
        root, keys = load(stream), load(stream)
        if type(keys) is not list or not all(type(key) is str for key in keys):
            raise RefusedError("its list of storages is not one of texts.")
        found = {}
        file.seek(stream.tell())
        for key in keys:
            count = int.from_bytes(file.read(8), "little")
            storage = storages.get(key)
            if storage is None or storage.size != count:
                raise RefusedError(
                    f"its storage {key[:50]!r} is not as large as it says."
                )
            nbytes = count * storage.dtype.itemsize
            found[key] = Extent(path, file.tell(), nbytes)
            if file.tell() + nbytes > size:
                raise RefusedError(f"its storage {key[:50]!r} ends outside the file.")
            file.seek(nbytes, 1)

    def extents(storage: Storage) -> Extent:
        if storage.key not in found:
            raise RefusedError(f"it lacks the storage {storage.key[:50]!r}.")
        return found[storage.key]

    return root, extents


def _state_dict(root: Any, budget: Budget) -> dict[str, Tensor]:
    """The named tensors of a checkpoint, wherever training put them."""
    if isinstance(root, pickles.Inert):
        found = {}
        for name, tensor in _parameters(root, [_MOST]):
            found[name] = tensor
            budget.require_count(len(found))
        return found
    node = root
    for _ in range(_DEEPEST):
        if not isinstance(node, dict):
            break
        wrapped = [x for x in _WRAPPERS if isinstance(node.get(x), dict)]
        tensors = {
            name: value
            for name, value in node.items()
            if isinstance(name, str) and isinstance(value, Tensor)
        }
        # Each once: a pickle can name the same one over and over.
        dicts = {id(x): x for x in node.values() if isinstance(x, dict)}
        inner = [x for x in dicts.values() if _has_tensors(x)]
        if wrapped:
            node = node[wrapped[0]]
        elif tensors or not inner:
            return tensors
        elif len(inner) == 1:
            node = inner[0]
        else:
            names = [
                str(x)[:50] for x, value in node.items() if isinstance(value, dict)
            ]
            raise RefusedError(
                f"it holds several sets of tensors ({', '.join(names[:10])}); expected "
                f"one, or one of them called {', '.join(_WRAPPERS)}."
            )
    raise RefusedError(
        f"it holds a {type(node).__name__}; expected a state dict, tensors by name."
    )


def _has_tensors(node: Mapping[Any, Any]) -> bool:
    return any(isinstance(value, Tensor) for value in node.values())


def _parameters(
    module: pickles.Inert, left: list[int], above: str = ""
) -> Iterator[tuple[str, Tensor]]:
    """The tensors of a TorchScript module by their dotted names."""
    state = module.state if isinstance(module.state, dict) else {}
    for name, value in state.items():
        left[0] -= 1
        if left[0] < 0 or above.count(".") > _DEEPEST:
            raise RefusedError("its modules are nested without end.")
        if isinstance(value, Tensor):
            yield join_name(above, name), value
        elif isinstance(value, pickles.Inert):
            yield from _parameters(value, left, f"{join_name(above, name)}.")
