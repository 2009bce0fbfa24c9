"""What users name as ``FILE.py:NAME``: a method, a model or a dataset of their own.

The file is run to get at what has the name, because the user named it for that; no
other name runs anything.
"""

import dataclasses
import functools
import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from uhseg_jax.files import expand_home
from uhseg_jax.python_files import code_digest, failure, load_module
from uhseg_jax.registry import suggest

__all__ = ["OwnCode", "find_in_file", "forget", "is_in_file"]


@dataclasses.dataclass(frozen=True, eq=False)
class OwnCode:
    """What a file of a user has under a name.

    Attributes:
      name: such as "mine.py:segment", without folders.
      file: the file, as the user wrote it.
      value: what has the name.
      code_sha256: digest of the code of the file (`python_files.code_digest`).
    """

    name: str
    file: str
    value: Any
    code_sha256: str


def is_in_file(name: object) -> bool:
    """Whether a name is that of something in a file."""
    return isinstance(name, str) and bool(re.search(r"\.py(:[^/\\]*)?$", name))


def find_in_file(
    name: str, *, kind: str, expected: str, is_one: Callable[[Any], bool]
) -> OwnCode:
    """What a file has under a name.

    The file is run once, and again when it has changed.

    Args:
      name: ``FILE.py:NAME``, the file by its path.
      kind: what is called so in messages, as in "method 'x.py'".
      expected: what should have the name, a noun such as "function".
      is_one: whether a value is one.

    Raises:
      ValueError: there is no such file or nothing of that kind in it, or the file
        cannot be run; the message names the file and the line.
    """
    file, _, own = name.rpartition(":")
    if not file.endswith(".py") or not own.isidentifier():
        raise ValueError(
            f"{kind} {name!r}: expected FILE.py:NAME, a file and the name of a "
            f"{expected} in it."
        )
    path = expand_home(file)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(
            f"{file}: expected a Python file with a {expected} {own}, but it cannot "
            f"be read ({error.strerror or error}); check the path."
        ) from error
    digest = hashlib.sha256(content).hexdigest()
    return _found(file, path.absolute(), own, expected, is_one, digest)


def forget() -> None:
    """Forgets the files that were run: they are run anew when they are named."""
    _found.cache_clear()
    _module.cache_clear()


@functools.lru_cache(maxsize=32)
def _found(
    file: str,
    path: Path,
    name: str,
    expected: str,
    is_one: Callable[[Any], bool],
    content: str,
) -> OwnCode:
    try:
        module, digest = _module(path, content)
    except (Exception, SystemExit) as error:  # whatever the user's code raises
        raise ValueError(f"{failure(error, path)}; mend the file.") from error
    value = getattr(module, name, None)
    if not is_one(value):
        known = [x for x, y in vars(module).items() if is_one(y) and _is_of(module, y)]
        raise ValueError(
            f"{file}: expected a {expected} {name}, but there is none."
            f"{suggest(name, known)} There are {', '.join(known) or 'none'}."
        )
    return OwnCode(f"{path.name}:{name}", file, value, digest)


@functools.lru_cache(maxsize=16)
def _module(path: Path, content: str) -> tuple[ModuleType, str]:
    """A file as a module, and the digest of its code."""
    del content  # a part of the key
    name = f"uhseg_own_{hashlib.sha256(str(path).encode()).hexdigest()[:16]}"
    module = load_module(path, name)
    return module, code_digest(module)


def _is_of(module: ModuleType, value: Any) -> bool:
    """Whether a module made a value itself, as far as it can be told."""
    return not callable(value) or getattr(value, "__module__", None) == module.__name__
