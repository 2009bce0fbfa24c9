"""The methods: each a recipe in a room of its own, which reads like its paper.

A method is registered by one line here. Those of users have none: `METHODS.find` takes
``FILE.py:FUNCTION`` for a name, and `method_of` takes functions.
"""

from collections.abc import Callable
from typing import Any

from uhseg_jax.methods import (
    diffusion_walk,
    multilevel_clustering,
    recursive_spectral,
    region_merging,
)
from uhseg_jax.methods.from_file import method_in_file
from uhseg_jax.methods.from_function import FunctionMethod, method_from
from uhseg_jax.methods.method import Method
from uhseg_jax.own_code import is_in_file
from uhseg_jax.registry import Registry

__all__ = [
    "DEFAULT_METHOD",
    "METHODS",
    "FunctionMethod",
    "Method",
    "method_from",
    "method_of",
]

DEFAULT_METHOD = region_merging.METHOD.name
"""The name of the method that is used where none is named."""


class _Methods(Registry[Method]):
    """The methods by name, and those in files of users by ``FILE.py:FUNCTION``."""

    def find(self, name: str) -> Method:
        """The method of that name; a file that is named is run.

        Raises:
          ValueError: there is none; the message lists those there are, or says what is
            wrong with the file.
        """
        return method_in_file(name) if is_in_file(name) else super().find(name)


METHODS = _Methods(
    "method",
    [
        region_merging.METHOD,
        recursive_spectral.METHOD,
        diffusion_walk.METHOD,
        multilevel_clustering.METHOD,
    ],
)
"""The methods by name."""


def method_of(method: str | Method | Callable[..., Any]) -> Method:
    """A method by its name, by itself, or by a function that makes one.

    Raises:
      ValueError: there is no such method, or the function makes none.
    """
    if isinstance(method, Method):
        return method
    if isinstance(method, str) or not callable(method):
        return METHODS.find(method)
    return method_from(method)
