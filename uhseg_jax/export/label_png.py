"""A flat segmentation as an index PNG: the value of a pixel is the id of its node."""

import os

import numpy as np
from PIL import Image

from uhseg_jax.export.colors import node_colors
from uhseg_jax.files import atomic_write
from uhseg_jax.hierarchy.tree import RegionTree, visible_nodes

__all__ = ["save_labels"]


def save_labels(
    path: str | os.PathLike[str], tree: RegionTree, *, num_regions: int | None = None
) -> None:
    """Writes a cut of a tree as a PNG whose pixels are node ids.

    Trees of up to 256 nodes give 8-bit pixels with the colours of the overlay as
    palette, so that the file can be looked at; larger ones 16-bit grey. Ids are those
    of the saved tree, hence the same region has the same id in every cut.

    Args:
      path: the file to write.
      tree: one tree.
      num_regions: at most how many regions, as in `RegionTree.cut`; all leaves if None.

    Raises:
      ValueError: the tree has more than 65536 nodes, or ``num_regions`` is below 1.
    """
    count = int(tree.num_nodes)
    if count > 2**16:
        raise ValueError(
            f"{path}: expected a tree of at most 65536 nodes, which is what a PNG can "
            f"number, but it has {count}; save it with tree.save."
        )
    labels = np.asarray(tree.labels)
    if num_regions is not None:
        labels = np.asarray(visible_nodes(tree, num_regions=num_regions))[labels]
    if count <= 256:
        image = Image.fromarray(labels.astype(np.uint8), "L")
        image.putpalette(node_colors(tree)[:count].tobytes())
    else:
        image = Image.fromarray(labels.astype(np.uint16))
    with atomic_write(path) as aside:
        image.save(aside, "PNG")
