"""One HTML page in which trees are looked at: no server, no network, one file.

The page is `viewer.html` with `viewer.css` and `viewer.js` put into it. Every image
is a script element of its own that holds JSON, so the browser parses the one that is
shown and no other. In the JSON an image is a JPEG, and the labels are runs of node ids
rather than an image: browsers that protect from fingerprinting alter pixels read back.
"""

import base64
import contextlib
import html
import importlib.resources
import io
import json
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

from uhseg_jax.export.colors import hex_colors, node_colors
from uhseg_jax.export.panels import fit, require_same_size
from uhseg_jax.export.streaming import StreamingFile
from uhseg_jax.files import atomic_write
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.images import resize
from uhseg_jax.types import Int, UInt8

__all__ = ["ViewerWriter"]

_LONGEST = 900  # pixels of the long side of an image in the page
_THUMBNAIL = 112
_QUALITY, _THUMBNAIL_QUALITY = 82, 70  # of JPEG


class ViewerWriter(StreamingFile):
    """Writes the page for many images, one image in memory at a time.

    It appears under its name when the block ends without an exception, and not before:

        with ViewerWriter("index.html") as page:
            page.add("photo.jpg", image, tree)

    Args:
      path: the file to write; ``.html``.
      title: what the page is called, in its heading and in the browser's tab.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, title: str = "Trees of regions"
    ):
        super().__init__(path)
        self._title = title

    def add(
        self, name: str, image: UInt8[np.ndarray, "H W 3"], tree: RegionTree
    ) -> None:
        """Writes an image and its tree into the page.

        Args:
          name: what the image is called in the page, usually its file name.
          image: uint8 ``[H, W, 3]``; shown at most 900 pixels long.
          tree: its tree, with labels at image size.

        Raises:
          ValueError: the labels have another size, or there are more than 65535 nodes.
          RuntimeError: the writer is not open.
        """
        file = self._require_open()
        require_same_size(image, tree, name)
        if int(tree.num_nodes) > 65535:
            raise ValueError(
                f"{name}: expected a tree of at most 65535 nodes, which is what the "
                f"page can show, but it has {int(tree.num_nodes)}; cut it first."
            )
        shown, labels = fit(image, np.asarray(tree.labels), longest=_LONGEST)
        payload = {
            "name": name,
            "size": list(image.shape[:2]),
            "shown": list(labels.shape),
            "image": _jpeg(shown, _QUALITY),
            "runs": _runs(labels),
            **_nodes(tree),
        }
        # Inside a script element only "<" could end it or open a comment.
        text = json.dumps(payload, allow_nan=False).replace("<", "\\u003c")
        height, width = labels.shape
        scale = min(1, _THUMBNAIL / max(height, width))
        small = max(1, round(height * scale)), max(1, round(width * scale))
        thumbnail = _jpeg(resize(shown, small), _THUMBNAIL_QUALITY)
        file.write(
            f'<script type="application/json" class="image" '
            f'data-name="{html.escape(name)}" data-thumbnail="{thumbnail}">'
            f"{text}</script>\n"
        )

    @contextlib.contextmanager
    def _write(self) -> Iterator[None]:
        folder = importlib.resources.files(__package__)
        page, style, script = (
            (folder / f"viewer.{kind}").read_text("utf-8")
            for kind in ("html", "css", "js")
        )
        head, tail = page.split("{{images}}")
        head = head.replace("{{style}}", style)
        head = head.replace("{{title}}", html.escape(self._title))
        with (
            atomic_write(self._path) as aside,
            # File names may hold bytes that are no text; they become question marks.
            open(aside, "w", encoding="utf-8", errors="replace") as self._file,
        ):
            self._file.write(head)
            yield
            self._file.write(tail.replace("{{script}}", script))


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


def _jpeg(image: UInt8[np.ndarray, "h w 3"], quality: int) -> str:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"


def _runs(labels: Int[np.ndarray, "h w"]) -> list[int]:
    """Label and length of every run, row after row: ``[label, length, ...]``."""
    flat = labels.ravel()
    begins = np.flatnonzero(np.concatenate([[True], flat[1:] != flat[:-1]]))
    lengths = np.diff(np.concatenate([begins, [flat.size]]))
    return np.stack([flat[begins], lengths], axis=1).ravel().tolist()
