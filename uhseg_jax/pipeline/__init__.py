"""From images to trees of pixels: a backbone, a method and a refinement bound together.

`Segmenter` binds them. Images go through it in groups (`groups`), from a backbone or
with features of their own (`given`), through programs that are compiled once
(`programs`). A graph of superpixels of many images goes through the method alone
(`graph_tree`).
"""

from uhseg_jax.pipeline.graph_tree import (
    is_large_grid,
    require_graphs,
    tree_of_graph,
    tree_of_patches,
)
from uhseg_jax.pipeline.grid_tree import GridTree
from uhseg_jax.pipeline.programs import jitted_trees
from uhseg_jax.pipeline.segmenter import Segmenter

__all__ = [
    "GridTree",
    "Segmenter",
    "is_large_grid",
    "jitted_trees",
    "require_graphs",
    "tree_of_graph",
    "tree_of_patches",
]
