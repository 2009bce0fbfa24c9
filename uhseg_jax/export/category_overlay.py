"""Categories that were found, over an image and as label maps: one colour for each."""

import os

import numpy as np
from PIL import Image

from uhseg_jax.export.colors import node_colors
from uhseg_jax.export.panels import boundaries, fit
from uhseg_jax.files import atomic_write
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.types import Integer, UInt8

__all__ = ["category_colors", "paint_categories", "save_category_map"]

_LONGEST = 1024  # pixels of the long side
_GAP = 16
_FILL = 0.55  # opacity of the colours
_DIMMED = 0.45  # brightness that is left to the background


def category_colors(count: int) -> UInt8[np.ndarray, "n 3"]:
    """Black for the background, and one colour for every category from 1.

    Depends on the number of categories alone: they are the same in every image.
    """
    flat = RegionTree.flat(np.arange(1, count + 1)[None, :], count + 1)
    colors = node_colors(flat) if count else np.zeros((1, 3), np.uint8)
    colors[0] = 0
    return colors


def paint_categories(
    image: UInt8[np.ndarray, "H W 3"],
    categories: Integer[np.ndarray, "H W"],
    regions: Integer[np.ndarray, "H W"],
    *,
    count: int,
) -> UInt8[np.ndarray, "h w 3"]:
    """The image beside itself with its regions in the colours of their categories.

    Args:
      image: the image.
      categories: of every pixel, 0 for the background, which is dimmed.
      regions: of every pixel; lines are drawn between them.
      count: categories that there are.
    """
    shown, labels = fit(image, np.asarray(categories, np.int32), longest=_LONGEST)
    _, parts = fit(image, np.asarray(regions, np.int32), longest=_LONGEST)
    colors = category_colors(count)[labels].astype(np.float32)
    inside = (labels > 0)[..., None]
    painted = np.where(
        inside, (1 - _FILL) * shown + _FILL * colors, _DIMMED * shown.astype(np.float32)
    )
    painted[boundaries(parts)] = 255
    gap = np.full((shown.shape[0], _GAP, 3), 255, np.uint8)
    return np.concatenate([shown, gap, np.rint(painted).astype(np.uint8)], axis=1)


def save_category_map(
    path: str | os.PathLike[str],
    categories: Integer[np.ndarray, "H W"],
    *,
    count: int,
) -> None:
    """Writes a PNG whose pixels are category ids, 0 for the background.

    8-bit pixels with the colours of the categories as palette up to 255 categories,
    else 16-bit grey.

    Raises:
      ValueError: there are more than 65535 categories.
    """
    if count > 2**16 - 1:
        raise ValueError(
            f"{path}: expected at most 65535 categories, which is what a PNG can "
            f"number, but there are {count}."
        )
    if count < 256:
        photograph = Image.fromarray(categories.astype(np.uint8), "L")
        photograph.putpalette(category_colors(count).tobytes())
    else:
        photograph = Image.fromarray(categories.astype(np.uint16))
    with atomic_write(path) as aside:
        photograph.save(aside, "PNG")
