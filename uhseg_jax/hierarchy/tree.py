"""A hierarchy of regions as plain arrays.

Nodes are numbered so that parents come before children: node 0 is the whole
image, the leaves partition it, and an inner node is the union of its children.
Arrays are preallocated and padded, so a tree can leave a jitted function, be mapped
over a batch, be saved, and be cut at any granularity without solving anything again.
"""

import operator
import os
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from uhseg_jax.hierarchy import cuts, tree_file
from uhseg_jax.hierarchy.criteria import resolve_criterion
from uhseg_jax.hierarchy.cuts import NO_PARENT, ROOT
from uhseg_jax.hierarchy.tree_file import TreeFileError
from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.types import Array, Bool, Float, Int

__all__ = ["NO_PARENT", "ROOT", "RegionTree", "TreeFileError"]

IntArray = Array | np.ndarray
# Arrays of rank 0, so that a cut may be traced.
Number = int | float | np.number[Any] | np.ndarray | Array


@pytree_dataclass
class RegionTree:
    """A tree of nested regions (mctx-style arrays with sentinels).

    A batched tree has one more leading axis ``b`` on every array; index it or iterate
    over it to get its trees.

    Attributes:
      labels: int32 ``[h, w]``, the leaf node of every cell.
      parents: int32 ``[n]``, ``parents[0] == NO_PARENT`` and ``parents[i] < i``;
        padding holds ``NO_PARENT`` too.
      num_nodes: int32 ``[]``, how many of the ``n`` entries are nodes; the rest is
        padding.
      depths: int32 ``[n]``, edges between a node and the root.
      costs: float32 ``[n]``, normalised cut of a node within its parent's graph,
        ``cut(S, parent - S) / vol(S)``, in [0, 1]; 0 for the root.
    """

    labels: Int[IntArray, "*b h w"]
    parents: Int[IntArray, "*b n"]
    num_nodes: Int[IntArray, "*b"]
    depths: Int[IntArray, "*b n"]
    costs: Float[IntArray, "*b n"]

    # -- batches -----------------------------------------------------------------

    @property
    def is_batched(self) -> bool:
        """Whether this is a stack of trees."""
        return np.ndim(self.labels) == 3

    def __len__(self) -> int:
        self._require_batch("len(tree)")
        return self.labels.shape[0]

    def __getitem__(self, index: int) -> "RegionTree":
        self._require_batch("tree[i]")
        if np.ndim(index) == 0 and not isinstance(index, (slice, jax.core.Tracer)):
            # JAX clamps an index that is out of range, and iteration would not end.
            index = operator.index(index)
            if not -len(self) <= index < len(self):
                raise IndexError(
                    f"expected an index below {len(self)}, the number of trees in the "
                    f"batch, but got {index}."
                )
        return jax.tree.map(lambda x: _beside(x[index], x), self)

    def __iter__(self) -> Iterator["RegionTree"]:
        self._require_batch("iteration")
        return (self[i] for i in range(len(self)))

    def _require_batch(self, what: str) -> None:
        if not self.is_batched:
            raise TypeError(
                f"{what} needs a batch of trees, but this is one tree "
                f"(labels {np.shape(self.labels)}); use its fields, `cut` or `masks`."
            )

    def _require_single(self, what: str) -> None:
        if self.is_batched:
            raise TypeError(
                f"{what} works on one tree, but this is a batch of {len(self)}; "
                f"index it (trees[0]) or map over it (jax.vmap)."
            )

    # -- structure ---------------------------------------------------------------

    def is_leaf(self) -> Bool[IntArray, " n"]:
        """True for the nodes without children; False for inner nodes and padding."""
        self._require_single("is_leaf")
        leaf = cuts.is_leaf(_padded(self.parents, NO_PARENT), self.num_nodes)
        return self._unpadded(leaf)

    def contains(self) -> Bool[IntArray, "n n"]:
        """``[i, j]``: node i is node j or one of its ancestors."""
        self._require_single("contains")
        n = self.parents.shape[0]
        contains = cuts.ancestry(_padded(self.parents, NO_PARENT))
        return self._unpadded(contains)[:, :n]

    def masks(self) -> Bool[np.ndarray, "num_nodes h w"]:
        """One boolean mask for every node, the root first; children lie in parents."""
        self._require_single("masks")
        count = int(self.num_nodes)
        contains = np.asarray(self.contains())[:count]
        return contains[:, np.asarray(self.labels)]

    def areas(self) -> Int[np.ndarray, " n"]:
        """Number of cells of every node; 0 for padding."""
        self._require_single("areas")
        n = self.parents.shape[0]
        cells = np.bincount(np.asarray(self.labels).ravel(), minlength=n)
        return np.asarray(self.contains()).astype(np.int64) @ cells

    def entry_ranks(self) -> Int[IntArray, " n"]:
        """When each node enters as splits are opened from cheap to dear.

        The root enters at 0; the children of the first split opened at 1, of the
        second at 2, and so on: the order in which `cut(num_regions=...)` refines.
        Padding never enters and holds ``n``.
        """
        self._require_single("entry_ranks")
        ranks = cuts.entry_ranks(
            _padded(self.parents, NO_PARENT), _padded(self.costs, 0), self.num_nodes
        )
        return self._unpadded(ranks).clip(max=self.parents.shape[0])

    def _unpadded(self, x: Array) -> IntArray:
        """A node array of the padded length as one of this tree's length and kind."""
        return _beside(x, self.parents)[: self.parents.shape[0]]

    # -- cuts --------------------------------------------------------------------

    def cut(
        self,
        *,
        num_regions: Number | None = None,
        depth: Number | None = None,
        cost: Number | None = None,
    ) -> Int[IntArray, "h w"]:
        """A flat segmentation: the node that holds each cell at one granularity.

        The price of a split is the mean cost of its children. Cuts of one kind are
        nested: a cut with more regions (depth, cost) refines one with fewer.

        Args:
          num_regions: open the cheapest split whose ancestors are open, again and
            again, as long as at most this many regions result; at least 1.
          depth: open every split above this depth; 0 is the whole image.
          cost: open every split cheaper than this whose ancestors are open.

        Returns:
          int32 ``[h, w]`` node ids.

        Raises:
          ValueError: unless exactly one of the three is given, a number in its range.
        """
        self._require_single("cut")
        parents, open_nodes = self._open_nodes(
            "cut", {"num_regions": num_regions, "depth": depth, "cost": cost}
        )
        visible = cuts.visible_ancestors(parents, open_nodes)
        return _beside(visible, self.labels)[self.labels]

    def prune(
        self,
        *,
        num_regions: Number | None = None,
        depth: Number | None = None,
        cost: Number | None = None,
    ) -> "RegionTree":
        """The tree above a cut: its leaves are the regions that `cut` would give.

        Arguments and errors are those of `cut`. Nodes keep their order and are
        numbered anew without gaps.
        """
        self._require_single("prune")
        parents, open_nodes = self._open_nodes(
            "prune", {"num_regions": num_regions, "depth": depth, "cost": cost}
        )
        pruned = cuts.prune(
            parents,
            _padded(self.costs, 0),
            _padded(self.depths, 0),
            self.num_nodes,
            open_nodes,
        )
        return RegionTree(
            labels=_beside(pruned.numbers, self.labels)[self.labels],
            parents=self._unpadded(pruned.parents),
            num_nodes=_beside(pruned.num_nodes, self.parents),
            depths=self._unpadded(pruned.depths),
            costs=self._unpadded(pruned.costs),
        )

    def _open_nodes(
        self, caller: str, criteria: dict[str, Any]
    ) -> tuple[Int[IntArray, " p"], Bool[Array, " p"]]:
        """Parents and open nodes of a cut, padded to a power of two."""
        kind, value = resolve_criterion(
            caller, criteria, num_nodes=self.parents.shape[0]
        )
        parents = _padded(self.parents, NO_PARENT)
        open_fn = {
            "num_regions": cuts.open_by_num_regions,
            "depth": cuts.open_by_depth,
            "cost": cuts.open_by_cost,
        }[kind]
        open_nodes = open_fn(
            parents,
            _padded(self.costs, 0),
            _padded(self.depths, 0),
            self.num_nodes,
            value,
        )
        return parents, open_nodes

    # -- out and in --------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """The tree as nested dictionaries that `json.dumps` accepts.

        Every node has ``id``, ``depth``, ``cost``, ``area`` (cells) and ``children``;
        the root has ``height`` and ``width`` (cells) too.
        """
        self._require_single("to_dict")
        areas, count = self.areas(), int(self.num_nodes)
        nodes: list[dict[str, Any]] = [
            {
                "id": i,
                "depth": int(self.depths[i]),
                "cost": float(self.costs[i]),
                "area": int(areas[i]),
                "children": [],
            }
            for i in range(count)
        ]
        for i, parent in enumerate(np.asarray(self.parents)[1:count], start=1):
            nodes[parent]["children"].append(nodes[i])
        height, width = self.labels.shape
        return {"height": height, "width": width, **nodes[ROOT]}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes labels, parents, depths and costs, without padding, as an npz file.

        The file is written aside and renamed, so a reader never sees half of it.

        Raises:
          OSError: the file cannot be written; the message names it.
        """
        self._require_single("save")
        count = int(self.num_nodes)
        tree_file.write(
            path,
            labels=np.asarray(self.labels, np.int32),
            parents=np.asarray(self.parents, np.int32)[:count],
            depths=np.asarray(self.depths, np.int32)[:count],
            costs=np.asarray(self.costs, np.float32)[:count],
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "RegionTree":
        """Reads a tree that `save` wrote.

        Raises:
          FileNotFoundError: there is no such file.
          TreeFileError: the file is damaged or holds something else.
        """
        arrays = tree_file.read(path)
        return cls(num_nodes=np.asarray(len(arrays["parents"]), np.int32), **arrays)


def _padded(x: IntArray, fill: int) -> IntArray:
    """Pads a node array, so that trees of many sizes share few compiled cuts."""
    n = x.shape[0]
    padding = (1 << (n - 1).bit_length()) - n
    pad = jnp.pad if isinstance(x, jax.Array) else np.pad
    return pad(x, (0, padding), constant_values=fill)


def _beside(x: Any, reference: IntArray) -> IntArray:
    """A result as numpy where the tree is: no compilation for every size."""
    return np.asarray(x) if isinstance(reference, np.ndarray) else x
