"""Ways to find regions of clips through time, for scores: one of ours, and others."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from uhseg_jax.datasets.clips import ClipExample, ClipSource
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.pipeline import Segmenter, require_graphs, tree_of_graph
from uhseg_jax.protocols.tube_sets import FoundClip, LinkedTubes, TreeTubes
from uhseg_jax.types import Pixels
from uhseg_jax.video.frame_graph import frame_regions, graph_of_frames
from uhseg_jax.video.frames import FolderFrames, FrameSource
from uhseg_jax.video.greedy import linked_trees
from uhseg_jax.video.whole import segment_frames

__all__ = ["TRACKINGS", "ClipMethod"]


@dataclasses.dataclass(frozen=True)
class ClipMethod:
    """A method that segments the clips of a dataset; see `methods.fitted.Fitted`.

    Attributes:
      segmenter: of a method that takes graphs.
      source: the clips.
      tracking: one of `TRACKINGS`.

    Raises:
      ValueError: the method needs the patches of one image.
    """

    segmenter: Segmenter
    source: ClipSource
    tracking: str

    def __post_init__(self) -> None:
        require_graphs(self.segmenter.method)

    @property
    def num_categories(self) -> None:
        """Clips have no categories in common."""
        return None

    def prepare(self, image: Pixels, *, name: str = "") -> None:
        """Nothing: frames are read when their clip is segmented."""
        del image, name

    def segment(
        self,
        indices: Sequence[int],
        images: Sequence[Any],
        prepared: Sequence[Callable[[], Any]] | None = None,
    ) -> Iterator[FoundClip]:
        """Segments some clips, one after the other, when they are asked for.

        Args:
          indices: of the clips in the source.
          images: their middle frames, of no matter.
          prepared: of no matter.
        """
        del images, prepared
        return (self._segment(self.source[index]) for index in indices)

    def features_of(self, images: Sequence[Pixels], names: Sequence[str]) -> Any:
        """Raises ValueError: there are none of a clip."""
        raise ValueError("expected images, but features of clips are not kept.")

    def _segment(self, clip: ClipExample) -> FoundClip:
        frames = FolderFrames(clip.frames, clip.name)
        return TRACKINGS[self.tracking](frames, self.segmenter)


def _whole(frames: FrameSource, segmenter: Segmenter) -> FoundClip:
    tree = segment_frames(frames, segmenter).tree
    return _found(TreeTubes(tree), _frame(tree, len(tree.labels) // 2))


def _greedy(frames: FrameSource, segmenter: Segmenter) -> FoundClip:
    trees = tuple(_trees(frames, segmenter))
    tubes = LinkedTubes(trees, tuple(linked_trees(trees)))
    return _found(tubes, trees[len(trees) // 2])


def _trees(frames: FrameSource, segmenter: Segmenter) -> Iterator[RegionTree]:
    """The trees of frames, each by itself."""
    for frame in frame_regions(frames.checked(), segmenter):
        graph = graph_of_frames([frame])
        found = tree_of_graph(graph, segmenter.method, segmenter.config)
        yield found.over(frame.labels)


def _frame(tree: RegionTree, index: int) -> RegionTree:
    return dataclasses.replace(tree, labels=tree.labels[index])


def _found(tubes: TreeTubes | LinkedTubes, shown: RegionTree) -> FoundClip:
    return FoundClip(shown, shown, tubes=tubes)


TRACKINGS: Mapping[str, Callable[[FrameSource, Segmenter], FoundClip]] = {
    "whole": _whole,
    "greedy": _greedy,
}
"""By name: all frames at once; frames one by one, linked greedily (a baseline)."""
