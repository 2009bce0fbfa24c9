"""k-means of rows that need not fit into memory, on many devices and hosts."""

from uhseg_jax.spectral.streamed_kmeans.clustering import (
    Config,
    Model,
    assign,
    fit,
    reservoir,
)

__all__ = ["Config", "Model", "assign", "fit", "reservoir"]
