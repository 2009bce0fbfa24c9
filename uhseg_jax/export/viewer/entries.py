"""What the page holds of an image and its tree: HTML with JSON in it.

In the JSON an image is a JPEG, and the labels are runs of node ids rather than an
image: browsers that protect from fingerprinting alter pixels read back.
"""

import html
import json
from typing import Any

import numpy as np

from uhseg_jax.export.colors import hex_colors, node_colors
from uhseg_jax.export.exporter import Result
from uhseg_jax.export.panels import fit, jpeg_url, shrink
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.types import Int

__all__ = ["page_entry"]

_LONGEST = 900  # pixels of the long side of an image in the page
_THUMBNAIL = 112
_QUALITY, _THUMBNAIL_QUALITY = 82, 70  # of JPEG


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
