"""Compiling in threads what will be called soon.

While the weights of a model are read and an image is decoded, the programs that they
will go through can be compiled already: their shapes are known. A jitted function finds
what another thread compiled of it for arguments of the same shapes.
"""

import atexit
import concurrent.futures
import contextlib
import functools
import threading
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Any, Generic, ParamSpec, TypeVar

import jax
import jax.export
import numpy as np

from uhseg_jax import traced
from uhseg_jax.cache import programs_folder
from uhseg_jax.entry import own_settings

__all__ = ["Arguments", "Program", "begin", "is_compiling"]

Parameters = ParamSpec("Parameters")
Returned = TypeVar("Returned")
# Positional and by name; `jax.ShapeDtypeStruct` in place of arrays.
Arguments = tuple[tuple[Any, ...], dict[str, Any]]

_MOST = 4  # programs that are held; what JAX holds is bounded in `entry`
_threads: set[threading.Thread] = set()  # those that compile


class Program(Generic[Parameters, Returned]):
    """A jitted function that can be compiled before it is called.

    A call waits for the threads that compile it. What goes wrong in them is forgotten:
    the call then compiles by itself, and raises what there is to raise.

    What was compiled ahead is traced once for all processes (`traced`).

    Attributes:
      jitted: the function; arguments by name are static.
    """

    def __init__(self, jitted: Callable[Parameters, Returned]) -> None:
        self.jitted: Any = jitted
        self._begun: dict[Hashable, concurrent.futures.Future[Any]] = {}
        self._waited_for: list[threading.Thread] = []
        self._compiled: dict[Hashable, Callable[..., Any]] = {}  # by signature

    def __call__(self, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Returned:
        """What the function returns, compiled now where it is not yet."""
        while self._waited_for:
            self._waited_for[-1].join()  # which an interrupt ends
            self._waited_for.pop()
        returned: Returned
        if self._compiled and _are_on_default_device(args):
            compiled = self._compiled.get(_signature(args, kwargs))
            if compiled is not None:
                returned = compiled(*args)
                return returned
        returned = self.jitted(*args, **kwargs)
        return returned

    def compile_soon(
        self, key: Hashable, arguments: Callable[[], Arguments]
    ) -> "concurrent.futures.Future[Any]":
        """Begins to compile for some arguments, once for each key.

        Args:
          key: says which arguments these are.
          arguments: makes them, in the thread.

        Returns:
          The shapes of what the program will return, when they are known; or the
          exception that kept them from being known.
        """
        if key in self._begun:
            return self._begun[key]
        found: concurrent.futures.Future[Any] = concurrent.futures.Future()
        self._begun[key] = found
        device = _default_device()

        def work() -> None:
            try:
                with own_settings(), jax.default_device(device):
                    args, statics = arguments()
                    folder = programs_folder() if device is None else None
                    if folder and (
                        exported := self._exported_in(folder, args, statics)
                    ):
                        found.set_result(_shapes(exported))
                        compiled = jax.jit(exported.call).lower(*args).compile()
                        self._compiled[_signature(args, statics)] = compiled
                        for oldest in [*self._compiled][:-_MOST]:
                            del self._compiled[oldest]
                    else:
                        tracing = self.jitted.trace(*args, **statics)
                        found.set_result(tracing.out_info)
                        tracing.lower().compile()
            except Exception as error:
                if not found.done():
                    found.set_exception(error)

        self._waited_for.append(begin(work))
        return found

    def _exported_in(
        self, folder: Path, args: tuple[Any, ...], statics: dict[str, Any]
    ) -> jax.export.Exported | None:
        """The traced function of a folder, put there if need be; None if it cannot."""
        try:
            name = traced.file_name(self.jitted.__wrapped__, args, statics)
            found = traced.load(folder / name)
            if found is None:
                function = functools.partial(self.jitted.__wrapped__, **statics)
                found = jax.export.export(jax.jit(function))(*args)
                traced.save(folder / name, found)
        except Exception:  # it is then traced as without a folder
            return None
        return found


def begin(work: Callable[[], object]) -> threading.Thread:
    """Does in a thread what compiles something, and forgets what goes wrong in it."""

    def run() -> None:
        try:
            with contextlib.suppress(Exception):
                work()
        finally:
            _threads.discard(threading.current_thread())

    # A daemon, so that commands may leave at any time. Otherwise `_finish` waits: the
    # compiler does not bear that the interpreter goes while it works.
    thread = threading.Thread(target=run, name="uhseg-compile", daemon=True)
    _threads.add(thread)
    thread.start()
    return thread


def is_compiling() -> bool:
    """Whether threads are still at work, for whom nobody need wait."""
    return bool(_threads)


def _signature(args: Any, statics: Mapping[str, Any]) -> Hashable:
    """What one program serves."""
    leaves, structure = jax.tree.flatten(args)
    shapes = tuple(
        (np.shape(x), getattr(x, "dtype", type(x)), getattr(x, "weak_type", False))
        for x in leaves
    )
    return structure, shapes, tuple(sorted(statics.items(), key=lambda x: x[0]))


def _shapes(exported: jax.export.Exported) -> Any:
    """What a traced function returns, as shapes."""
    shapes = [jax.ShapeDtypeStruct(x.shape, x.dtype) for x in exported.out_avals]
    return jax.tree.unflatten(exported.out_tree, shapes)


def _default_device() -> Any:
    """Of this thread, where `jax.config.values` has that of all; None: the first."""
    return getattr(jax.config, "jax_default_device")  # noqa: B009


def _are_on_default_device(args: Any) -> bool:
    """Whether a program for the default device of the process serves these arrays."""
    if _default_device() is not None:
        return False
    arrays = [x for x in jax.tree.leaves(args) if isinstance(x, jax.Array)]
    if any(isinstance(x, jax.core.Tracer) for x in arrays):
        return False
    return {d for x in arrays for d in x.devices()} <= {jax.devices()[0]}


@atexit.register
def _finish() -> None:
    for thread in tuple(_threads):
        thread.join()
