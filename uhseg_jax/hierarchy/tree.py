"""A hierarchy of regions as plain arrays.

Nodes are numbered so that parents come before children: node 0 is the whole
picture, the leaves partition it, and an inner node is the union of its children.
Arrays are preallocated and padded, so a tree can leave a jitted function, be mapped
over a batch, be saved, and be cut at any granularity without solving anything again.
"""

import dataclasses
import os
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from uhseg_jax.files import writing_aside
from uhseg_jax.hierarchy import cuts
from uhseg_jax.hierarchy.cuts import NO_PARENT, ROOT
from uhseg_jax.types import Array, Bool, Float, Int

__all__ = ["NO_PARENT", "ROOT", "RegionTree", "TreeFileError"]

IntArray = Array | np.ndarray
_FIELDS = ("labels", "parents", "depths", "costs")


class TreeFileError(ValueError):
    """A file that was to hold a tree does not; the message says what was found."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
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
        return jax.tree.map(lambda x: x[index], self)

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

    def is_leaf(self) -> Bool[Array, " n"]:
        """True for the nodes without children; False for inner nodes and padding."""
        self._require_single("is_leaf")
        n = self.parents.shape[0]
        parents = _pad_to_power_of_two(self.parents, NO_PARENT)
        return (jnp.arange(n) < self.num_nodes) & (cuts.num_children(parents)[:n] == 0)

    def contains(self) -> Bool[Array, "n n"]:
        """``[i, j]``: node i is node j or one of its ancestors."""
        self._require_single("contains")
        n = self.parents.shape[0]
        padded = _pad_to_power_of_two(self.parents, NO_PARENT)
        return cuts.ancestry(padded)[:n, :n]

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

    def entry_ranks(self) -> Int[Array, " n"]:
        """When each node enters as splits are opened from cheap to dear.

        The root enters at 0; the children of the first split opened at 1, of the
        second at 2, and so on: the order in which `cut(num_regions=...)` refines.
        Padding never enters and holds ``n``.
        """
        self._require_single("entry_ranks")
        n = self.parents.shape[0]
        ranks = cuts.entry_ranks(
            _pad_to_power_of_two(self.parents, NO_PARENT),
            _pad_to_power_of_two(self.costs, 0),
            self.num_nodes,
        )
        return jnp.minimum(ranks[:n], n)

    # -- cuts --------------------------------------------------------------------

    def cut(
        self,
        *,
        num_regions: int | None = None,
        depth: int | None = None,
        cost: float | None = None,
    ) -> Int[IntArray, "h w"]:
        """A flat segmentation: the node that holds each cell at one granularity.

        The price of a split is the mean cost of its children. Cuts of one kind are
        nested: a cut with more regions (depth, cost) refines one with fewer.

        Args:
          num_regions: open the cheapest split whose ancestors are open, again and
            again, as long as at most this many regions result; at least 1.
          depth: open every split above this depth; 0 is the whole picture.
          cost: open every split cheaper than this whose ancestors are open.

        Returns:
          int32 ``[h, w]`` node ids.

        Raises:
          ValueError: unless exactly one of the three is given, in its range.
        """
        self._require_single("cut")
        parents, open_nodes = self._open_nodes(
            "cut", {"num_regions": num_regions, "depth": depth, "cost": cost}
        )
        return _take(cuts.visible_ancestors(parents, open_nodes), self.labels)

    def prune(
        self,
        *,
        num_regions: int | None = None,
        depth: int | None = None,
        cost: float | None = None,
    ) -> "RegionTree":
        """The tree above a cut: its leaves are the regions that `cut` would give.

        Arguments and errors are those of `cut`. Nodes keep their order and are
        numbered anew without gaps.
        """
        self._require_single("prune")
        parents, open_nodes = self._open_nodes(
            "prune", {"num_regions": num_regions, "depth": depth, "cost": cost}
        )
        n = self.parents.shape[0]
        visible = cuts.visible_ancestors(parents, open_nodes)
        number, kept = cuts.renumber(parents, open_nodes, self.num_nodes)
        slots = jnp.where(kept, number, n)[:n]

        def moved(values: IntArray, fill: int) -> Array:
            values = jnp.asarray(values)
            empty = jnp.full((n,), fill, values.dtype)
            return empty.at[slots].set(values, mode="drop")

        above = jnp.where(parents == NO_PARENT, NO_PARENT, number[parents])[:n]
        return RegionTree(
            labels=_take(number[visible], self.labels),
            parents=moved(above, NO_PARENT),
            num_nodes=jnp.sum(kept).astype(jnp.int32),
            depths=moved(self.depths, 0),
            costs=moved(self.costs, 0),
        )

    def _open_nodes(
        self, caller: str, criteria: dict[str, Any]
    ) -> tuple[Int[Array, " p"], Bool[Array, " p"]]:
        """Parents and open nodes of a cut, padded to a power of two."""
        given = {kind: x for kind, x in criteria.items() if x is not None}
        if len(given) != 1:
            raise ValueError(
                f"{caller} takes exactly one of num_regions, depth and cost, but got "
                f"{' and '.join(given) or 'none'}; for example "
                f"tree.{caller}(num_regions=8)."
            )
        ((kind, value),) = given.items()
        lowest = 1 if kind == "num_regions" else 0
        if not isinstance(value, jax.core.Tracer) and not value >= lowest:
            raise ValueError(f"{kind} must be at least {lowest}, but is {value}.")
        parents = _pad_to_power_of_two(self.parents, NO_PARENT)
        open_fn = {
            "num_regions": cuts.open_by_num_regions,
            "depth": cuts.open_by_depth,
            "cost": cuts.open_by_cost,
        }[kind]
        open_nodes = open_fn(
            parents,
            _pad_to_power_of_two(self.costs, 0),
            _pad_to_power_of_two(self.depths, 0),
            self.num_nodes,
            value,
        )
        return jnp.asarray(parents), open_nodes

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
        """
        self._require_single("save")
        count = int(self.num_nodes)
        arrays = {
            "labels": np.asarray(self.labels, np.int32),
            "parents": np.asarray(self.parents, np.int32)[:count],
            "depths": np.asarray(self.depths, np.int32)[:count],
            "costs": np.asarray(self.costs, np.float32)[:count],
        }
        with writing_aside(path) as aside, open(aside, "wb") as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "RegionTree":
        """Reads a tree that `save` wrote.

        Raises:
          FileNotFoundError: there is no such file.
          TreeFileError: the file is damaged or holds something else.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                missing = [name for name in _FIELDS if name not in file.files]
                if missing:
                    raise TreeFileError(
                        f"{path}: expected a saved tree with arrays "
                        f"{', '.join(_FIELDS)}, but {', '.join(missing)} is missing; "
                        "segment the image again."
                    )
                arrays = {name: file[name] for name in _FIELDS}
        except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, OSError) as error:
            if isinstance(error, (FileNotFoundError, PermissionError, TreeFileError)):
                raise
            raise TreeFileError(
                f"{path}: expected a saved tree (npz), but the file is damaged or "
                f"something else ({error}); delete it and segment the image again."
            ) from error
        fault = _fault(**arrays)
        if fault:
            raise TreeFileError(
                f"{path}: expected a saved tree, but {fault}; delete the file and "
                "segment the image again."
            )
        return cls(num_nodes=np.int32(len(arrays["parents"])), **arrays)


def _fault(
    labels: np.ndarray, parents: np.ndarray, depths: np.ndarray, costs: np.ndarray
) -> str | None:
    """What is wrong with the arrays of a tree, in words; None if nothing is."""
    n = parents.size
    if labels.ndim != 2 or parents.shape != (n,) or n == 0:
        return f"labels have shape {labels.shape} and parents {parents.shape}"
    if depths.shape != (n,) or costs.shape != (n,):
        return f"parents, depths and costs differ in length ({n}, {depths.shape}, ...)"
    if not all(np.issubdtype(x.dtype, np.integer) for x in (labels, parents, depths)):
        return "labels, parents and depths are not whole numbers"
    if parents[0] != NO_PARENT or (parents[1:] < 0).any():
        return "node 0 is not the only root"
    if (parents >= np.arange(n)).any():
        return "a parent does not come before its child"
    if labels.size and not 0 <= labels.min() <= labels.max() < n:
        return f"labels go beyond the {n} nodes"
    if np.isin(labels, parents[1:]).any():
        return "a cell is labelled with a node that has children"
    return None


def _pad_to_power_of_two(x: IntArray, fill: int) -> IntArray:
    """Pads a node array, so that trees of many sizes share few compiled cuts."""
    n = x.shape[0]
    padding = (1 << (n - 1).bit_length()) - n
    pad = jnp.pad if isinstance(x, jax.Array) else np.pad
    return pad(x, (0, padding), constant_values=fill)


def _take(
    values: Int[Array, " n"], labels: Int[IntArray, "h w"]
) -> Int[IntArray, "h w"]:
    """``values[labels]``, in numpy where labels are (no compilation for every size)."""
    if isinstance(labels, np.ndarray):
        return np.asarray(values)[labels]
    return values[labels]
