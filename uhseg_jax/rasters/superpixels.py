"""Superpixels of a raster without seams, found and measured in windows.

The markers lie on one lattice over the whole raster, and a superpixel is that of its
marker, whichever window it was flooded in. Windows overlap by more than floods usually
reach, and a pixel has the label of the window whose core it lies in, so sums over cores
count every pixel once. No bound holds for all floods: a long even band with no marker
inside, as in a regular pattern, is filled from its end, and in a window from where that
cuts it. There superpixels end at cores, with no contrast along that border.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Mapping

import numpy as np

from uhseg_jax.rasters.filling import filled
from uhseg_jax.rasters.label_raster import NO_DATA
from uhseg_jax.rasters.windows import Window
from uhseg_jax.superpixels import SuperpixelConfig
from uhseg_jax.superpixels.adjacency import find_borders
from uhseg_jax.superpixels.gradients import (
    gradient_magnitude,
    lab_planes,
    local_contrast,
)
from uhseg_jax.superpixels.watershed import cell_labels, flooded, lattice
from uhseg_jax.types import Bool, Float, Int, Pixels

__all__ = ["CoreRegions", "Lattice", "borders_between", "core_regions"]

_REACH = 2.0  # cells that most floods come from
_FILTERS = 24  # pixels around that gradients and contrasts look at


@dataclasses.dataclass(frozen=True)
class Lattice:
    """The cells over a raster, in each of which a superpixel has its marker.

    Attributes:
      size: pixels (height, width) of the raster.
      cells: rows and columns of the lattice.
      config: kind and scales of the superpixels.
    """

    size: tuple[int, int]
    cells: tuple[int, int]
    config: SuperpixelConfig

    @classmethod
    def over(
        cls, size: tuple[int, int], tile: tuple[int, int], config: SuperpixelConfig
    ) -> Lattice:
        """As many cells for each tile as the config has for an image.

        Args:
          size: pixels (height, width) of the raster.
          tile: of a tile.
          config: of the superpixels; ``max_megapixels`` is not used.
        """
        count = max(1, round(config.count * math.prod(size) / math.prod(tile)))
        return cls(size, lattice(size, count), config)

    @property
    def margin(self) -> int:
        """Pixels around a core that its window needs."""
        side = math.sqrt(math.prod(self.size) / math.prod(self.cells))
        return math.ceil(_REACH * side) + _FILTERS


@dataclasses.dataclass(frozen=True)
class CoreRegions:
    """What is known of the superpixels in a core; numpy.

    Attributes:
      numbers: int32, the cells of the superpixels that have pixels here, rising.
      areas: float64, these pixels.
      colors: float64, sums of CIE Lab over them.
      edges: int32, two cells that touch here.
      lengths: float32, pairs of pixels that touch.
      evidence: float32, mean contrast along the borders.
      rim_labels: int32, cells (or -1) along the first and the last row and the first
        and the last column, one after the other.
      rim_contrasts: float32, the contrast there.
    """

    numbers: Int[np.ndarray, " n"]
    areas: Float[np.ndarray, " n"]
    colors: Float[np.ndarray, "n 3"]
    edges: Int[np.ndarray, "e 2"]
    lengths: Float[np.ndarray, " e"]
    evidence: Float[np.ndarray, " e"]
    rim_labels: Int[np.ndarray, " r"]
    rim_contrasts: Float[np.ndarray, " r"]


def core_regions(
    image: Pixels,
    valid: Bool[np.ndarray, "h w"],
    window: Window,
    core: Window,
    lattice: Lattice,
) -> tuple[Int[np.ndarray, "a b"], CoreRegions]:
    """The superpixels of a core.

    Args:
      image: RGB pixels of a window around the core.
      valid: where there is data.
      window: where that lies.
      core: within it, ``lattice.margin`` pixels from its ends or at those of the
        raster.
      lattice: of the markers.

    Returns:
      int32, the cell whose superpixel each pixel of the core belongs to, -1 where there
      is no data; and measures of them.
    """
    config, known = lattice.config, None
    if not valid.all():
        image, known = filled(image, valid), valid  # so what ends is no edge
    lab = lab_planes(image)
    gradients = {
        scale: gradient_magnitude(lab, scale)
        for scale in {config.gradient_scale, *config.contrast_scales}
    }
    if config.kind == "grid":
        labels = cell_labels(
            lattice.size, lattice.cells, (window.top, window.left), window.shape
        )
        labels[~valid] = NO_DATA
    else:
        labels = flooded(
            gradients[config.gradient_scale],
            lattice.size,
            lattice.cells,
            corner=(window.top, window.left),
            known=known,
        )
    contrasts = [local_contrast(gradients[scale]) for scale in config.contrast_scales]
    inner = core.within(window)
    labels = np.ascontiguousarray(labels[inner])
    contrast = np.mean([x[inner] for x in contrasts], axis=0)
    return labels, _measured(labels, lab[:, *inner], contrast)


def _measured(
    labels: Int[np.ndarray, "h w"],
    lab: Float[np.ndarray, "3 h w"],
    contrast: Float[np.ndarray, "h w"],
) -> CoreRegions:
    numbers, local = np.unique(labels, return_inverse=True)
    local = local.reshape(labels.shape)
    flat, count = local.ravel(), len(numbers)
    borders = find_borders(local, (contrast,))
    areas = np.bincount(flat, minlength=count).astype(np.float64)
    colors = np.stack(
        [np.bincount(flat, plane.ravel(), count) for plane in lab], axis=-1
    )
    edges = numbers[borders.edges]
    apart = (edges != NO_DATA).all(axis=1)
    there = numbers != NO_DATA
    return CoreRegions(
        numbers[there],
        areas[there],
        colors[there],
        edges[apart],
        borders.lengths[apart],
        borders.means[0][apart],
        _rim(labels),
        _rim(contrast),
    )


def borders_between(
    cores: Mapping[tuple[int, int], CoreRegions],
    shapes: Mapping[tuple[int, int], tuple[int, int]],
) -> tuple[Int[np.ndarray, "e 2"], Float[np.ndarray, " e"], Float[np.ndarray, " e"]]:
    """The pairs of pixels that touch across the edges of cores.

    Args:
      cores: by row and column among the cores.
      shapes: of their pixels.

    Returns:
      Two cells, the length and the contrast of each pair.
    """
    edges: list[np.ndarray] = [np.zeros((0, 2), np.int32)]
    evidence: list[np.ndarray] = [np.zeros(0, np.float32)]
    for (row, column), one in cores.items():
        mine = shapes[row, column]
        for step, side, opposite in (((1, 0), 1, 0), ((0, 1), 3, 2)):
            at = row + step[0], column + step[1]
            if at not in cores:
                continue
            here, there = _sides(mine)[side], _sides(shapes[at])[opposite]
            other = cores[at]
            ends = np.stack([one.rim_labels[here], other.rim_labels[there]], axis=1)
            apart = (ends[:, 0] != ends[:, 1]) & (ends != NO_DATA).all(axis=1)
            higher = np.maximum(one.rim_contrasts[here], other.rim_contrasts[there])
            edges.append(ends[apart])
            evidence.append(higher[apart])
    pairs, contrasts = np.concatenate(edges), np.concatenate(evidence)
    return pairs, np.ones(len(pairs), np.float32), contrasts


def _rim(values: np.ndarray) -> np.ndarray:
    """The first and last row and the first and last column, one after the other."""
    return np.concatenate([values[0], values[-1], values[:, 0], values[:, -1]])


def _sides(shape: tuple[int, int]) -> list[slice]:
    """Where the four sides are in a `_rim`."""
    height, width = shape
    ends = itertools.accumulate([0, width, width, height, height])
    return [slice(*x) for x in itertools.pairwise(ends)]
