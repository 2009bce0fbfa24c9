"""One HTML page with the categories of a collection: no server, no network, one file.

Every category is a row of crops of its regions, those nearest to its centroid first;
what lies outside a region is dimmed. The page works without scripts.
"""

import contextlib
import dataclasses
import heapq
import html
import importlib.resources
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from uhseg_jax.export.colors import category_colors, hex_colors
from uhseg_jax.export.exporter import ExportOptions, Result, category_names
from uhseg_jax.export.panels import jpeg_url, shrink
from uhseg_jax.types import Bool, UInt8

__all__ = ["open_categories_page", "region_crops", "thumbnail"]

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


@dataclasses.dataclass(frozen=True)
class _Crop:
    """A region of an image.

    Attributes:
      category: its number, from 1.
      distance: to the centroid of the category.
      url: its thumbnail; None where the image has enough of them that are nearer.
    """

    category: int
    distance: float
    url: str | None


@dataclasses.dataclass(frozen=True)
class _Crops:
    """The regions of an image that have categories, by category and node."""

    title: str
    crops: tuple[_Crop, ...]


def region_crops(result: Result) -> _Crops:
    """What the page may show of an image: the nearest regions of every category.

    Without distances, the regions that come first count as the nearest.
    """
    if result.categories is None:
        return _Crops(result.title, ())
    labels, contains = np.asarray(result.tree.labels), result.tree.contains()
    crops = []
    for number in np.unique(result.categories[result.categories > 0]).tolist():
        nodes = np.flatnonzero(result.categories == number)
        distances = np.zeros(nodes.size)
        if result.distances is not None:
            distances = np.asarray(result.distances, float)[nodes]
        nearest = set(np.argsort(distances, kind="stable")[:_MAX_CROPS].tolist())
        for index, (node, distance) in enumerate(zip(nodes, distances, strict=True)):
            url = None
            if index in nearest:
                inside = np.asarray(contains[node])[labels]
                box = tuple(
                    slice(found[0], found[-1] + 1)
                    for found in (np.flatnonzero(inside.any(a)) for a in (1, 0))
                )
                url = thumbnail(result.pixels[box], inside[box])
            crops.append(_Crop(number, float(distance), url))
    return _Crops(result.title, tuple(crops))


def thumbnail(crop: UInt8[np.ndarray, "h w 3"], inside: Bool[np.ndarray, "h w"]) -> str:
    """The box of a region as a small JPEG in a URL, dimmed outside the region."""
    dimmed = (crop * np.where(inside, 1, _DIMMED)[..., None]).astype(np.uint8)
    return jpeg_url(shrink(dimmed, _LONGEST), quality=_QUALITY)


@dataclasses.dataclass
class _Category:
    """What the page shows of a category.

    Attributes:
      name: what it is called in its heading.
      num_regions: how many of its regions were added.
      num_images: how many images show it.
      nearest: heap of (minus the distance, minus the number, title, thumbnail) of the
        regions nearest to the centroid, the farthest of them first.
    """

    name: str
    num_regions: int = 0
    num_images: int = 0
    nearest: list[tuple[float, int, str, str]] = dataclasses.field(default_factory=list)

    def add(self, crop: _Crop, title: str) -> None:
        """Counts a region, and keeps it while it is among the nearest."""
        self.num_regions += 1
        if crop.url is None:
            return
        heapq.heappush(
            self.nearest, (-crop.distance, -self.num_regions, title, crop.url)
        )
        if len(self.nearest) > _MAX_CROPS:
            heapq.heappop(self.nearest)

    def section(self, color: str) -> str:
        """The category in HTML."""
        figures = "\n".join(
            f'<img loading="lazy" alt="{html.escape(title)}" '
            f'title="{html.escape(title)}" src="{url}">'
            for *_, title, url in sorted(self.nearest, reverse=True)
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


class _CategoriesWriter:
    """Collects what the page shows."""

    def __init__(self, count: int):
        self.categories = [_Category(name) for name in category_names(count)]
        self._num_images = 0

    def is_there(self, result: Result) -> bool:
        """See `FileWriter.is_there`."""
        del result
        return False

    def put(self, name: str, content: _Crops) -> None:
        """Counts the regions of an image and keeps crops of the nearest ones."""
        del name
        self._num_images += 1
        for number in {crop.category for crop in content.crops}:
            self.categories[number - 1].num_images += 1
        for crop in content.crops:
            self.categories[crop.category - 1].add(crop, content.title)

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
