"""The methods: each a recipe in a room of its own, which reads like its paper.

A method is registered by one line here.
"""

from uhseg_jax.methods import (
    diffusion_walk,
    multilevel_clustering,
    recursive_spectral,
    region_merging,
)
from uhseg_jax.methods.method import Method
from uhseg_jax.registry import Registry

__all__ = ["DEFAULT_METHOD", "METHODS", "Method"]

DEFAULT_METHOD = region_merging.METHOD.name

METHODS: Registry[Method] = Registry(
    "method",
    [
        region_merging.METHOD,
        recursive_spectral.METHOD,
        diffusion_walk.METHOD,
        multilevel_clustering.METHOD,
    ],
)
