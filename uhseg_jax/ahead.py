"""Compiling in threads what will be called soon.

While the weights of a model are read and an image is decoded, the programs that they
will go through can be compiled already: their shapes are known. A jitted function finds
what another thread compiled of it for arguments of the same shapes.
"""

import atexit
import concurrent.futures
import threading
from collections.abc import Callable, Hashable
from typing import Any, Generic, ParamSpec, TypeVar

import jax

from uhseg_jax.entry import own_settings

__all__ = ["Arguments", "Program", "is_compiling"]

Parameters = ParamSpec("Parameters")
Returned = TypeVar("Returned")
# Positional and by name; `jax.ShapeDtypeStruct` in place of arrays.
Arguments = tuple[tuple[Any, ...], dict[str, Any]]

_threads: set[threading.Thread] = set()  # those that compile


class Program(Generic[Parameters, Returned]):
    """A jitted function that can be compiled before it is called.

    A call waits for the threads that compile it. What goes wrong in them is forgotten:
    the call then compiles by itself, and raises what there is to raise.
    """

    def __init__(self, jitted: Callable[Parameters, Returned]) -> None:
        self.jitted: Any = jitted
        self._begun: dict[Hashable, concurrent.futures.Future[Any]] = {}
        self._waited_for: list[threading.Thread] = []

    def __call__(self, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Returned:
        """What the function returns, compiled now where it is not yet."""
        while self._waited_for:
            self._waited_for[-1].join()  # which an interrupt ends
            self._waited_for.pop()
        returned: Returned = self.jitted(*args, **kwargs)
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
        # Of the caller's thread, where `config.values` has that of all.
        device = getattr(jax.config, "jax_default_device")  # noqa: B009

        def work() -> None:
            try:
                with own_settings(), jax.default_device(device):
                    self._compile(arguments, found)
            except Exception as error:
                if not found.done():
                    found.set_exception(error)
            finally:
                _threads.discard(threading.current_thread())

        # A daemon, so that commands may leave at any time. Otherwise `_finish` waits:
        # the compiler does not bear that the interpreter goes while it works.
        thread = threading.Thread(target=work, name="uhseg-compile", daemon=True)
        _threads.add(thread)
        self._waited_for.append(thread)
        thread.start()
        return found

    def _compile(
        self,
        arguments: Callable[[], Arguments],
        found: "concurrent.futures.Future[Any]",
    ) -> None:
        args, kwargs = arguments()
        traced = self.jitted.trace(*args, **kwargs)
        found.set_result(traced.out_info)
        traced.lower().compile()


def is_compiling() -> bool:
    """Whether threads are still at work, for whom nobody need wait."""
    return bool(_threads)


@atexit.register
def _finish() -> None:
    for thread in tuple(_threads):
        thread.join()
