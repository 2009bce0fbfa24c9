"""Clips in the page of trees, where a second slider goes through their frames.

A clip is an image of the page whose pixels change: its tree, the cut and the colours
are those of all frames. The page holds up to 120 frames of a clip, evenly spaced, at
most 480 pixels long, so that one of some seconds takes a few megabytes.
"""

import contextlib
import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from uhseg_jax.export.clips.clip import Clip, ClipOptions, Frame
from uhseg_jax.export.clips.clip_format import AddFrame, ClipFormat, OpenClip
from uhseg_jax.export.exporter import Destination
from uhseg_jax.export.panels import fit, jpeg_url
from uhseg_jax.export.viewer import open_viewer_at
from uhseg_jax.export.viewer.entries import (
    PageEntry,
    node_fields,
    runs_along,
    thumbnail,
)
from uhseg_jax.hierarchy.region_choice import RegionChoice, pruned

__all__ = ["CLIP_PAGE", "ClipEntry"]

_FILE = "index.html"
_TITLE = "Regions through time"
_MOST_FRAMES = 120
_LONGEST = 480  # pixels of the long side of a frame in the page
_QUALITY = 75  # of JPEG


class ClipEntry:
    """What the page holds of a clip, to which every frame adds.

    Args:
      clip: of which the frames come.
      most: how many regions the page can open; None: all leaves.
    """

    def __init__(self, clip: Clip, most: int | None):
        choice = RegionChoice(num_regions=most, root=True)
        self._clip = clip
        self._tree, self._nodes = pruned(clip.nodes, choice)
        self._every = -(-len(clip.names) // _MOST_FRAMES)
        self._frames: list[dict[str, Any]] = []
        self._thumbnail = ""
        self._shown = clip.size

    def add(self, frame: Frame) -> None:
        """Takes the next frame, which the page may leave out."""
        if frame.index % self._every:
            return
        labels = np.asarray(self._tree.labels)[frame.labels]
        image, labels = fit(frame.image, labels, longest=_LONGEST)
        if not self._frames:
            self._thumbnail, self._shown = thumbnail(image), labels.shape
        self._frames.append(
            {
                "name": frame.name,
                "number": frame.index + 1,
                "image": jpeg_url(image, quality=_QUALITY),
                "runs": runs_along(labels),
            }
        )

    def finished(self) -> PageEntry:
        """The entry of the page, when all frames were taken."""
        clip, nodes = self._clip, self._nodes
        payload = {
            "name": clip.title,
            "size": list(clip.size),
            "shown": list(self._shown),
            "frames": self._frames,
            "length": len(clip.names),
            # Frames of the page that pass in a second.
            "rate": (clip.rate or 10.0) / self._every,
            **node_fields(self._tree, clip.areas[nodes], clip.colors[nodes]),
        }
        if clip.num_nodes != len(nodes):
            payload["ids"] = nodes.tolist()
        return PageEntry(
            about=(clip.title, *clip.size, clip.num_nodes, clip.tree_id),
            thumbnail=self._thumbnail,
            text=json.dumps(payload, allow_nan=False, separators=(",", ":")),
        )


@contextlib.contextmanager
def _open(destination: Destination, options: ClipOptions) -> Iterator[OpenClip]:
    with open_viewer_at(destination, _FILE, title=_TITLE) as writer:

        @contextlib.contextmanager
        def begun(clip: Clip) -> Iterator[AddFrame]:
            entry = ClipEntry(clip, options.page_regions)
            yield entry.add
            writer.add(entry.finished())

        def begin(clip: Clip) -> AbstractContextManager[AddFrame]:
            return begun(clip)

        yield begin


CLIP_PAGE = ClipFormat(
    "html",
    "index.html, a page with one slider for regions and one for time",
    _FILE,
    _open,
)
