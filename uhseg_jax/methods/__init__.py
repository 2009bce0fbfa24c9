"""The methods: each a recipe in a room of its own, which reads like its paper.

A method is registered by one line here.
"""

from uhseg_jax.methods import diffusion_walk, multilevel_clustering, recursive_spectral
from uhseg_jax.methods.method import Method
from uhseg_jax.registry import Registry

__all__ = ["DEFAULT_METHOD", "METHODS", "Method"]

DEFAULT_METHOD = recursive_spectral.METHOD.name

METHODS: Registry[Method] = Registry(
    "method",
    [
        recursive_spectral.METHOD,
        diffusion_walk.METHOD,
        multilevel_clustering.METHOD,
    ],
)
