"""Sentences where something is differentiated that has no derivative.

Regions are integers: they jump, or stay as they are, when features move a little. A
gradient through them would be JAX's traceback out of a loop, or silently zero.
"""

import functools
from typing import Any, TypeVar

import jax

from uhseg_jax.errors import SentenceError

__all__ = ["NoDerivativeError", "constant", "require_values"]

T = TypeVar("T")

_INSTEAD = (
    "What can be differentiated is the graph itself: "
    "uhseg_jax.spectral.soft_ncut.soft_ncut and "
    "uhseg_jax.spectral.eigen.leading_subspace."
)


class NoDerivativeError(SentenceError):
    """Something without a derivative was differentiated."""


def constant(clause: str, arguments: T) -> T:
    """Arguments as they are, of something that has no derivative.

    Where JAX differentiates with respect to them, in forward or reverse mode, it raises
    `NoDerivativeError`; arguments that do not move are let through.

    Args:
      clause: the message's sentence, such as "k-means has no derivative".
      arguments: any pytree.
    """
    return _constant(clause, arguments)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _constant(clause: str, arguments: Any) -> Any:
    del clause
    return arguments


@_constant.defjvp
def _constant_jvp(clause: str, primals: Any, tangents: Any) -> Any:
    del primals, tangents
    raise NoDerivativeError(
        f"{clause}. {_INSTEAD} To hold the result constant, put "
        "jax.lax.stop_gradient around the arguments."
    )


def require_values(what: str, value: Any) -> None:
    """Refuses a value that JAX is tracing, for what runs on the host.

    Args:
      what: the name of the function, for the message.
      value: an argument, any pytree.

    Raises:
      NoDerivativeError: there is no number in it, since JAX differentiates, compiles or
        maps the function that called.
    """
    if any(isinstance(x, jax.core.Tracer) for x in jax.tree.leaves(value)):
        raise NoDerivativeError(
            f"{what} takes numbers, but JAX is tracing its argument (jax.grad, jit, "
            "vmap or the like): it works on the host, and what it finds has no "
            f"derivative. Call it outside. {_INSTEAD}"
        )
