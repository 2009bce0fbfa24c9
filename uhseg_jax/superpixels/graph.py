"""The superpixels of an image and the graph of them, of a shape set by the config."""

from __future__ import annotations

import dataclasses

import numpy as np

from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.refinement.labels import resize_labels
from uhseg_jax.refinement.pixel_grid import working_copy
from uhseg_jax.superpixels.adjacency import find_borders
from uhseg_jax.superpixels.config import SuperpixelConfig
from uhseg_jax.superpixels.enlarging import enlarge_labels
from uhseg_jax.superpixels.gradients import (
    gradient_magnitude,
    lab_planes,
    local_contrast,
)
from uhseg_jax.superpixels.pooling import mean_colors, patch_weights
from uhseg_jax.superpixels.watershed import PARTITIONS, lattice
from uhseg_jax.types import Array, Float, Int, Pixels

__all__ = ["SuperpixelGraph", "Superpixels", "graph_of_patches", "superpixels_of"]

_LAB_UNIT = 100.0  # of L, the largest value


@pytree_dataclass
class SuperpixelGraph:
    """Superpixels, and the borders between them, behind which there is padding.

    All images share one shape, which follows from the config (``n`` is its ``count``,
    ``e`` is ``3 n``: the graph is planar) and from the grid of patches.

    Attributes:
      areas: shares of the image, 0 for padding; they sum to one.
      colors: mean CIE Lab / 100.
      weights: of the patches in the mean over a superpixel, row by row of the grid:
        ``weights @ features`` are the superpixels' features. Rows sum to one.
      edges: the two superpixels of a border, the lower first; 0 and 0 for padding.
      lengths: pairs of pixels that touch across a border, in the image or in its
        smaller copy; 0 for padding.
      evidence: the mean contrast (`local_contrast`) along a border, of the higher pixel
        of every pair; 0 for padding.
      patches: the superpixel that the centre of every patch lies in.
    """

    areas: Float[Array | np.ndarray, "*b n"]
    colors: Float[Array | np.ndarray, "*b n 3"]
    weights: Float[Array | np.ndarray, "*b n hw"]
    edges: Int[Array | np.ndarray, "*b e 2"]
    lengths: Float[Array | np.ndarray, "*b e"]
    evidence: Float[Array | np.ndarray, "*b e"]
    patches: Int[Array | np.ndarray, "*b h w"]


@dataclasses.dataclass(frozen=True)
class Superpixels:
    """An image divided into superpixels.

    Attributes:
      labels: int32, the superpixel of every pixel, from 0. In an enlarged copy
        (`SuperpixelConfig.max_megapixels`) a superpixel of very few pixels can have
        lost all of them; its number stays free.
      graph: numpy, float32 and int32.
    """

    labels: Int[np.ndarray, "H W"]
    graph: SuperpixelGraph

    def pooled(
        self, features: Float[np.ndarray, "h w d"]
    ) -> tuple[Float[np.ndarray, "n 1 d"], SuperpixelGraph]:
        """Features of the superpixels, and the graph with these in place of patches.

        So what works on them has a shape that does not depend on the grid of patches.
        """
        count = len(self.graph.areas)
        flat = features.reshape(-1, features.shape[-1])
        vectors = np.asarray(self.graph.weights) @ flat
        graph = dataclasses.replace(
            self.graph,
            weights=np.eye(count, dtype=np.float32),
            patches=np.arange(count, dtype=np.int32)[:, None],
        )
        return vectors[:, None], graph

    def on_patches(self, leaves: Int[np.ndarray, " n"]) -> Int[np.ndarray, "h w"]:
        """The leaf at the centre of every patch, from that of every superpixel."""
        labels: np.ndarray = leaves[np.asarray(self.graph.patches)]
        return labels


def superpixels_of(
    image: Pixels,
    grid: tuple[int, ...],
    config: SuperpixelConfig,
) -> Superpixels:
    """Divides an image into superpixels and measures them.

    Half of the time goes into the watershed (`uhseg-benchmark`, stage "prepare").

    Args:
      image: uint8 RGB.
      grid: patches (rows, columns) over the whole image, whose features will be pooled.
      config: kind and number of the superpixels.

    Returns:
      Superpixels on the host. They depend on the arguments alone.
    """
    working = working_copy(image, config.max_megapixels)
    lab = lab_planes(working)
    gradients = {
        scale: gradient_magnitude(lab, scale)
        for scale in {config.gradient_scale, *config.contrast_scales}
    }
    labels = PARTITIONS[config.kind](gradients[config.gradient_scale], config.count)
    contrasts = [local_contrast(gradients[scale]) for scale in config.contrast_scales]
    contrast = np.mean(contrasts, axis=0)
    return Superpixels(
        enlarge_labels(labels, image.shape[:2]),
        _graph(labels, lab, contrast, grid, config.count),
    )


def _graph(
    labels: Int[np.ndarray, "H W"],
    lab: Float[np.ndarray, "3 H W"],
    contrast: Float[np.ndarray, "H W"],
    grid: tuple[int, ...],
    count: int,
) -> SuperpixelGraph:
    borders = find_borders(labels, (contrast,))
    beyond = (0, 3 * count - len(borders.edges))
    return SuperpixelGraph(
        areas=np.bincount(labels.ravel(), minlength=count).astype(np.float32)
        / np.float32(labels.size),
        colors=mean_colors(labels, lab, count) / np.float32(_LAB_UNIT),
        weights=patch_weights(labels, grid, count),
        edges=np.pad(borders.edges, (beyond, (0, 0))),
        lengths=np.pad(borders.lengths, beyond),
        evidence=np.pad(borders.means[0], beyond),
        patches=resize_labels(labels, grid),
    )


def graph_of_patches(grid: tuple[int, int], most: int) -> SuperpixelGraph:
    """The graph of patches alone, without any image: no contrast and no colours.

    Every patch is a superpixel, or every cell of a coarser lattice where there are too
    many. ``weights`` are left empty: a superpixel's features are the mean over its
    patches.

    Args:
      grid: patches (rows, columns).
      most: superpixels at the most.
    """
    h, w = grid
    rows, columns = grid if h * w <= most else lattice(grid, most)
    cells = np.arange(h)[:, None] * rows // h * columns + np.arange(w) * columns // w
    cells = cells.astype(np.int32)
    borders = find_borders(cells)
    sizes = np.bincount(cells.ravel())
    return SuperpixelGraph(
        areas=(sizes / cells.size).astype(np.float32),
        colors=np.zeros((len(sizes), 3), np.float32),
        weights=np.zeros((len(sizes), 0), np.float32),
        edges=borders.edges,
        lengths=borders.lengths,
        evidence=np.zeros(borders.lengths.shape, np.float32),
        patches=cells,
    )
