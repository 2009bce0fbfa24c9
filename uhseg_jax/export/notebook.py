"""Pages as objects that notebooks display, that of one tree above all."""

from __future__ import annotations

import dataclasses
import html
import os

import numpy as np

from uhseg_jax.export.result import Result
from uhseg_jax.export.viewer.entries import page_entry
from uhseg_jax.export.viewer.page import page_around
from uhseg_jax.files import atomic_write
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.images import ImageLike, read_image
from uhseg_jax.types import UInt8
from uhseg_jax.validators import check, integer

__all__ = ["Shown", "show"]

_TITLE = "Tree of regions"
_PLAIN = 160  # grey of the image where there is none


@dataclasses.dataclass(frozen=True, repr=False)
class Shown:
    """A page, displayed where it is the value of a notebook's cell.

    Attributes:
      page: the page in HTML.
      height: of the cell, in CSS pixels.
      title: what the page shows, for those who do not see it.
    """

    page: str
    height: int = 720
    title: str = _TITLE

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the page to a file, which any browser opens.

        Raises:
          OSError: the file cannot be written; the message names it.
        """
        with atomic_write(path) as aside:
            aside.write_text(self.page, "utf-8", errors="replace")

    def _repr_html_(self) -> str:
        return (
            f'<iframe srcdoc="{html.escape(self.page)}" '
            f'title="{html.escape(self.title)}" '
            f'style="width: 100%; height: {self.height}px; border: 0"></iframe>'
        )

    def __repr__(self) -> str:
        return (
            f"{self.title}: a page that notebooks display, and "
            'save("page.html") writes for a browser.'
        )


def show(
    tree: RegionTree, image: ImageLike | None = None, *, title: str | None, height: int
) -> Shown:
    """See `RegionTree.show`."""
    if title is None:
        title = _TITLE
        if isinstance(image, str | os.PathLike):
            title = os.path.basename(os.fspath(image))
    height = check("height", height, integer(100))
    size = tuple(int(x) for x in np.shape(tree.labels))
    if image is None:
        pixels = np.full((*size, 3), _PLAIN, np.uint8)
    else:
        pixels = read_image(image)
        tree = _enlarged(tree, pixels)
    head, tail = page_around(title)
    entry = page_entry(Result(title, title, pixels, tree))
    return Shown(head + entry.html() + tail, height)


def _enlarged(tree: RegionTree, pixels: UInt8[np.ndarray, "H W 3"]) -> RegionTree:
    """The tree with its labels at the size of the image, by nearest neighbour."""
    labels = np.asarray(tree.labels)
    rows, columns = (
        # The cell in which the middle of every pixel lies.
        ((np.arange(new) + 0.5) * old / new).astype(np.int64)
        for new, old in zip(pixels.shape, labels.shape, strict=False)
    )
    return dataclasses.replace(tree, labels=labels[rows[:, None], columns])
