"""Diffusing, walking and cutting (Ivanova et al., WACV 2026)."""

from uhseg_jax.methods.diffusion_walk.recipe import (
    METHOD,
    Config,
    Output,
    automatic,
    check_attention,
    default,
    fixed,
    random_walk,
    segment,
)

__all__ = [
    "METHOD",
    "Config",
    "Output",
    "automatic",
    "check_attention",
    "default",
    "fixed",
    "random_walk",
    "segment",
]
