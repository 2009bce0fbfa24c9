"""A clip and its regions, of which formats are given one frame after the other."""

import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from uhseg_jax.export.colors import colors_of
from uhseg_jax.export.result import Provenance
from uhseg_jax.hierarchy import host_cuts, tree_file
from uhseg_jax.hierarchy.placement import visible_nodes
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.types import Int, Pixels, UInt8

__all__ = ["Clip", "ClipOptions", "Cut", "Frame"]

Labels = Int[np.ndarray, "H W"]


@dataclasses.dataclass(frozen=True)
class ClipOptions:
    """What the formats of a run show of its clips.

    Attributes:
      num_regions: how many regions divide a clip, at most; None: all leaves.
      page_regions: how many the page can open, at most; None: all leaves.
    """

    num_regions: int | None = 8
    page_regions: int | None = 64

    def note(self, how: str) -> str:
        """How files of the regions are made, for their marks."""
        return f"{how} at num_regions {self.num_regions}"


@dataclasses.dataclass(frozen=True)
class Cut:
    """Disjoint regions of a clip.

    Attributes:
      nodes: of the regions, in ascending order.
      numbers: of every node of the tree the region that it lies in, from 0; what is
        above the cut has the number 0 and labels no pixel.
    """

    nodes: Int[np.ndarray, " k"]
    numbers: Int[np.ndarray, " n"]


@dataclasses.dataclass(frozen=True)
class Frame:
    """One frame of a clip.

    Attributes:
      index: from 0.
      name: of its files, without a suffix.
      image: its pixels.
      labels: the leaf of every pixel.
      file: what the image itself is called.
    """

    index: int
    name: str
    image: Pixels
    labels: Labels
    file: str


@dataclasses.dataclass(frozen=True)
class Clip:
    """What was found in a clip.

    Attributes:
      name: path of its files below the output folder, with ``/`` and no suffix.
      title: what people know it as.
      rate: frames per second; 0 where there is no time.
      names: of its frames, all distinct.
      tree: its nodes; the labels are not looked at.
      labels: the leaf of every pixel, frame by frame, as often as they are asked for.
      size: height and width of a frame.
      provenance: what it was made of; None outside runs.
    """

    name: str
    title: str
    rate: float
    names: Sequence[str]
    tree: RegionTree
    labels: Iterable[Labels]
    size: tuple[int, int]
    provenance: Provenance | None = None

    def note(self, how: str) -> str:
        """How a file of this clip is made, and of what, for its mark."""
        return how + (f" of {self.provenance.short()}" if self.provenance else "")

    def frames(
        self, images: Iterable[Pixels], file_of: Callable[[int], str] | None = None
    ) -> Iterator[Frame]:
        """Its frames, one in memory at a time.

        Args:
          images: the pixels of all of them, in order.
          file_of: what the image of a frame is called; None: its name and ``.jpg``.

        Raises:
          ValueError: there are more or fewer images than labels, or of another size.
        """
        parts = itertools.zip_longest(self.names, images, self.labels)
        for index, (name, image, labels) in enumerate(parts):
            if name is None or image is None or labels is None:
                how_many = "fewer" if name else "more"
                raise ValueError(
                    f"{self.title}: expected {len(self.names)} frames, as there were "
                    f"when it was segmented, but there are {how_many}; segment it "
                    "again."
                )
            if image.shape[:2] != labels.shape:
                raise ValueError(
                    f"{self.title}: expected frames of {labels.shape} pixels, as they "
                    f"were when it was segmented, but frame {index} has "
                    f"{image.shape[:2]}; segment it again."
                )
            file = file_of(index) if file_of else f"{name}.jpg"
            yield Frame(index, name, image, np.asarray(labels), file)

    @property
    def num_nodes(self) -> int:
        """How many nodes its tree has."""
        return int(self.tree.num_nodes)

    @functools.cached_property
    def nodes(self) -> RegionTree:
        """The tree over its own nodes: the label of a node is the node."""
        count = self.num_nodes
        fields = ("parents", "depths", "costs")
        return RegionTree(
            labels=np.arange(count, dtype=np.int32),
            num_nodes=np.asarray(count, np.int32),
            **{x: np.asarray(getattr(self.tree, x))[:count] for x in fields},
        )

    @functools.cached_property
    def areas(self) -> Int[np.ndarray, " n"]:
        """Pixels of every node in all frames."""
        areas = np.zeros(self.num_nodes, np.int64)
        for labels in self.labels:
            areas += np.bincount(np.ravel(labels), minlength=areas.size)
        parents = np.asarray(self.nodes.parents)[: areas.size]
        return host_cuts.gathered(parents, areas)

    @functools.cached_property
    def colors(self) -> UInt8[np.ndarray, "n 3"]:
        """One colour for every node, the same in all frames."""
        return colors_of(np.asarray(self.nodes.parents), self.areas)

    @functools.cached_property
    def tree_id(self) -> str:
        """What tells the tree from others: 16 hexadecimal digits."""
        return tree_file.identity(self.areas, np.asarray(self.nodes.parents))

    def cut(self, num_regions: int | None) -> Cut:
        """Regions that divide the clip: at most so many, or all leaves."""
        if num_regions is None:
            seen_as = np.arange(self.num_nodes)
            nodes = np.flatnonzero(self.nodes.is_leaf())
        else:
            seen_as = np.asarray(visible_nodes(self.nodes, num_regions=num_regions))
            nodes = np.unique(seen_as[np.asarray(self.nodes.is_leaf())])
        numbers = np.searchsorted(nodes, seen_as).clip(max=nodes.size - 1)
        numbers[nodes[numbers] != seen_as] = 0
        return Cut(nodes, numbers.astype(np.int32))
