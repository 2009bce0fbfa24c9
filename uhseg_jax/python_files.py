"""Python files that a user names, and what goes wrong in them.

Such a file is run, as Python runs any script: whoever names it asks for that.
"""

import contextlib
import hashlib
import importlib.util
import os
import sys
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

__all__ = ["code_digest", "failure", "load_module"]

_INSTALLED = {"site-packages", "dist-packages", "uhseg_jax"}  # of no user's hand
_loading = threading.Lock()


def load_module(path: Path, name: str) -> ModuleType:
    """Runs a Python file as a module.

    While it runs, it can import the files beside it.

    Args:
      path: the file.
      name: of the module, under which it is found in ``sys.modules``.

    Raises:
      ImportError: it is no Python file.
      Exception: whatever the file raises.
    """
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError("it is no Python file")
    module = importlib.util.module_from_spec(spec)
    with _loading, _importing_from(path.absolute().parent):
        sys.modules[name] = module  # where dataclasses look for it
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
    return module


@contextlib.contextmanager
def _importing_from(folder: Path) -> Iterator[None]:
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(str(folder))


def code_digest(module: ModuleType) -> str:
    """SHA-256 of the file of a module, and of those beside it that it has imported.

    They are those below its folder of which something has a name in the module, or in
    another of them; what pip installed is none of them.

    Raises:
      OSError: a file cannot be read.
    """
    assert module.__file__ is not None
    folder = Path(module.__file__).absolute().parent
    files: set[Path] = set()
    waiting = [module]
    while waiting:
        one = waiting.pop()
        path = Path(getattr(one, "__file__", None) or os.devnull).absolute()
        is_below = path.is_relative_to(folder)
        if path in files or not is_below:
            continue
        if path != Path(module.__file__) and _INSTALLED & {
            *path.relative_to(folder).parts
        }:
            continue
        files.add(path)
        for value in [*vars(one).values()]:
            owner = str(getattr(value, "__module__", ""))
            found = value if isinstance(value, ModuleType) else sys.modules.get(owner)
            if found is not None:
                waiting.append(found)
    digest = hashlib.sha256()
    for file in sorted(files):
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        digest.update(f"{file.relative_to(folder).as_posix()} {content}\n".encode())
    return digest.hexdigest()


def failure(error: BaseException, path: str | Path) -> str:
    """Where in a file something was raised, and what: "FILE, line 3: KeyError: 'a'".

    Args:
      error: what was raised.
      path: the file; the last of its lines on the way to the error is named.
    """
    own = os.path.abspath(path)
    frames = traceback.extract_tb(error.__traceback__)
    lines = [x.lineno for x in frames if os.path.abspath(x.filename) == own]
    what: object = error
    if isinstance(error, SyntaxError) and os.path.abspath(error.filename or "") == own:
        lines, what = [error.lineno], error.msg
    line = f", line {lines[-1]}" if lines and lines[-1] else ""
    said = " ".join(f"{type(error).__name__}: {what}".split())
    return f"{path}{line}: {said.removesuffix(':')}"
