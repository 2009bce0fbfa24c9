"""What the page holds of an image and its tree: JSON, and a thumbnail.

In the JSON an image is a JPEG, and the labels are runs of node ids rather than an
image: browsers that protect from fingerprinting alter pixels read back.
"""

import dataclasses
import html
import json
from typing import Any

import numpy as np

from uhseg_jax.export.colors import hex_colors, node_colors
from uhseg_jax.export.panels import fit, jpeg_url, shrink
from uhseg_jax.export.result import ExportOptions, Result
from uhseg_jax.export.viewer.similar import DescribedRegions, described_regions
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.types import Int, Pixels, UInt8

__all__ = [
    "PageEntry",
    "image_element",
    "node_fields",
    "page_entry",
    "runs_along",
    "thumbnail",
]

_LONGEST = 900  # pixels of the long side of an image in the page
_THUMBNAIL = 112
_QUALITY, _THUMBNAIL_QUALITY = 82, 70  # of JPEG


@dataclasses.dataclass(frozen=True)
class PageEntry:
    """An image of the page.

    Attributes:
      about: name, height, width, number of nodes of the whole tree, and what tells that
        from others.
      thumbnail: a URL that holds a JPEG.
      text: all else, in JSON.
      described: its regions with descriptors; None where the result has none.
    """

    about: tuple[str, int, int, int, str]
    thumbnail: str
    text: str
    described: DescribedRegions | None = None

    def html(self) -> str:
        """The image as a script element, for a page that holds all its images."""
        return image_element(self.about, self.thumbnail, self.text)


def image_element(
    about: tuple[str, int, int, int, str], thumbnail: str, text: str
) -> str:
    """See `PageEntry.html`."""
    name, height, width, count, tree_id = about
    # Inside a script element only "<" could end it or open a comment.
    text = text.replace("<", "\\u003c")
    return (
        f'<script type="application/json" class="image" '
        f'data-name="{html.escape(name)}" data-size="{height} {width}" '
        f'data-tree="{tree_id}" data-nodes="{count}" '
        f'data-thumbnail="{thumbnail}">{text}</script>\n'
    )


def page_entry(result: Result, options: ExportOptions | None = None) -> PageEntry:
    """What the page holds of an image, at most 900 pixels long, and its tree.

    Args:
      result: of one image.
      options: of the run; the page shows the tree above the criterion of its choice.

    Raises:
      ValueError: the page would show more than 65535 nodes.
    """
    options = options or ExportOptions()
    tree, nodes = result.pruned(options)
    if len(nodes) > 65535:
        raise ValueError(
            f"{result.title}: expected a tree of at most 65535 nodes, which is what "
            f"the page can show, but it has {len(nodes)}; cut it first."
        )
    image, labels = fit(result.pixels, np.asarray(tree.labels), longest=_LONGEST)
    payload = {
        "name": result.title,
        "size": list(result.size),
        "shown": list(labels.shape),
        "image": jpeg_url(image, quality=_QUALITY),
        "runs": runs_along(labels),
        **node_fields(tree, tree.areas(), node_colors(tree)),
    }
    if int(result.tree.num_nodes) != len(nodes):
        payload["ids"] = nodes.tolist()
    if result.names is not None and options.names is not None:
        payload["names"] = [
            options.names[x] if x >= 0 else None for x in result.names[nodes]
        ]
    count = int(result.tree.num_nodes)
    return PageEntry(
        about=(result.title, *result.size, count, result.tree_id),
        thumbnail=thumbnail(image),
        text=json.dumps(payload, allow_nan=False),
        described=described_regions(result, tree, nodes),
    )


def thumbnail(image: Pixels) -> str:
    """A URL that holds a small JPEG of an image."""
    return jpeg_url(shrink(image, _THUMBNAIL), quality=_THUMBNAIL_QUALITY)


def node_fields(
    tree: RegionTree, areas: Int[np.ndarray, " n"], colors: UInt8[np.ndarray, "n 3"]
) -> dict[str, list[Any]]:
    """One entry for every node, padding left out."""
    count = int(tree.num_nodes)
    return {
        "parents": np.asarray(tree.parents)[:count].tolist(),
        "depths": np.asarray(tree.depths)[:count].tolist(),
        "costs": [round(float(cost), 4) for cost in np.asarray(tree.costs)[:count]],
        "areas": areas[:count].tolist(),
        "ranks": np.asarray(tree.entry_ranks())[:count].tolist(),
        "colors": hex_colors(colors[:count]),
    }


def runs_along(labels: Int[np.ndarray, "h w"]) -> list[int]:
    """Label and length of every run, row after row: ``[label, length, ...]``."""
    flat = labels.ravel()
    begins = np.flatnonzero(np.concatenate([[True], flat[1:] != flat[:-1]]))
    lengths = np.diff(np.concatenate([begins, [flat.size]]))
    return np.stack([flat[begins], lengths], axis=1).ravel().tolist()
