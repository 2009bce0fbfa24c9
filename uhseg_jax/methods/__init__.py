"""One file for each published method; each reads like its method section."""

import dataclasses
import difflib
from collections.abc import Callable, Mapping
from typing import Any

from uhseg_jax.methods import (
    diffusion_walk,
    multilevel_clustering,
    recursive_spectral,
)
from uhseg_jax.refinement.config import DEFAULT_REFINER

__all__ = ["METHODS", "Method", "get_method"]


@dataclasses.dataclass(frozen=True)
class Method:
    """A method as the pipeline sees it.

    Attributes:
      name: of the paper's method.
      config: class of its frozen config; says what features it wants
        (``image_size``, ``facet``, ``blocks``, ``normed``).
      presets: makers of named configs; "default" is ours.
      segment: ``(features [h, w, d], config)`` to an output with a ``tree``; None for a
        method that learns from a collection of images (`uhseg_jax.discovery`).
      check: raises ValueError for finite features ``[..., h, w, d]`` that the method
        cannot work on.
      refiner: how its regions follow the image's edges where nothing is said.
    """

    name: str
    config: type
    presets: Mapping[str, Callable[[], Any]]
    segment: Callable[..., Any] | None
    check: Callable[[Any], None] = recursive_spectral.check_features
    refiner: str = DEFAULT_REFINER

    @property
    def of_collections(self) -> bool:
        """Whether the method learns from a collection of images."""
        return self.segment is None

    def require_one_image(self) -> None:
        """ValueError for a method that does not segment images one by one."""
        if self.of_collections:
            raise ValueError(
                f"method {self.name!r} learns its categories from a collection of "
                "images and has nothing to say about one alone; run uhseg-segment "
                f"--method={self.name} FOLDER, or call "
                "uhseg_jax.discovery.discover."
            )

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
    "diffusion_walk": Method(
        "diffusion_walk",
        diffusion_walk.Config,
        {
            "default": diffusion_walk.default,
            "automatic": diffusion_walk.automatic,
            "random_walk": diffusion_walk.random_walk,
        },
        diffusion_walk.segment,
        check=diffusion_walk.check_attention,
    ),
    "multilevel_clustering": Method(
        "multilevel_clustering",
        multilevel_clustering.Config,
        {"default": multilevel_clustering.default},
        None,
        refiner="upsample",  # measured: the CRF loses foreground here
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
