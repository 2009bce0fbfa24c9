"""Python files that a user names, and what goes wrong in them.

Such a file is run, as Python runs any script: whoever names it asks for that.
"""

import ast
import contextlib
import hashlib
import importlib.util
import inspect
import os
import re
import sys
import sysconfig
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["code_digest", "failure", "load_module", "source_digest"]

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

    They are those below its folder that the module imports, or another of them, or of
    which something has a name there; what came with Python or pip is none of them.

    Raises:
      OSError: a file cannot be read.
    """
    assert module.__file__ is not None
    own = Path(module.__file__).absolute()
    folder = own.parent
    libraries = [Path(sysconfig.get_path(x)) for x in ("stdlib", "platstdlib")]
    files: set[Path] = set()
    waiting = [module]
    while waiting:
        one = waiting.pop()
        path = Path(getattr(one, "__file__", None) or os.devnull).absolute()
        if path in files or not path.is_relative_to(folder):
            continue
        is_installed = _INSTALLED & {*path.relative_to(folder).parts} or any(
            path.is_relative_to(x) for x in libraries
        )
        if path != own and is_installed:
            continue
        files.add(path)
        values = [*vars(one).values()]
        waiting += [x for x in values if isinstance(x, ModuleType)]
        names = {str(getattr(x, "__module__", "")) for x in values}
        names |= _imported(path, getattr(one, "__package__", None) or "")
        waiting += [sys.modules[x] for x in names if sys.modules.get(x) is not None]
    digest = hashlib.sha256()
    for file in sorted(files):
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        digest.update(f"{file.relative_to(folder).as_posix()} {content}\n".encode())
    return digest.hexdigest()


def _imported(path: Path, package: str) -> set[str]:
    """Names that a file imports, modules and whatever else; none where it is broken.

    Its values do not tell: a number does not know whose constant it is.
    """
    try:
        nodes = [*ast.walk(ast.parse(path.read_bytes()))]
    except (SyntaxError, ValueError):
        return set()
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {x.name for x in node.names}
        elif isinstance(node, ast.ImportFrom):
            relative = "." * node.level + (node.module or "")
            with contextlib.suppress(ImportError):  # above the package
                module = importlib.util.resolve_name(relative, package)
                names |= {module, *(f"{module}.{x.name}" for x in node.names)}
    outer = {name[: dot.start()] for name in names for dot in re.finditer(r"\.", name)}
    return names | outer


def source_digest(function: Any) -> str:
    """SHA-256 of the code of a function or class: of its file, as `code_digest`.

    Where it has no file, in a notebook say, of its own lines, or of as much as is known
    of it.
    """
    module = sys.modules.get(getattr(function, "__module__", None) or "")
    if module is not None and Path(getattr(module, "__file__", None) or "").is_file():
        return code_digest(module)
    try:
        text = inspect.getsource(function)
    except (OSError, TypeError):
        code = getattr(function, "__code__", None)
        text = repr((code and (code.co_code, code.co_consts, code.co_names), function))
    return hashlib.sha256(text.encode()).hexdigest()


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
