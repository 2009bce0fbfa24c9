"""Superpixels: small regions that keep to an image's edges, and the graph of them.

Everything here runs on the host, with numpy, and is deterministic.
"""

from uhseg_jax.superpixels.config import SuperpixelConfig
from uhseg_jax.superpixels.graph import (
    SuperpixelGraph,
    Superpixels,
    graph_of_patches,
    superpixels_of,
)
from uhseg_jax.superpixels.region_graph import RegionGraph

__all__ = [
    "RegionGraph",
    "SuperpixelConfig",
    "SuperpixelGraph",
    "Superpixels",
    "graph_of_patches",
    "superpixels_of",
]
