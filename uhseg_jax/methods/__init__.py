"""One file for each published method; each reads like its method section."""

import dataclasses
import difflib
from collections.abc import Callable, Mapping
from typing import Any

from uhseg_jax.methods import recursive_spectral

__all__ = ["METHODS", "Method", "get_method"]


@dataclasses.dataclass(frozen=True)
class Method:
    """A method as the pipeline sees it.

    Attributes:
      name: of the paper's method.
      config: class of its frozen config; says what features it wants
        (``image_size``, ``facet``, ``blocks``, ``normed``).
      presets: makers of named configs; "default" is ours.
      segment: ``(features [h, w, d], config)`` to an output with a ``tree``.
    """

    name: str
    config: type
    presets: Mapping[str, Callable[[], Any]]
    segment: Callable[..., Any]

    def preset(self, name: str = "default") -> Any:
        """The config of that name.

        Raises:
          ValueError: there is none; the message names those there are.
        """
        if name not in self.presets:
            raise ValueError(
                f"method {self.name!r} has no preset {name!r}; it has "
                f"{', '.join(self.presets)}."
            )
        return self.presets[name]()

    def resolve_config(self, config: Any) -> Any:
        """The config given, or the default for None.

        Raises:
          ValueError: the config belongs to another method.
        """
        if config is None:
            return self.preset()
        if not isinstance(config, self.config):
            raise ValueError(
                f"method {self.name!r} expects a config of type "
                f"{self.config.__module__}.{self.config.__qualname__}, but got "
                f"{type(config).__name__}."
            )
        return config


METHODS = {
    "recursive_spectral": Method(
        "recursive_spectral",
        recursive_spectral.Config,
        {
            "default": recursive_spectral.default,
            "release": recursive_spectral.release,
            "paper": recursive_spectral.paper,
        },
        recursive_spectral.segment,
    ),
}


def get_method(name: str) -> Method:
    """The method of that name.

    Raises:
      ValueError: there is none; the message names those there are.
    """
    if name in METHODS:
        return METHODS[name]
    close = difflib.get_close_matches(name, METHODS, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise ValueError(
        f"unknown method {name!r}; known methods: {', '.join(sorted(METHODS))}.{hint}"
    )
