"""One HTML page with the categories of a collection: no server, no network, one file.

Every category is a row of crops of its regions, those nearest to its centroid first;
what lies outside a region is dimmed. The page works without scripts.
"""

import bisect
import contextlib
import dataclasses
import functools
import html
import importlib.resources
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from uhseg_jax.export.colors import category_colors, hex_colors
from uhseg_jax.export.exporter import FileOfTheRun
from uhseg_jax.export.panels import jpeg_url, shrink
from uhseg_jax.export.result import ExportOptions, Result, category_names
from uhseg_jax.types import Bool, UInt8

__all__ = ["open_categories_page", "thumbnail"]

_MAX_CROPS = 40  # of a category
_LONGEST = 144  # pixels of the long side of a crop
_QUALITY = 78  # of JPEG
_DIMMED = 0.35  # brightness that is left outside the region


@contextlib.contextmanager
def open_categories_page(
    path: Path, options: ExportOptions, *, title: str = "Categories found"
) -> Iterator["_CategoriesWriter"]:
    """Collects the regions of every category and writes the page at the end.

    Memory is that of the crops on the page.

    Args:
      path: the file to write; ``.html``.
      options: of the run, with the number of its categories.
      title: in the heading of the page and in the browser's tab.
    """
    writer = _CategoriesWriter(options.num_categories or 0)
    yield writer
    page = importlib.resources.files(__package__) / "categories.html"
    head, tail = page.read_text("utf-8").split("{{categories}}")
    head = head.replace("{{title}}", html.escape(title))
    head = head.replace("{{summary}}", writer.summary())
    colors = hex_colors(category_colors(len(writer.categories)))[1:]
    # File names may hold bytes that are no text; they become question marks.
    with open(path, "w", encoding="utf-8", errors="replace") as file:
        file.write(head)
        for category, color in zip(writer.categories, colors, strict=True):
            file.write(category.section(color))
        if not writer.categories:
            file.write('<p class="quiet">No image has a foreground.</p>\n')
        file.write(tail)


def _region(result: Result, contains: Bool[np.ndarray, " n"]) -> str:
    """A thumbnail of the region with these leaves."""
    inside = contains[np.asarray(result.tree.labels)]
    box = tuple(
        slice(found[0], found[-1] + 1)
        for found in (np.flatnonzero(inside.any(axis)) for axis in (1, 0))
    )
    return thumbnail(result.pixels[box], inside[box])


def thumbnail(crop: UInt8[np.ndarray, "h w 3"], inside: Bool[np.ndarray, "h w"]) -> str:
    """The box of a region as a small JPEG in a URL, dimmed outside the region."""
    dimmed = (crop * np.where(inside, 1, _DIMMED)[..., None]).astype(np.uint8)
    return jpeg_url(shrink(dimmed, _LONGEST), quality=_QUALITY)


@dataclasses.dataclass(frozen=True)
class _Crop:
    """A region on the page.

    Attributes:
      distance: to the centroid of the category.
      title: of its image.
      url: its thumbnail.
    """

    distance: float
    title: str
    url: str


@dataclasses.dataclass
class _Category:
    """What the page shows of a category.

    Attributes:
      name: what it is called in its heading.
      num_regions: how many of its regions were added.
      num_images: how many images show it.
      nearest: the regions nearest to the centroid, of equal ones the first.
    """

    name: str
    num_regions: int = 0
    num_images: int = 0
    nearest: list[_Crop] = dataclasses.field(default_factory=list)

    def add(self, distance: float, title: str, show: Callable[[], str]) -> None:
        """Counts a region, and keeps what ``show`` gives if it is among the nearest."""
        self.num_regions += 1
        if len(self.nearest) < _MAX_CROPS or distance < self.nearest[-1].distance:
            crop = _Crop(distance, title, show())
            bisect.insort(self.nearest, crop, key=lambda x: x.distance)
            del self.nearest[_MAX_CROPS:]

    def section(self, color: str) -> str:
        """The category in HTML."""
        figures = "\n".join(
            f'<img loading="lazy" alt="{html.escape(x.title)}" '
            f'title="{html.escape(x.title)}" src="{x.url}">'
            for x in self.nearest
        )
        hidden = self.num_regions - len(self.nearest)
        rest = f'<p class="quiet">and {hidden} more</p>\n' if hidden else ""
        return (
            f'<section>\n<h2><span class="mark" style="background:{color}"></span>'
            f"{html.escape(self.name)}</h2>\n"
            f'<p class="quiet">{_counted(self.num_regions, "region")} in '
            f"{_counted(self.num_images, 'image')}</p>\n"
            f'<div class="crops">\n{figures}\n</div>\n{rest}</section>\n'
        )


class _CategoriesWriter(FileOfTheRun):
    """Collects what the page shows."""

    def __init__(self, count: int):
        self.categories = [_Category(name) for name in category_names(count)]
        self._num_images = 0

    def add(self, content: Result) -> None:
        """Counts the regions of an image, and draws those that are near enough.

        Without distances, the regions that come first count as the nearest.
        """
        self._num_images += 1
        if content.categories is None:
            return
        distances = np.zeros(content.categories.size)
        if content.distances is not None:
            distances = np.asarray(content.distances, float)
        contains = np.asarray(content.tree.contains())
        for number in np.unique(content.categories[content.categories > 0]).tolist():
            category = self.categories[number - 1]
            category.num_images += 1
            nodes = np.flatnonzero(content.categories == number)
            # The nearest first, so that none is drawn that another takes the place of.
            for node in nodes[np.argsort(distances[nodes], kind="stable")]:
                show = functools.partial(_region, content, contains[node])
                category.add(float(distances[node]), content.title, show)

    def summary(self) -> str:
        """How many categories, regions and images there are."""
        num_regions = sum(x.num_regions for x in self.categories)
        return (
            f"{_counted(len(self.categories), 'category', 'categories')} from "
            f"{_counted(num_regions, 'region')} in "
            f"{_counted(self._num_images, 'image')}"
        )


def _counted(count: int, one: str, many: str = "") -> str:
    return f"{count} {one if count == 1 else many or one + 's'}"
