"""Array aliases and the glossary of dimensions.

Shapes in annotations use these letters everywhere in the package:

    b       images of a batch
    H, W    pixels of an image, rows and columns
    h, w    cells of the grid that features live on (patches before refinement)
    n       vertices of a graph (h * w patches), or nodes of a padded tree
    m       superpixels: vertices of the condensed graph
    s       vertices of one region of the condensed graph (padded)
    d       channels of a feature
    q       leading eigenvectors kept
    k       groups of a split
"""

import numpy as np
from jaxtyping import Array, Bool, Float, Int, Integer, Key, UInt8

__all__ = [
    "Array",
    "Bool",
    "Float",
    "Int",
    "Integer",
    "Key",
    "Pixels",
    "Scalar",
    "UInt8",
]

Scalar = Float[Array, ""]
"""One number on a device."""

Pixels = UInt8[np.ndarray, "_ _ 3"]
"""An RGB image of any size."""
