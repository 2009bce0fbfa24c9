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

from uhseg_jax.images import resize
from uhseg_jax.interpolation import Taps, make_taps
from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.types import Array, Bool, Int, UInt8

__all__ = ["TILE", "PixelGrid", "map_bands", "padded_taps", "working_copy"]

TILE = 64  # pixels


@pytree_dataclass
class PixelGrid:
    """The pixels of an image and what they read of the patch grid, up to whole tiles.

    Attributes:
      rows, columns: taps for features.
      share_rows, share_columns: taps for the leaves of patches, not negative.
      colors: RGB of the pixels; 0 beyond the image.
      inside: whether a pixel is one of the image.
      cell_colors: mean RGB of the patches.
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
        cls, image: UInt8[np.ndarray, "H W 3"], grid: tuple[int, ...], *, kernel: str
    ) -> "PixelGrid":
        """All pixels of an image over a grid (rows, columns)."""
        height, width, _ = image.shape
        of_features = "gaussian" if kernel == "joint" else kernel
        of_leaves = "bilinear" if kernel == "bicubic" else of_features
        beyond = ((0, -height % TILE), (0, -width % TILE))
        return cls(
            *padded_taps(grid, (height, width), of_features),
            *padded_taps(grid, (height, width), of_leaves),
            jnp.asarray(np.pad(image, (*beyond, (0, 0)))),
            jnp.asarray(np.pad(np.ones((height, width), bool), beyond)),
            jnp.asarray(resize(image, (grid[0], grid[1]))),
        )

    def in_bands(
        self, function: Callable[["PixelGrid"], Int[Array, "rows W"]]
    ) -> Int[Array, "H W"]:
        """Maps bands of a tile's rows to integers.

        So no array of all pixels and leaves exists.
        """
        names = ("rows", "share_rows", "colors", "inside")
        return map_bands(
            lambda band: function(dataclasses.replace(self, **band)),
            {name: getattr(self, name) for name in names},
        )


def map_bands(
    function: Callable[[Any], Int[Array, "rows W"]], rows: Any
) -> Int[Array, "H W"]:
    """Maps bands of a tile's rows, one after the other.

    Args:
      function: takes the arrays of one band.
      rows: arrays whose first axis is the rows, a multiple of `TILE`.
    """
    bands = jax.tree.map(lambda x: x.reshape(-1, TILE, *x.shape[1:]), rows)
    found = jax.lax.map(function, bands)
    return found.reshape(-1, found.shape[-1])


def padded_taps(
    grid: tuple[int, ...], size: tuple[int, ...], kernel: str
) -> tuple[Taps, Taps]:
    """Taps from a grid to (height, width) in whole tiles; those beyond repeat the last.

    Returns:
      Those of the rows and those of the columns.
    """

    def along(cells: int, pixels: int) -> Taps:
        taps = make_taps(cells, pixels, kernel=kernel)
        beyond = (0, -pixels % TILE)
        return Taps(
            jnp.asarray(np.pad(taps.first, beyond, mode="edge"), jnp.int32),
            jnp.asarray(
                np.pad(taps.weights, (beyond, (0, 0)), mode="edge"), jnp.float32
            ),
        )

    return along(grid[0], size[0]), along(grid[1], size[1])


def working_copy(
    image: UInt8[np.ndarray, "H W 3"], max_megapixels: float
) -> UInt8[np.ndarray, "h w 3"]:
    """The image, or a smaller one of the same aspect if it has more pixels."""
    height, width = image.shape[:2]
    scale = math.sqrt(max_megapixels * 1e6 / (height * width))
    if scale >= 1:
        return image
    return resize(image, (max(1, int(height * scale)), max(1, int(width * scale))))
