"""Descriptors: what every region of a tree looks like, as one vector.

`means` makes them of features, `descriptor_file` keeps them beside the tree, and
`similar` compares regions by them.
"""

from uhseg_jax.hierarchy.descriptors.means import describe

__all__ = ["describe"]
