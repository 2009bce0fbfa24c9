"""One HTML page with the categories of a collection: no server, no network, one file.

Every category is a row of crops of its regions, those nearest to its centroid first;
what lies outside a region is dimmed. The page works without scripts.
"""

import base64
import dataclasses
import html
import importlib.resources
import io
import os
from collections.abc import Sequence

import numpy as np
from PIL import Image

from uhseg_jax.export.category_overlay import category_colors
from uhseg_jax.export.colors import hex_colors
from uhseg_jax.files import atomic_write
from uhseg_jax.images import resize
from uhseg_jax.types import Bool, UInt8

__all__ = ["Category", "save_categories_page", "thumbnail"]

_LONGEST = 144  # pixels of the long side of a crop
_QUALITY = 78  # of JPEG
_DIMMED = 0.35  # brightness that is left outside the region


@dataclasses.dataclass(frozen=True)
class Category:
    """A category as the page shows it.

    Attributes:
      name: in its heading.
      num_regions: how many it has.
      num_images: in how many images.
      crops: images' names and thumbnails (`thumbnail`), in the order to show them.
    """

    name: str
    num_regions: int
    num_images: int
    crops: Sequence[tuple[str, bytes]]


def thumbnail(
    crop: UInt8[np.ndarray, "h w 3"], inside: Bool[np.ndarray, "h w"]
) -> bytes:
    """A small JPEG of the box of a region, dimmed outside it."""
    height, width = inside.shape
    scale = min(1, _LONGEST / max(height, width))
    size = max(1, round(height * scale)), max(1, round(width * scale))
    dimmed = (crop * np.where(inside, 1, _DIMMED)[..., None]).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(resize(dimmed, size)).save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()


def save_categories_page(
    path: str | os.PathLike[str],
    categories: Sequence[Category],
    *,
    title: str = "Categories found",
    num_images: int,
) -> None:
    """Writes the page; a reader never sees half of it.

    Args:
      path: the file to write; ``.html``.
      categories: in the order of their numbers, from 1.
      title: in its heading and in the browser's tab.
      num_images: of the collection.
    """
    page = importlib.resources.files(__package__) / "categories.html"
    head, tail = page.read_text("utf-8").split("{{categories}}")
    head = head.replace("{{title}}", html.escape(title))
    regions = sum(x.num_regions for x in categories)
    summary = (
        f"{_counted(len(categories), 'category', 'categories')} from "
        f"{_counted(regions, 'region')} in {_counted(num_images, 'picture')}"
    )
    head = head.replace("{{summary}}", summary)
    colors = hex_colors(category_colors(len(categories)))[1:]
    with (
        atomic_write(path) as aside,
        # File names may hold bytes that are no text; they become question marks.
        open(aside, "w", encoding="utf-8", errors="replace") as file,
    ):
        file.write(head)
        for category, color in zip(categories, colors, strict=True):
            file.write(_section(category, color))
        if not categories:
            file.write('<p class="quiet">No image has a foreground.</p>\n')
        file.write(tail)


def _section(category: Category, color: str) -> str:
    figures = "\n".join(
        f'<img loading="lazy" alt="{html.escape(name)}" title="{html.escape(name)}" '
        f'src="data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}">'
        for name, jpeg in category.crops
    )
    hidden = category.num_regions - len(category.crops)
    rest = f'<p class="quiet">and {hidden} more</p>\n' if hidden else ""
    return (
        f'<section>\n<h2><span class="mark" style="background:{color}"></span>'
        f"{html.escape(category.name)}</h2>\n"
        f'<p class="quiet">{_counted(category.num_regions, "region")} in '
        f"{_counted(category.num_images, 'picture')}</p>\n"
        f'<div class="crops">\n{figures}\n</div>\n{rest}</section>\n'
    )


def _counted(count: int, one: str, many: str = "") -> str:
    return f"{count} {one if count == 1 else many or one + 's'}"
