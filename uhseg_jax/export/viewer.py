"""One HTML page in which trees are looked at: no server, no network, one file.

The page is `viewer.html` with `viewer.css` and `viewer.js` put into it. Every image
is a script element of its own that holds JSON, so the browser parses the one that is
shown and no other. In the JSON an image is a JPEG, and the labels are runs of node ids
rather than an image: browsers that protect from fingerprinting alter pixels read back.
"""

import contextlib
import html
import importlib.resources
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from uhseg_jax.export.categories_page import open_categories_page
from uhseg_jax.export.colors import hex_colors, node_colors
from uhseg_jax.export.exporter import ExportOptions, Opened, Result, for_the_run
from uhseg_jax.export.panels import fit, jpeg_url, shrink
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.types import Int

__all__ = ["HTML", "open_viewer", "page_entry"]

_LONGEST = 900  # pixels of the long side of an image in the page
_THUMBNAIL = 112
_QUALITY, _THUMBNAIL_QUALITY = 82, 70  # of JPEG


@contextlib.contextmanager
def open_viewer(
    path: Path, *, title: str = "Trees of regions"
) -> Iterator["_ViewerWriter"]:
    """Writes the page for many images, one image in memory at a time.

    It is whole when the block has ended without an exception.

    Args:
      path: the file to write; ``.html``.
      title: what the page is called, in its heading and in the browser's tab.
    """
    folder = importlib.resources.files(__package__)
    page, style, script = (
        (folder / f"viewer.{kind}").read_text("utf-8") for kind in ("html", "css", "js")
    )
    head, tail = page.split("{{images}}")
    head = head.replace("{{style}}", style).replace("{{title}}", html.escape(title))
    # File names may hold bytes that are no text; they become question marks.
    with open(path, "w", encoding="utf-8", errors="replace") as file:
        file.write(head)
        yield _ViewerWriter(file)
        file.write(tail.replace("{{script}}", script))


class _ViewerWriter:
    """Adds images and their trees to an open page."""

    def __init__(self, file: TextIO):
        self._file = file

    def is_there(self, result: Result) -> bool:
        """See `FileWriter.is_there`."""
        del result
        return False

    def put(self, name: str, content: str) -> None:
        """Writes a `page_entry`."""
        del name
        self._file.write(content)


def page_entry(result: Result) -> str:
    """What the page holds of an image, at most 900 pixels long, and its tree: HTML.

    Raises:
      ValueError: there are more than 65535 nodes.
    """
    tree = result.tree
    if int(tree.num_nodes) > 65535:
        raise ValueError(
            f"{result.title}: expected a tree of at most 65535 nodes, which is what "
            f"the page can show, but it has {int(tree.num_nodes)}; cut it first."
        )
    shown, labels = fit(result.pixels, np.asarray(tree.labels), longest=_LONGEST)
    payload = {
        "name": result.title,
        "size": list(result.pixels.shape[:2]),
        "shown": list(labels.shape),
        "image": jpeg_url(shown, quality=_QUALITY),
        "runs": _runs(labels),
        **_nodes(tree),
    }
    # Inside a script element only "<" could end it or open a comment.
    text = json.dumps(payload, allow_nan=False).replace("<", "\\u003c")
    thumbnail = jpeg_url(shrink(shown, _THUMBNAIL), quality=_THUMBNAIL_QUALITY)
    return (
        f'<script type="application/json" class="image" '
        f'data-name="{html.escape(result.title)}" '
        f'data-thumbnail="{thumbnail}">{text}</script>\n'
    )


def _nodes(tree: RegionTree) -> dict[str, list[Any]]:
    """One entry for every node, padding left out."""
    count = int(tree.num_nodes)
    return {
        "parents": np.asarray(tree.parents)[:count].tolist(),
        "depths": np.asarray(tree.depths)[:count].tolist(),
        "costs": [round(float(cost), 4) for cost in np.asarray(tree.costs)[:count]],
        "areas": tree.areas()[:count].tolist(),
        "ranks": np.asarray(tree.entry_ranks())[:count].tolist(),
        "colors": hex_colors(node_colors(tree)[:count]),
    }


def _runs(labels: Int[np.ndarray, "h w"]) -> list[int]:
    """Label and length of every run, row after row: ``[label, length, ...]``."""
    flat = labels.ravel()
    begins = np.flatnonzero(np.concatenate([[True], flat[1:] != flat[:-1]]))
    lengths = np.diff(np.concatenate([begins, [flat.size]]))
    return np.stack([flat[begins], lengths], axis=1).ravel().tolist()


def _render(result: Result, options: ExportOptions) -> Any:
    if options.num_categories is None:
        return page_entry(result)
    return result  # the page draws few of its regions, and knows which


def _open(path: Path, options: ExportOptions) -> Opened:
    if options.num_categories is None:
        return open_viewer(path)
    return open_categories_page(path, options)


HTML = for_the_run(
    "html",
    "index.html, which needs no server",
    "index.html",
    _render,
    _open,
)
