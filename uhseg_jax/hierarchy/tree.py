"""A hierarchy of regions as plain arrays.

Nodes are numbered so that parents come before children: node 0 is the whole
image, the leaves partition it, and an inner node is the union of its children.
Arrays are preallocated and padded, so a tree can leave a jitted function, be mapped
over a batch, be saved, and be cut at any granularity without solving anything again.
"""

from __future__ import annotations

import dataclasses
import operator
import os
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np

from uhseg_jax.files import atomic_write
from uhseg_jax.hierarchy import cuts, host_cuts, node_table, pruning, tree_file
from uhseg_jax.hierarchy.cuts import NO_PARENT, ROOT, Nodes
from uhseg_jax.hierarchy.placement import (
    IntArray,
    is_on_host,
    on_nodes,
    require_single,
    visible_nodes,
)
from uhseg_jax.hierarchy.tree_file import TreeFileError
from uhseg_jax.hierarchy.tree_views import TreeViews
from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.types import Array, Bool, Float, Int, Integer

__all__ = [
    "NO_PARENT",
    "ROOT",
    "RegionTree",
    "TreeFileError",
    "stacked",
]

# Arrays of rank 0, so that a cut may be traced.
Number = int | float | np.number[Any] | np.ndarray | Array


@pytree_dataclass
class RegionTree(TreeViews):
    """A tree of nested regions (mctx-style arrays with sentinels).

    The cells may be those of any lattice: ``[h, w]`` of an image, ``[t, h, w]`` of the
    frames of a clip or the slices of a volume, ``[n]`` of the vertices of a graph. A
    batched tree has one more leading axis ``b`` on every array; index it or iterate
    over it to get its trees.

    Attributes:
      labels: int32 ``[h, w]``, or of another lattice: the leaf node of every cell.
      parents: int32 ``[n]``, ``parents[0] == NO_PARENT`` and ``parents[i] < i``;
        padding holds ``NO_PARENT`` too.
      num_nodes: int32 ``[]``, how many of the ``n`` entries are nodes; the rest is
        padding.
      depths: int32 ``[n]``, edges between a node and the root.
      costs: float32 ``[n]``, in [0, 1], 0 for the root: normalised cut of a node within
        its parent's graph, ``cut(S, parent - S) / vol(S)``, or what a method says it is
        (`methods.region_merging`).
    """

    labels: Int[IntArray, "..."]
    parents: Int[IntArray, "*b n"]
    num_nodes: Int[IntArray, "*b"]
    depths: Int[IntArray, "*b n"]
    costs: Float[IntArray, "*b n"]

    @classmethod
    def flat(cls, labels: Int[np.ndarray, "..."], num_nodes: int) -> RegionTree:
        """A tree of one level, numpy: the children of the root are the regions.

        Args:
          labels: from 1 to ``num_nodes - 1``; 0 where the root is the only node.
          num_nodes: regions and the root.
        """
        nodes = np.arange(num_nodes)
        return cls(
            labels=labels.astype(np.int32),
            parents=np.where(nodes == ROOT, NO_PARENT, ROOT).astype(np.int32),
            num_nodes=np.asarray(num_nodes, np.int32),
            depths=np.minimum(nodes, 1).astype(np.int32),
            costs=np.zeros(num_nodes, np.float32),
        )

    def __repr__(self) -> str:
        return node_table.summary(self)

    # -- batches -----------------------------------------------------------------

    @property
    def is_batched(self) -> bool:
        """Whether this is a stack of trees."""
        return np.ndim(self.parents) == 2

    def __len__(self) -> int:
        self._require_batch("len(tree)")
        return self.labels.shape[0]

    def __getitem__(self, index: int) -> RegionTree:
        self._require_batch("tree[i]")
        if np.ndim(index) == 0 and not isinstance(index, (slice, jax.core.Tracer)):
            # JAX clamps an index that is out of range, and iteration would not end.
            index = operator.index(index)
            if not -len(self) <= index < len(self):
                raise IndexError(
                    f"expected an index below {len(self)}, the number of trees in the "
                    f"batch, but got {index}."
                )
        is_numpy = isinstance(self.labels, np.ndarray)
        trees = jax.tree.map(lambda x: x[index], self)
        return jax.tree.map(np.asarray, trees) if is_numpy else trees

    def __iter__(self) -> Iterator[RegionTree]:
        self._require_batch("iteration")
        return (self[i] for i in range(len(self)))

    def _require_batch(self, what: str) -> None:
        if not self.is_batched:
            raise TypeError(
                f"{what} needs a batch of trees, but this is one tree "
                f"(labels {np.shape(self.labels)}); use its fields, `cut` or `masks`."
            )

    # -- structure ---------------------------------------------------------------

    def is_leaf(self) -> Bool[IntArray, " n"]:
        """True for the nodes without children; False for inner nodes and padding."""
        if is_on_host(self):
            return host_cuts.is_leaf(np.asarray(self.parents), int(self.num_nodes))
        return on_nodes(self, cuts.is_leaf)

    def contains(self) -> Bool[IntArray, "n n"]:
        """``[i, j]``: node i is node j or one of its ancestors."""
        if is_on_host(self):
            return host_cuts.ancestry(np.asarray(self.parents))
        return on_nodes(self, _contains)

    def over(self, vertices: Integer[IntArray, "..."]) -> RegionTree:
        """The same nodes over the cells of another lattice.

        Args:
          vertices: of every cell the vertex that it belongs to, where labels are
            ``[n]``, one for each vertex.

        Raises:
          ValueError: the labels are those of another lattice.
        """
        if np.ndim(self.labels) != 1:
            raise ValueError(
                "expected a tree of vertices, with labels [n], but labels have shape "
                f"{np.shape(self.labels)}; such a tree is over its cells already."
            )
        return dataclasses.replace(self, labels=self.labels[vertices])

    def frame(self, index: int) -> RegionTree:
        """The tree of one frame of a clip: the same nodes, some without a pixel there.

        Args:
          index: of the frame, or of the slice of a volume.

        Raises:
          ValueError: the labels are not those of frames.
        """
        if self.is_batched or np.ndim(self.labels) != 3:
            raise ValueError(
                "expected the tree of a clip, with labels [t, h, w], but labels have "
                f"shape {np.shape(self.labels)}; a batch of trees is indexed, tree[i]."
            )
        return dataclasses.replace(self, labels=self.labels[index])

    def masks(self) -> Bool[np.ndarray, "num_nodes ..."]:
        """One boolean mask for every node, the root first; children lie in parents."""
        contains = np.asarray(self.contains())
        return contains[: int(self.num_nodes), np.asarray(self.labels)]

    def areas(self) -> Int[np.ndarray, " n"]:
        """Number of cells of every node; 0 for padding."""
        require_single(self)
        parents = np.asarray(self.parents)
        labels = np.asarray(self.labels).ravel()
        return host_cuts.gathered(parents, np.bincount(labels, minlength=parents.size))

    def entry_ranks(self) -> Int[IntArray, " n"]:
        """When each node enters as splits are opened from low to high cost.

        The root enters at 0; the children of the first split opened at 1, of the
        second at 2, and so on: the order in which `cut(num_regions=...)` refines.
        Padding never enters and holds ``n``.
        """
        if is_on_host(self):
            arrays = np.asarray(self.parents), np.asarray(self.costs)
            return host_cuts.entry_ranks(*arrays, int(self.num_nodes))
        ranks = on_nodes(self, cuts.entry_ranks)
        return ranks.clip(max=self.parents.shape[0])

    # -- cuts --------------------------------------------------------------------

    def cut(
        self,
        *,
        num_regions: Number | None = None,
        depth: Number | None = None,
        cost: Number | None = None,
    ) -> Int[IntArray, "..."]:
        """A flat segmentation: the node that holds each cell at one granularity.

        The cost of a split is the mean cost of its children. Cuts of one kind are
        nested: a cut with more regions (depth, cost) refines one with fewer.

        Args:
          num_regions: open the split of lowest cost whose ancestors are open, again
            and again, as long as at most this many regions result; at least 1.
          depth: open every split above this depth; 0 is the whole image.
          cost: open every split below this cost whose ancestors are open.

        Returns:
          int32 node ids, of the shape of the labels.

        Raises:
          ValueError: unless exactly one of the three is given, a number in its range.
        """
        criteria = {"num_regions": num_regions, "depth": depth, "cost": cost}
        return visible_nodes(self, **criteria)[self.labels]

    def prune(
        self,
        *,
        num_regions: Number | None = None,
        depth: Number | None = None,
        cost: Number | None = None,
    ) -> RegionTree:
        """The tree above a cut: its leaves are the regions that `cut` would give.

        Arguments and errors are those of `cut`. Nodes keep their order and are
        numbered anew without gaps.
        """
        kind, bound = cuts.resolve_criterion(
            "prune",
            {"num_regions": num_regions, "depth": depth, "cost": cost},
            num_nodes=self.parents.shape[0],
        )
        nodes, numbers = on_nodes(self, pruning.prune, bound, kind=kind)
        return RegionTree(labels=numbers[self.labels], **vars(nodes))

    # -- out and in --------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes labels, parents, depths and costs, without padding, as an npz file.

        The file is written aside and renamed, so a reader never sees half of it.

        Raises:
          OSError: the file cannot be written; the message names it.
        """
        require_single(self)
        content = tree_file.encode(**tree_file.arrays_of(self))
        with atomic_write(path) as aside:
            aside.write_bytes(content)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> RegionTree:
        """Reads a tree that `save` wrote.

        Raises:
          FileNotFoundError: there is no such file.
          TreeFileError: the file is damaged or holds something else.
        """
        arrays = tree_file.read(path)
        return cls(num_nodes=np.asarray(len(arrays["parents"]), np.int32), **arrays)


def stacked(trees: Sequence[RegionTree]) -> RegionTree:
    """Trees of grids of one size as a batch, numpy, padded to the longest of them."""
    length = max(len(x.parents) for x in trees)

    def padded(name: str) -> np.ndarray:
        fill = NO_PARENT if name == "parents" else 0
        rows = [np.asarray(getattr(x, name)) for x in trees]
        ends = [np.full(length - len(x), fill, x.dtype) for x in rows]
        return np.stack([np.concatenate(x) for x in zip(rows, ends, strict=True)])

    return RegionTree(
        labels=np.stack([x.labels for x in trees]),
        num_nodes=np.stack([x.num_nodes for x in trees]),
        **{name: padded(name) for name in ("parents", "depths", "costs")},
    )


def _contains(nodes: Nodes) -> Bool[Array, "n n"]:
    return cuts.ancestry(nodes.parents)
