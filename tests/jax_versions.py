"""What the oldest JAX that the package takes has under another name, or not."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.experimental

__all__ = ["enable_x64", "listening"]

# Of jax itself from 0.8 on.
enable_x64 = getattr(jax, "enable_x64", getattr(jax.experimental, "enable_x64", None))


@contextlib.contextmanager
def listening(*listeners: tuple[Callable, Callable]) -> Iterator[None]:
    """Listeners of `jax.monitoring`, each after what registers it, that hear no longer.

    JAX 0.7 can register them only.
    """
    inside = True

    def hearing(listener: Callable) -> Callable:
        def hear(*args: Any, **kwargs: Any) -> None:
            if inside:
                listener(*args, **kwargs)

        return hear

    for register, listener in listeners:
        register(hearing(listener))
    try:
        yield
    finally:
        inside = False
