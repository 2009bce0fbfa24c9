"""Programs as JAX traced them, kept between processes.

JAX's own cache keeps what is compiled, but a process must trace a function before it
knows what to look for there, which takes longer than the forward of a small model.
Files of this module hold the traced function (StableHLO), under a name that says all
that it depends on: the sources of this package, versions, settings, arguments.
"""

import dataclasses
import functools
import hashlib
import importlib.metadata
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.export
import numpy as np

from uhseg_jax.files import atomic_write

__all__ = ["UnknownError", "file_name", "load", "save"]

_PACKAGE = __name__.partition(".")[0]
_VERSIONS = ("jax", "jaxlib", "flax", "numpy")
# Settings of JAX that change no program, some of them paths.
_ELSEWHERE = ("jax_compilation_cache", "jax_persistent_cache", "jax_log", "jax_dump")
_DIGEST_BYTES = hashlib.sha256().digest_size


class UnknownError(ValueError):
    """Something cannot be described so that another process would know it again."""


def file_name(function: Any, args: Any, statics: Mapping[str, Any]) -> str:
    """The name of the file for a function with some arguments.

    Args:
      function: one of this package.
      args: arrays, or `jax.ShapeDtypeStruct` in their place.
      statics: the arguments that are constants of the program.

    Raises:
      UnknownError: an argument is no plain value and of no type or function of this
        package.
    """
    settings = {
        name: repr(value)
        for name, value in jax.config.values.items()
        if not name.startswith(_ELSEWHERE)
    }
    shapes = jax.tree.map(lambda x: (np.shape(x), str(x.dtype)), args)
    parts = (
        _sources_digest(),
        [importlib.metadata.version(name) for name in _VERSIONS],
        sorted(settings.items()),
        jax.default_backend(),
        str(jax.tree.structure(args)),
        jax.tree.leaves(shapes),
        _describe(function),
        _describe(dict(statics)),
    )
    return f"{hashlib.sha256(repr(parts).encode()).hexdigest()}.traced"


def load(path: Path) -> jax.export.Exported | None:
    """The traced function of a file; None if there is none, or it is damaged."""
    try:
        data = path.read_bytes()
        digest, body = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
        if hashlib.sha256(body).digest() != digest:
            return None
        return jax.export.deserialize(bytearray(body))
    except Exception:  # of whatever kind: it is then traced anew
        return None


def save(path: Path, exported: jax.export.Exported) -> None:
    """Keeps a traced function.

    Raises:
      OSError: it cannot be written.
      Exception: of any kind, if it cannot be put in writing.
    """
    body = bytes(exported.serialize())
    with atomic_write(path) as aside:
        aside.write_bytes(hashlib.sha256(body).digest() + body)


@functools.cache
def _sources_digest() -> str:
    """Over all sources of this package."""
    folder = Path(__file__).parent
    digest = hashlib.sha256()
    sources = sorted(folder.rglob("*.py"))
    if not sources:
        raise UnknownError(f"expected sources of the package in {folder}.")
    for path in sources:
        digest.update(f"{path.relative_to(folder).as_posix()}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _describe(value: Any) -> Any:
    """A value as texts, the same in every process."""
    if value is None or isinstance(value, (bool, int, float, str, bytes)):
        return repr(value)
    if isinstance(value, np.dtype):
        return f"dtype {value}"
    if isinstance(value, (tuple, list)):
        return type(value).__name__, [_describe(x) for x in value]
    if isinstance(value, Mapping):
        return [(_describe(k), _describe(v)) for k, v in value.items()]
    if isinstance(value, (type, types.FunctionType)):
        return _name_of(value)
    if isinstance(value, functools.partial):
        own = (value.func, value.args, value.keywords)
        return "partial", [_describe(x) for x in own]
    if isinstance(value, types.MethodType):
        return _describe(value.__self__), value.__name__
    return _name_of(type(value)), [_describe(x) for x in _fields_of(value)]


def _fields_of(value: Any) -> Iterator[tuple[str, Any]]:
    if dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield field.name, getattr(value, field.name)
    elif getattr(value, "__dict__", None) == {}:
        return  # an object without state, as a family of backbones
    else:
        raise UnknownError(f"{value!r} is not told apart from others by its fields.")


def _name_of(value: Any) -> str:
    """What a class or function is called; of others than ours the source may differ."""
    name = f"{value.__module__}.{value.__qualname__}"
    if "<" in name or name.partition(".")[0] != _PACKAGE:
        raise UnknownError(f"{name} is no class or function of {_PACKAGE} by name.")
    return name
