"""The tree of a clip: nested regions through time, as one tree over all frames."""

from __future__ import annotations

import dataclasses
import functools
import os
from typing import Any

import numpy as np

from uhseg_jax.files import atomic_write
from uhseg_jax.hierarchy import host_cuts, node_table, tree_file
from uhseg_jax.hierarchy.tree import RegionTree, TreeFileError
from uhseg_jax.types import Int

__all__ = ["VideoTree"]

_FIELDS = ("names", "rate", "title")


@dataclasses.dataclass(frozen=True)
class VideoTree:
    """Nested regions of a clip, each of which may go through many frames.

    Attributes:
      tree: numpy, labels int32 ``[t, H, W]``: the leaf of every pixel of every frame.
      rate: frames per second; 0 where there is no time, as in a volume.
      names: of the frames, for files.
      title: of the clip.
    """

    tree: RegionTree
    rate: float = 0.0
    names: tuple[str, ...] = ()
    title: str = ""

    def __post_init__(self) -> None:
        """Raises ValueError unless every frame has a name and labels."""
        shape = np.shape(self.tree.labels)
        if len(shape) != 3:
            raise ValueError(
                "expected a tree with labels [t, H, W], one map for every frame, but "
                f"labels have shape {shape}."
            )
        if np.ndim(self.tree.parents) != 1:
            raise ValueError(
                "expected one tree of a clip, but got a batch of trees of images; they "
                "have no regions in common."
            )
        if not self.names:
            names = tuple(f"{i:05d}" for i in range(shape[0]))
            object.__setattr__(self, "names", names)
        if len(self.names) != shape[0]:
            raise ValueError(
                f"expected a name for each of {shape[0]} frames, but got "
                f"{len(self.names)}; leave names out, or give them all."
            )

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        return f"VideoTree({self.title!r}, {self.tree!r})"

    def cut(
        self,
        *,
        num_regions: int | None = None,
        depth: int | None = None,
        cost: float | None = None,
    ) -> Int[np.ndarray, "t H W"]:
        """A flat segmentation of the whole clip; see `RegionTree.cut`.

        A region has the same id in every frame; ids are nodes of the tree.
        """
        labels = self.tree.cut(num_regions=num_regions, depth=depth, cost=cost)
        return np.asarray(labels)

    def frame(self, index: int) -> RegionTree:
        """The tree of one frame, with the nodes of the clip: some may have no pixel."""
        return dataclasses.replace(self.tree, labels=self.tree.labels[index])

    @functools.cached_property
    def frame_areas(self) -> Int[np.ndarray, "n t"]:
        """Pixels of every node in every frame."""
        count = int(self.tree.num_nodes)
        areas = [np.bincount(x.ravel(), minlength=count) for x in self.tree.labels]
        parents = np.asarray(self.tree.parents)[:count]
        return host_cuts.gathered(parents, np.stack(areas, axis=1))

    @property
    def tubes(self) -> Any:
        """A table with a row for every node: when it is there and how large it is.

        Columns: node, first and last (frames, from 0; -1 without pixels), length (from
        the first to the last), frames (those that it is in) and area (pixels in all of
        them). A pandas DataFrame where pandas is installed, or else a structured array.
        """
        areas = self.frame_areas
        there = areas > 0
        frames = there.sum(axis=1)
        first = np.where(frames > 0, there.argmax(axis=1), -1)
        last = np.where(frames > 0, len(self) - 1 - there[:, ::-1].argmax(axis=1), -1)
        columns = {
            "node": np.arange(len(areas)),
            "first": first,
            "last": last,
            "length": np.where(frames > 0, last - first + 1, 0),
            "frames": frames,
            "area": areas.sum(axis=1),
        }
        return node_table.as_table(columns)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the tree, and what is known of the frames, as an npz file.

        The file is written aside and renamed, so a reader never sees half of it.
        `RegionTree.load` reads it too.

        Raises:
          OSError: the file cannot be written; the message names it.
        """
        content = tree_file.encode(
            **tree_file.arrays_of(self.tree),
            names=np.array(self.names),
            rate=np.array(self.rate, np.float64),
            title=np.array(self.title),
        )
        with atomic_write(path) as aside:
            aside.write_bytes(content)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> VideoTree:
        """Reads what `save` wrote.

        Raises:
          FileNotFoundError: there is no such file.
          TreeFileError: the file is damaged or holds something else.
        """
        tree = RegionTree.load(path)
        try:
            with np.load(path, allow_pickle=False) as file:
                names, rate, title = (file[x] for x in _FIELDS)
            return cls(
                tree=tree,
                rate=float(rate),
                names=tuple(map(str, names.tolist())),
                title=str(title),
            )
        except Exception as error:  # damaged archives fail in many ways
            reason = f"it lacks {error}" if isinstance(error, KeyError) else error
            raise TreeFileError(
                f"{path}: expected the tree of a clip, but {reason}; delete the file "
                "and segment the clip again. RegionTree.load reads trees of images."
            ) from error
