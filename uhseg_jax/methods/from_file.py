"""Methods in files of users: ``FILE.py:FUNCTION`` as the name of a method.

The file is run to get at the function, because the user named it for that; no other
name of a method runs anything.
"""

import dataclasses
import functools
import hashlib
import re
from pathlib import Path

from uhseg_jax.files import expand_home
from uhseg_jax.methods.from_function import FunctionMethod, method_from
from uhseg_jax.python_files import code_digest, failure, load_module
from uhseg_jax.registry import suggest

__all__ = ["is_in_file", "method_in_file"]


def is_in_file(name: str) -> bool:
    """Whether the name of a method is that of a function in a file."""
    return isinstance(name, str) and bool(re.search(r"\.py(:[^/\\]*)?$", name))


def method_in_file(name: str) -> FunctionMethod:
    """The method that a function in a file makes; see `method_from`.

    The file is run once, and again when it has changed.

    Args:
      name: ``FILE.py:FUNCTION``, the file by its path.

    Raises:
      ValueError: there is no such file or function, the file cannot be run, or the
        function is no method; the message names the file and the line.
    """
    file, _, function = name.rpartition(":")
    if not file.endswith(".py") or not function.isidentifier():
        raise ValueError(
            f"method {name!r}: expected a file and a function in it, such as "
            "mine.py:segment."
        )
    path = expand_home(file)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(
            f"{file}: expected a Python file with a function {function}, but it cannot "
            f"be read ({error.strerror or error}); check the path."
        ) from error
    return _method(file, path.absolute(), function, hashlib.sha256(content).hexdigest())


@functools.lru_cache(maxsize=16)
def _method(file: str, path: Path, function: str, content: str) -> FunctionMethod:
    del content  # a part of the key
    name = f"uhseg_own_{hashlib.sha256(str(path).encode()).hexdigest()[:16]}"
    try:
        module = load_module(path, name)
    except (Exception, SystemExit) as error:  # whatever the user's code raises
        raise ValueError(f"{failure(error, path)}; mend the file.") from error
    found = getattr(module, function, None)
    if not callable(found):
        known = [
            x
            for x, value in vars(module).items()
            if callable(value) and getattr(value, "__module__", None) == name
        ]
        raise ValueError(
            f"{file}: expected a function {function}, but there is none."
            f"{suggest(function, known)} There are {', '.join(known) or 'none'}."
        )
    try:
        made = method_from(found, name=f"{path.name}:{function}")
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error
    digest = code_digest(module)
    if made.code_sha256 != digest:  # the function is of another file; both count
        both = f"{digest} {made.code_sha256}"
        digest = hashlib.sha256(both.encode()).hexdigest()
    return dataclasses.replace(made, code_sha256=digest)
