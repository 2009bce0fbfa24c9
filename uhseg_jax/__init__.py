"""Unsupervised hierarchical image segmentation in JAX.

A photograph goes in; a tree of nested regions comes out, found from the features of a
self-supervised backbone by spectral clustering and region merging, without labels or
training.
"""

from uhseg_jax.api import extract_features, segment, segment_features
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.naming import name_regions

__all__ = [
    "RegionTree",
    "extract_features",
    "name_regions",
    "segment",
    "segment_features",
]
__version__ = "0.4.0"
