"""What a tree gives away: tables, regions, contours, and trees of other packages.

`RegionTree` inherits these; each is a door to the room where the work is done.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import numpy.typing as npt

from uhseg_jax.features.checks import at_unit_length
from uhseg_jax.hierarchy import descriptors, host_cuts, interop, node_table, ultrametric
from uhseg_jax.hierarchy.lattice import require_image
from uhseg_jax.hierarchy.placement import require_numbers
from uhseg_jax.hierarchy.proposals import ProposalOptions, Proposals, propose
from uhseg_jax.hierarchy.region_choice import RegionChoice, choose
from uhseg_jax.hierarchy.regions import Regions
from uhseg_jax.hierarchy.ultrametric import Ultrametric
from uhseg_jax.outlines.polygons import Polygon, outlines_of
from uhseg_jax.types import Float

__all__ = ["TreeViews"]


class TreeViews:
    """Methods of a `RegionTree` that read its arrays and change nothing."""

    labels: Any
    parents: Any
    num_nodes: Any

    # -- tables -----------------------------------------------------------------------

    @property
    def nodes(self) -> Any:
        """A table with a row for every node, in their order.

        ``id``, ``parent`` (-1 for the root), ``depth``, ``cost``, ``area`` (cells); the
        box as ``x``, ``y``, ``width``, ``height``; ``centroid_x``, ``centroid_y``, the
        mean column and row, counted from 0; ``is_leaf``; ``children``, a tuple of ids.

        Of a clip, labels ``[t, h, w]``, boxes and centroids are those over all frames,
        and ``first`` and ``last`` are the first and the last frame that shows the node
        (-1 of one without cells). Of the vertices of a graph there are no places.

        Returns:
          A pandas.DataFrame where pandas is installed, or else a structured numpy
          array; ``tree.nodes["area"]`` is a column of either.

        Raises:
          TypeError: the tree is a batch.
        """
        require_numbers(self, "RegionTree.nodes")
        return node_table.table_of(self)

    def to_dict(self) -> dict[str, Any]:
        """The tree as nested dictionaries that `json.dumps` accepts.

        Every node has ``id``, ``depth``, ``cost``, ``area`` (cells) and ``children``;
        the root has ``height`` and ``width`` (cells) too, and of a clip ``frames``.
        """
        require_numbers(self, "RegionTree.to_dict")
        return node_table.nested_of(self)

    # -- regions and contours ---------------------------------------------------------

    def regions(self, **choice: Any) -> Regions:
        """Regions to take away, numbered from 0 without gaps.

            >>> tree.regions(num_regions=6, flat=True).masks()  # doctest: +SKIP

        Args:
          choice: fields of `region_choice.RegionChoice`: ``num_regions``, ``cost`` or
            ``depth`` for those of a cut and around it, ``flat`` for those of the cut
            alone, ``min_area`` and ``max_area`` as shares of the image, ``connected``
            for components, ``background=False`` to leave that out, ``root``.

        Raises:
          TypeError: the tree is a batch.
          ValueError: a field is not in its range; the message names it.
        """
        require_numbers(self, "RegionTree.regions")
        return choose(self, RegionChoice(**choice))

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
          ValueError: there is no such node, the tolerance is negative, or the tree is
            of a clip: take one of its frames, ``tree.frame(i)``.
        """
        require_numbers(self, "RegionTree.polygons")
        require_image(np.shape(self.labels), "RegionTree.polygons")
        node, count = operator.index(node), int(self.num_nodes)
        if not 0 <= node < count:
            raise ValueError(
                f"expected a node from 0 to {count - 1}, which the tree has, but got "
                f"{node}."
            )
        outlines = outlines_of(np.asarray(self.labels), tolerance)
        return outlines.polygons(host_cuts.ancestry(np.asarray(self.parents))[node])

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
        require_numbers(self, "RegionTree.proposals")
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
        require_numbers(self, "RegionTree.ultrametric")
        return ultrametric.of_tree(self, scale)

    def describe(
        self, features: npt.ArrayLike, *, unit: bool = False
    ) -> Float[np.ndarray, "num_nodes d"]:
        """A descriptor of every node: the mean of an image's features over its cells.

        Args:
          features: real numbers ``[h, w, d]`` over the whole image, of any backbone, as
            `uhseg_jax.extract_features` gives them; ``[t, h, w, d]`` of a clip. Where
            the grid is coarser than the labels, these read it bilinearly, as
            superpixels do; where it is finer, a region has the cells whose centres lie
            in it.
          unit: whether descriptors have unit length.

        Returns:
          float32 rows, 0 for a node without a cell.

        Raises:
          ValueError: features of another shape, or with NaN.
          TypeError: the tree is a batch.
        """
        require_numbers(self, "RegionTree.describe")
        parents = np.asarray(self.parents)[: int(self.num_nodes)]
        found = descriptors.describe(np.asarray(self.labels), parents, features)
        return at_unit_length(found) if unit else found

    # -- other packages ---------------------------------------------------------------

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
        require_numbers(self, "RegionTree.to_linkage")
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
          MissingPackageError: higra is not installed.
          ValueError: there is no scale of that name.
          TypeError: the tree is a batch.
        """
        require_numbers(self, "RegionTree.to_higra")
        return interop.higra_of(self, scale)

    def to_supervision(self, **choice: Any) -> Any:
        """Regions as `supervision.Detections`, with masks and boxes.

        They are of one class, 0, "region": annotators tell them apart with
        ``color_lookup=supervision.ColorLookup.INDEX``. ``data`` holds ``class_name``,
        ``node`` (-1 where a region is a union) and ``area``.

        Args:
          choice: which regions, as for `regions`.

        Raises:
          MissingPackageError: supervision is not installed.
          ValueError: a choice is not in its range; the message names it.
          TypeError: the tree is a batch.
        """
        require_numbers(self, "RegionTree.to_supervision")
        return interop.detections_of(self, choice)

    # -- looking ----------------------------------------------------------------------

    def show(
        self, image: Any = None, *, title: str | None = None, height: int = 720
    ) -> Any:
        """The tree as a page to look at and to select regions in, in a notebook's cell.

        Args:
          image: what it is of, as for `uhseg_jax.segment`; None: grey. A tree on
            another grid is enlarged to it.
          title: what the page calls it, by which `uhseg-export` finds the result that a
            selection is of; by default the name of the file.
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

        require_numbers(self, "RegionTree.show")
        require_image(np.shape(self.labels), "RegionTree.show")
        tree: Any = self
        return notebook.show(tree, image, title=title, height=height)
