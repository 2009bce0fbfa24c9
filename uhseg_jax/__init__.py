"""Unsupervised hierarchical image segmentation in JAX.

A photograph goes in; a tree of nested regions comes out, found from the features of a
self-supervised backbone by spectral clustering and region merging, without labels or
training.
"""

from uhseg_jax.api import extract_features, segment, segment_features
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.similar import DescribedTree, similar_regions

__all__ = [
    "DescribedTree",
    "RegionTree",
    "extract_features",
    "segment",
    "segment_features",
    "similar_regions",
]
__version__ = "0.4.0"
