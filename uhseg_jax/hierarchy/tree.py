"""A hierarchy of regions as plain arrays.

Nodes are numbered so that parents come before children: node 0 is the whole
image, the leaves partition it, and an inner node is the union of its children.
Arrays are preallocated and padded, so a tree can leave a jitted function, be mapped
over a batch, be saved, and be cut at any granularity without solving anything again.
"""

import operator
import os
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np
import numpy.typing as npt

from uhseg_jax.files import atomic_write
from uhseg_jax.hierarchy import (
    cuts,
    descriptors,
    host_cuts,
    interop,
    node_table,
    pruning,
    tree_file,
    ultrametric,
)
from uhseg_jax.hierarchy.cuts import NO_PARENT, ROOT, Nodes
from uhseg_jax.hierarchy.placement import (
    IntArray,
    is_on_host,
    on_nodes,
    require_single,
    visible_nodes,
)
from uhseg_jax.hierarchy.proposals import ProposalOptions, Proposals, propose
from uhseg_jax.hierarchy.regions import RegionChoice, Regions, choose
from uhseg_jax.hierarchy.tree_file import TreeFileError
from uhseg_jax.hierarchy.ultrametric import Ultrametric
from uhseg_jax.outlines.polygons import Polygon, outlines_of
from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.types import Array, Bool, Float, Int

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
      costs: float32 ``[n]``, in [0, 1], 0 for the root: normalised cut of a node within
        its parent's graph, ``cut(S, parent - S) / vol(S)``, or what a method says it is
        (`methods.region_merging`).
    """

    labels: Int[IntArray, "*b h w"]
    parents: Int[IntArray, "*b n"]
    num_nodes: Int[IntArray, "*b"]
    depths: Int[IntArray, "*b n"]
    costs: Float[IntArray, "*b n"]

    @classmethod
    def flat(cls, labels: Int[np.ndarray, "h w"], num_nodes: int) -> "RegionTree":
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
        is_numpy = isinstance(self.labels, np.ndarray)
        trees = jax.tree.map(lambda x: x[index], self)
        return jax.tree.map(np.asarray, trees) if is_numpy else trees

    def __iter__(self) -> Iterator["RegionTree"]:
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

    def masks(self) -> Bool[np.ndarray, "num_nodes h w"]:
        """One boolean mask for every node, the root first; children lie in parents."""
        contains = np.asarray(self.contains())
        return contains[: int(self.num_nodes), np.asarray(self.labels)]

    def areas(self) -> Int[np.ndarray, " n"]:
        """Number of cells of every node; 0 for padding."""
        require_single(self)
        parents = np.asarray(self.parents)
        labels = np.asarray(self.labels).ravel()
        areas = np.bincount(labels, minlength=parents.size)
        for node in range(int(self.num_nodes) - 1, ROOT, -1):  # children come first
            areas[parents[node]] += areas[node]
        return areas

    @property
    def nodes(self) -> Any:
        """A table with a row for every node, in their order.

        ``id``, ``parent`` (-1 for the root), ``depth``, ``cost``, ``area`` (cells); the
        box as ``x``, ``y``, ``width``, ``height``; ``centroid_x``, ``centroid_y``, the
        mean column and row, counted from 0; ``is_leaf``; ``children``, a tuple of ids.

        Returns:
          A pandas.DataFrame where pandas is installed, or else a structured numpy
          array; ``tree.nodes["area"]`` is a column of either.

        Raises:
          TypeError: the tree is a batch.
        """
        require_single(self)
        return node_table.table_of(self)

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
    ) -> Int[IntArray, "h w"]:
        """A flat segmentation: the node that holds each cell at one granularity.

        The cost of a split is the mean cost of its children. Cuts of one kind are
        nested: a cut with more regions (depth, cost) refines one with fewer.

        Args:
          num_regions: open the split of lowest cost whose ancestors are open, again
            and again, as long as at most this many regions result; at least 1.
          depth: open every split above this depth; 0 is the whole image.
          cost: open every split below this cost whose ancestors are open.

        Returns:
          int32 ``[h, w]`` node ids.

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
    ) -> "RegionTree":
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

    def regions(self, **choice: Any) -> Regions:
        """Regions to take away, numbered from 0 without gaps.

            >>> tree.regions(num_regions=6, flat=True).masks()  # doctest: +SKIP

        Args:
          choice: fields of `regions.RegionChoice`: ``num_regions``, ``cost`` or
            ``depth`` for those of a cut and around it, ``flat`` for those of the cut
            alone, ``min_area`` and ``max_area`` as shares of the image, ``connected``
            for components, ``background=False`` to leave that out, ``root``.

        Raises:
          TypeError: the tree is a batch.
          ValueError: a field is not in its range; the message names it.
        """
        require_single(self)
        return choose(self, RegionChoice(**choice))

    # -- objects and contours -----------------------------------------------------

    def polygons(self, node: int, tolerance: float = 0.0) -> list[Polygon]:
        """The outlines of a node: its pieces, the largest first, with their holes.

        The borders between leaves are simplified, once for the leaves on both sides, so
        the polygons of nodes side by side meet without gaps, those of a child lie in
        those of its parent, and no piece is lost. With ``tolerance=0`` they are the
        sides of pixels. `Regions.polygons` gives those of many regions at once; of few
        large ones it needs fewer points, since only theirs are divided at junctions.

        Args:
          node: its number.
          tolerance: how far, in pixels, a border may be from the sides of pixels.

        Returns:
          Polygons whose ``outer`` and ``holes`` are ``[n, 2]``, x and y in corners of
          pixels: the pixel in row r and column c lies between (c, r) and
          (c + 1, r + 1).

        Raises:
          TypeError: the tree is a batch.
          ValueError: there is no such node, or the tolerance is negative.
        """
        require_single(self)
        node, count = operator.index(node), int(self.num_nodes)
        if not 0 <= node < count:
            raise ValueError(
                f"expected a node from 0 to {count - 1}, which the tree has, but got "
                f"{node}."
            )
        outlines = outlines_of(np.asarray(self.labels), tolerance)
        return outlines.polygons(np.asarray(self.contains())[node])

    def proposals(
        self,
        k: int = ProposalOptions.k,
        *,
        max_iou: float = ProposalOptions.max_iou,
        connected: bool = ProposalOptions.connected,
        min_area: float = ProposalOptions.min_area,
        pairs: bool = ProposalOptions.pairs,
    ) -> Proposals:
        """Regions as candidates for objects, without classes, the likeliest first.

        The root is none unless it is the only node.

        Args:
          k: how many at most.
          max_iou: a candidate that overlaps one of higher rank by more than this IoU is
            left out; equal ones always are.
          connected: whether candidates are connected components, by sides or corners of
            pixels, instead of nodes, which may lie in several pieces.
          min_area: share of the image below which a candidate is left out.
          pairs: whether unions of two nodes that touch are candidates too.

        Raises:
          TypeError: the tree is a batch.
          ValueError: an argument is not in its range; the message names it.
        """
        require_single(self)
        return propose(self, ProposalOptions(k, max_iou, connected, min_area, pairs))

    def ultrametric(self, scale: str = "cost") -> Ultrametric:
        """The contours between the regions, with the strengths of the splits.

        Every threshold of the map shows the borders of a cut, so that one image stands
        for all of them.

        Args:
          scale: "cost": the strength of a split is 1 less the cost at which cuts open
            it, so that above ``1 - c`` lie the borders of ``cut(cost=c)``, for any
            float32 c that is 0 or from 1e-8 to 1. "order": it is 1 over the number of
            regions of the coarsest cut by number that opens it, so that above
            ``1 / (k + 1)`` lie the borders of ``cut(num_regions=k)``.

        Raises:
          ValueError: there is no scale of that name.
          TypeError: the tree is a batch.
        """
        require_single(self)
        return ultrametric.of_tree(self, scale)

    # -- contents ----------------------------------------------------------------

    def describe(
        self, features: npt.ArrayLike, *, unit: bool = False
    ) -> Float[np.ndarray, "num_nodes d"]:
        """A descriptor of every node: the mean of an image's features over its cells.

        Args:
          features: real numbers ``[h, w, d]`` over the whole image, of any backbone, as
            `uhseg_jax.extract_features` gives them. Where the grid is coarser than the
            labels, these read it bilinearly, as superpixels do; where it is finer, a
            region has the cells whose centres lie in it.
          unit: whether descriptors have unit length.

        Returns:
          float32 rows, 0 for a node without a cell.

        Raises:
          ValueError: features of another shape, or with NaN.
          TypeError: the tree is a batch.
        """
        require_single(self)
        parents = np.asarray(self.parents)[: int(self.num_nodes)]
        found = descriptors.describe(np.asarray(self.labels), parents, features)
        return descriptors.unit_rows(found) if unit else found

    # -- other packages ------------------------------------------------------------

    def to_linkage(self, scale: str = "cost") -> Float[np.ndarray, "merges 4"]:
        """The tree as a linkage matrix of `scipy.cluster.hierarchy`.

        The observations are the leaves, in the order of their ids; heights are the
        strengths of the splits (`ultrametric`). A node of k children is k - 1 merges at
        one height, and one of a single child is that child.

            leaves = np.flatnonzero(tree.is_leaf())
            clusters = fcluster(tree.to_linkage(), 1 - 0.3, "distance")
            clusters[np.searchsorted(leaves, tree.labels)]  # tree.cut(cost=0.3)

        Args:
          scale: "cost", as above; or "order", of which
            ``fcluster(..., k, "maxclust")`` is ``tree.cut(num_regions=k)``.

        Returns:
          float64, a row for every merge; none if there is one leaf.

        Raises:
          ValueError: there is no scale of that name.
          TypeError: the tree is a batch.
        """
        require_single(self)
        return interop.linkage_of(self, scale)

    def to_higra(self, scale: str = "cost") -> interop.HigraTree:
        """The tree as one of Higra, over the adjacency graph of its leaves.

        Functions of Higra that know such graphs therefore give pixels.

            hierarchy, altitudes, nodes = tree.to_higra()
            explorer = higra.HorizontalCutExplorer(hierarchy, altitudes)
            cut = explorer.horizontal_cut_from_altitude(1 - 0.3)
            cut.labelisation_leaves(hierarchy)     # tree.cut(cost=0.3), other numbers
            higra.saliency(hierarchy, altitudes)   # contours, for every edge of pixels

        Args:
          scale: of the altitudes, "cost" or "order", as for `ultrametric`.

        Returns:
          The tree, its altitudes, and which node of this tree each of its nodes is:
          leaves come first there, and parents after children.

        Raises:
          ImportError: higra is not installed.
          ValueError: there is no scale of that name.
          TypeError: the tree is a batch.
        """
        require_single(self)
        return interop.higra_of(self, scale)

    def to_supervision(self, **choice: Any) -> Any:
        """Regions as `supervision.Detections`, with masks and boxes.

        They are of one class, 0, "region": annotators tell them apart with
        ``color_lookup=supervision.ColorLookup.INDEX``. ``data`` holds ``class_name``,
        ``node`` (-1 where a region is a union) and ``area``.

        Args:
          choice: which regions, as for `regions`.

        Raises:
          ImportError: supervision is not installed.
          ValueError: a choice is not in its range; the message names it.
          TypeError: the tree is a batch.
        """
        require_single(self)
        return interop.detections_of(self, choice)

    # -- looking -----------------------------------------------------------------

    def show(
        self, image: Any = None, *, title: str = "Tree of regions", height: int = 720
    ) -> Any:
        """The tree as a page to look at and to select regions in, in a notebook's cell.

        Args:
          image: what it is of, as for `uhseg_jax.segment`; None: grey. A tree on
            another grid is enlarged to it.
          title: what the page calls it.
          height: of the cell, in CSS pixels; at least 100.

        Returns:
          `export.notebook.Shown`, which notebooks display; ``save(path)`` writes the
          page for a browser.

        Raises:
          TypeError: the tree is a batch.
          ValueError: the height is not in its range.
          images.ImageError: the image cannot be read.
        """
        from uhseg_jax.export import notebook  # which imports this module

        require_single(self)
        return notebook.show(self, image, title=title, height=height)

    # -- out and in --------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """The tree as nested dictionaries that `json.dumps` accepts.

        Every node has ``id``, ``depth``, ``cost``, ``area`` (cells) and ``children``;
        the root has ``height`` and ``width`` (cells) too.
        """
        require_single(self)
        return node_table.nested_of(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes labels, parents, depths and costs, without padding, as an npz file.

        The file is written aside and renamed, so a reader never sees half of it.

        Raises:
          OSError: the file cannot be written; the message names it.
        """
        require_single(self)
        count = int(self.num_nodes)
        content = tree_file.encode(
            labels=np.asarray(self.labels, np.int32),
            parents=np.asarray(self.parents, np.int32)[:count],
            depths=np.asarray(self.depths, np.int32)[:count],
            costs=np.asarray(self.costs, np.float32)[:count],
        )
        with atomic_write(path) as aside:
            aside.write_bytes(content)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "RegionTree":
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
