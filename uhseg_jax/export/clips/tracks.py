"""Regions through time as YouTube-VIS has them: ``ytvis.json``.

An annotation is a track. It has, for every frame of its video, a mask (compressed RLE),
a box and an area, or null where the region has no pixel. The regions that divide the
clip and those around them are annotations, but for the root, which is the clip itself.
Beside the fields of YouTube-VIS they have

    parent_id  id of the annotation of the region around; null if that is the clip
    node       number of the node in the arrays of the tree
    depth      edges between the node and the root
    cost       of the node, see `RegionTree`
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
from uhseg_jax.export.parts import Spool, joined
from uhseg_jax.hierarchy.cuts import ROOT
from uhseg_jax.hierarchy.region_choice import RegionChoice, pruned
from uhseg_jax.run_lengths import box_of, compress, counts_of, runs_of
from uhseg_jax.types import Bool, Int

__all__ = ["TRACKS"]

_FILE = "ytvis.json"
_HEAD = (
    '{"info": {"description": "Regions found by uhseg_jax"},\n"licenses": [],\n'
    '"categories": [{"id": 1, "name": "region", "supercategory": "region"}],\n'
)


class _Tracks:
    """The file, of which clips wait on disk until all are there."""

    def __init__(self, destination: Destination, options: ClipOptions):
        self._videos = Spool(destination.output)
        self._annotations = Spool(destination.output)
        self._options = options

    @contextlib.contextmanager
    def begin(self, clip: Clip) -> Iterator[AddFrame]:
        """Takes the frames of a clip."""
        tracks = _ClipTracks(clip, self._options)
        yield tracks.add
        video = len(self._videos) + 1
        self._videos.add(json.dumps({"id": video, **tracks.video()}))
        for annotation in tracks.annotations(video, first=len(self._annotations) + 1):
            self._annotations.add(json.dumps(annotation, allow_nan=False))

    def write(self, destination: Destination) -> None:
        """Writes the file."""
        with destination.write(_FILE) as aside, open(aside, "w") as file:
            file.write(f'{_HEAD}"videos": [\n')
            file.writelines(joined(self._videos.texts(range(len(self._videos)))))
            file.write('\n],\n"annotations": [\n')
            every = range(len(self._annotations))
            file.writelines(joined(self._annotations.texts(every)))
            file.write("\n]}\n")

    def close(self) -> None:
        """Frees the disk."""
        self._videos.close()
        self._annotations.close()


class _ClipTracks:
    """The tracks of one clip, to which every frame adds."""

    def __init__(self, clip: Clip, options: ClipOptions):
        self._clip = clip
        self._files: list[str] = []
        self._nodes, self._numbers, self._holds = _nested(clip, options)
        # Of every track the frames that show it: a stream has many short ones.
        self._masks: list[dict[int, Any]] = [{} for _ in self._nodes]

    def add(self, frame: Frame) -> None:
        """Adds to every track that the frame shows."""
        self._files.append(f"{self._clip.name}/{frame.file}")
        leaves, lengths = runs_of(self._numbers[frame.labels])
        there = self._holds[:, np.unique(leaves)].any(axis=1)
        for track in np.flatnonzero(there).tolist():
            counts = counts_of(self._holds[track][leaves], lengths)
            self._masks[track][frame.index] = self._mask(counts)

    def _mask(self, counts: list[int]) -> tuple[Any, list[int], int]:
        rle = compress(counts, self._clip.size)
        rle["counts"] = rle["counts"].decode("ascii")
        return rle, box_of(counts, self._clip.size[0]), sum(counts[1::2])

    def video(self) -> dict[str, Any]:
        """The clip, without an id."""
        height, width = self._clip.size
        return {
            "name": self._clip.title,
            "width": width,
            "height": height,
            "length": len(self._files),
            "file_names": self._files,
        }

    def annotations(self, video: int, *, first: int) -> Iterator[dict[str, Any]]:
        """The tracks, with ids from the first one on."""
        tree, clip = self._clip.nodes, self._clip
        there = [int(x) for x, y in zip(self._nodes, self._masks, strict=True) if y]
        ids = {node: first + i for i, node in enumerate(there)}
        for node, masks in zip(map(int, self._nodes), self._masks, strict=True):
            if not masks:  # a number that no region has
                continue
            nothing = (None, None, None)
            every = [masks.get(i, nothing) for i in range(len(self._files))]
            parts = list(zip(*every, strict=True))
            yield {
                "id": ids[node],
                "video_id": video,
                "category_id": 1,
                "iscrowd": 0,
                "height": clip.size[0],
                "width": clip.size[1],
                "length": len(self._files),
                **dict(zip(("segmentations", "bboxes", "areas"), parts, strict=True)),
                "parent_id": ids.get(int(tree.parents[node])),
                "node": node,
                "depth": int(tree.depths[node]),
                "cost": float(tree.costs[node]),
            }


def _nested(
    clip: Clip, options: ClipOptions
) -> tuple[Int[np.ndarray, " k"], Int[np.ndarray, " n"], Bool[np.ndarray, "k m"]]:
    """The nodes that are shown, and which leaves of those each of them holds.

    Returns:
      The nodes without the root, of every node of the tree the number of the leaf that
      it lies in, and whether a node holds a leaf.
    """
    choice = RegionChoice(num_regions=options.num_regions, root=True)
    tree, nodes = pruned(clip.nodes, choice)
    contains = np.asarray(tree.contains())
    # A clip that is one region has a track: of the root.
    first = 0 if nodes.size == 1 else ROOT + 1
    return nodes[first:], np.asarray(tree.labels), contains[first:]


@contextlib.contextmanager
def _open(destination: Destination, options: ClipOptions) -> Iterator[OpenClip]:
    with contextlib.closing(_Tracks(destination, options)) as tracks:

        def begin(clip: Clip) -> AbstractContextManager[AddFrame]:
            return tracks.begin(clip)

        yield begin
        tracks.write(destination)


TRACKS = ClipFormat(
    "ytvis",
    "ytvis.json, a track for every region as of YouTube-VIS",
    _FILE,
    _open,
)
