"""The pixels of an image, and what each of them reads of the patch grid.

Programs are compiled for whole tiles, so that images of many sizes share few.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from uhseg_jax import images, interpolation
from uhseg_jax.interpolation import Taps
from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.types import Array, Bool, Int, UInt8

__all__ = ["TILE", "PixelGrid", "map_bands", "padded_taps", "working_size"]

TILE = 64  # pixels


@pytree_dataclass
class PixelGrid:
    """The pixels of an image and what they read of the grid, up to whole tiles.

    Attributes:
      rows, columns: taps for features.
      share_rows, share_columns: taps for the leaves of cells, not negative.
      colors: RGB of the pixels; 0 beyond the image.
      inside: whether a pixel is one of the image.
      cell_colors: mean RGB of the cells.
    """

    rows: Taps
    columns: Taps
    share_rows: Taps
    share_columns: Taps
    colors: UInt8[Array, "H W 3"]
    inside: Bool[Array, "H W"]
    cell_colors: UInt8[Array, "h w 3"]

    @classmethod
    def of(
        cls,
        image: UInt8[np.ndarray, "H W 3"],
        grid: tuple[int, ...],
        *,
        kernel: str,
    ) -> "PixelGrid":
        """All pixels of an image over a grid (rows, columns)."""
        height, width, _ = image.shape
        of_features = "gaussian" if kernel == "joint" else kernel
        of_leaves = "bilinear" if kernel == "bicubic" else of_features
        beyond = ((0, -height % TILE), (0, -width % TILE))
        return cls(
            padded_taps(grid[0], height, of_features),
            padded_taps(grid[1], width, of_features),
            padded_taps(grid[0], height, of_leaves),
            padded_taps(grid[1], width, of_leaves),
            jnp.asarray(np.pad(image, (*beyond, (0, 0)))),
            jnp.asarray(np.pad(np.ones((height, width), bool), beyond)),
            jnp.asarray(images.resize(image, (grid[0], grid[1]))),
        )

    def in_bands(
        self, function: Callable[["PixelGrid"], Int[Array, "rows W"]]
    ) -> Int[Array, "H W"]:
        """Maps bands of a tile's rows to integers.

        So no array of all pixels and leaves exists.
        """

        def band_fn(band: tuple[Any, ...]) -> Int[Array, "rows W"]:
            rows, share_rows, colors, inside = band
            return function(
                dataclasses.replace(
                    self,
                    rows=rows,
                    share_rows=share_rows,
                    colors=colors,
                    inside=inside,
                )
            )

        return map_bands(
            band_fn, (self.rows, self.share_rows, self.colors, self.inside)
        )


def map_bands(
    function: Callable[[Any], Int[Array, "rows W"]], rows: Any
) -> Int[Array, "H W"]:
    """Maps bands of a tile's rows, one after the other.

    Args:
      function: of the arrays of one band.
      rows: arrays whose first axis is the rows, a multiple of `TILE`.
    """
    bands = jax.tree.map(lambda x: x.reshape(-1, TILE, *x.shape[1:]), rows)
    found = jax.lax.map(function, bands)
    return found.reshape(-1, found.shape[-1])


def padded_taps(cells: int, pixels: int, kernel: str) -> Taps:
    """The taps of an axis up to whole tiles; those beyond repeat the last."""
    taps = interpolation.make_taps(cells, pixels, kernel=kernel)
    beyond = -pixels % TILE
    return Taps(
        jnp.asarray(np.pad(taps.first, (0, beyond), mode="edge"), jnp.int32),
        jnp.asarray(
            np.pad(taps.weights, ((0, beyond), (0, 0)), mode="edge"), jnp.float32
        ),
    )


def working_size(size: tuple[int, int], max_megapixels: float) -> tuple[int, int]:
    """(height, width) of at most so many pixels, of the same aspect."""
    scale = math.sqrt(max_megapixels * 1e6 / (size[0] * size[1]))
    if scale >= 1:
        return size
    height, width = (max(1, int(side * scale)) for side in size)
    return height, width
