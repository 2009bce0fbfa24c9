"""Similar regions: of all regions of many images, those that look like one of them.

Regions are compared by their descriptors (`RegionTree.describe`), from which the mean
over all images is taken away: what all patches have in common says nothing.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from typing import Annotated, NamedTuple

import numpy as np
import numpy.typing as npt

from uhseg_jax.features.checks import at_unit_length
from uhseg_jax.hierarchy import host_cuts, tree_file
from uhseg_jax.hierarchy.cuts import NO_PARENT, ROOT
from uhseg_jax.hierarchy.descriptors import descriptor_file
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.types import Bool, Float
from uhseg_jax.validators import SHARE, Validated, integer, one_of, real

__all__ = ["DescribedTree", "SimilarRegion", "similar_regions"]

_MARGIN = real("a difference of cosines from 0 to 2", lambda x: 0 <= x <= 2)


@dataclasses.dataclass(frozen=True)
class DescribedTree:
    """A tree with a descriptor of every node.

    Attributes:
      tree: one tree.
      descriptors: ``[num_nodes, d]``, as `RegionTree.describe` gives them.

    Raises:
      ValueError: there is not one descriptor for every node, or one holds NaN.
    """

    tree: RegionTree
    descriptors: Float[np.ndarray, "num_nodes d"]

    def __post_init__(self) -> None:
        shape, count = np.shape(self.descriptors), int(self.tree.num_nodes)
        if len(shape) != 2 or shape[0] != count or not shape[1]:
            raise ValueError(
                f"expected descriptors [{count}, d], one for every node of the tree, "
                f"but got shape {shape}; make them with tree.describe(features)."
            )
        if not np.isfinite(self.descriptors).all():
            raise ValueError("expected descriptors without NaN or infinity.")

    @classmethod
    def of(cls, tree: RegionTree, features: npt.ArrayLike) -> DescribedTree:
        """A tree described by features ``[h, w, d]``; see `RegionTree.describe`."""
        return cls(tree, tree.describe(features))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> DescribedTree:
        """Reads NAME.npz and the NAME.descriptors.npz beside it.

        ``uhseg-segment --format=npz,descriptors`` writes both.

        Raises:
          FileNotFoundError: there is no such file.
          TreeFileError: a file holds something else, or descriptors of another tree.
        """
        tree = RegionTree.load(path)
        tree_id = tree_file.identity(np.asarray(tree.labels), np.asarray(tree.parents))
        return cls(tree, descriptor_file.read(descriptor_file.beside(path), tree_id))


class SimilarRegion(NamedTuple):
    """A region that looks like the one asked for.

    Attributes:
      image: index of its tree among those searched.
      node: of that tree.
      similarity: cosine similarity, from -1 to 1.
    """

    image: int
    node: int
    similarity: float


@dataclasses.dataclass(frozen=True)
class _Options(Validated):
    k: Annotated[int, integer(1)]
    min_area: Annotated[float, SHARE]
    margin: Annotated[float, _MARGIN]
    center: Annotated[bool, one_of(False, True)]


def similar_regions(
    tree: DescribedTree,
    node: int,
    others: Sequence[DescribedTree],
    *,
    k: int = 20,
    min_area: float = 0.002,
    margin: float = 0.05,
    center: bool = True,
) -> list[SimilarRegion]:
    """The regions of some trees that are most similar to one, the most similar first.

    Of regions that lie in one another only one is returned: from the most similar one
    up, the largest of those around it that are as similar but for ``margin``. The root
    is none of them, unless its tree has no other. Where ``tree`` is among those
    searched, the region asked for is left out, and so are those in and around it.

    Args:
      tree: that holds the region.
      node: the region, a node of the tree.
      others: trees to search, described by the same features.
      k: how many regions at most.
      min_area: share of its image below which a region is left out.
      margin: how much less similar a larger region may be.
      center: whether the mean of the features of all these images, the one asked for
        included, is taken from every descriptor.

    Raises:
      TypeError: a tree comes without descriptors.
      ValueError: there is no such node, descriptors differ in length, or an option is
        out of its range.
    """
    options = _Options(k, min_area, margin, center)
    _check(tree, node, others)
    searched = [_is_same(tree, x) for x in others]
    mean = np.zeros(tree.descriptors.shape[1])
    if options.center:
        seen = [*others, *([] if any(searched) else [tree])]
        mean = np.mean([x.descriptors[ROOT].astype(np.float64) for x in seen], axis=0)
    (query,) = at_unit_length(tree.descriptors[[node]] - mean)
    found = [
        SimilarRegion(index, *one)
        for index, other in enumerate(others)
        for one in _in_tree(
            other, mean, query, options, without=node if searched[index] else None
        )
    ]
    return sorted(found, key=lambda x: -x.similarity)[: options.k]


def _in_tree(
    searched: DescribedTree,
    mean: Float[np.ndarray, " d"],
    query: Float[np.ndarray, " d"],
    options: _Options,
    *,
    without: int | None,
) -> list[tuple[int, float]]:
    """Similar regions of one tree, no two of which are nested."""
    tree, count = searched.tree, int(searched.tree.num_nodes)
    parents = np.asarray(tree.parents)[:count]
    similarities = at_unit_length(searched.descriptors - mean) @ query
    contains = host_cuts.ancestry(parents)
    shares = tree.areas()[:count] / np.asarray(tree.labels).size
    free = (shares >= options.min_area) & (shares > 0)
    free[ROOT] &= count == 1
    if without is not None:
        free &= ~_kin(contains, without)
    found = []
    for best in np.argsort(-similarities, kind="stable").tolist():
        if not free[best]:
            continue
        bound = similarities[best] - options.margin
        node, above = best, int(parents[best])
        while above != NO_PARENT and free[above]:
            if similarities[above] >= bound:
                node = above
            above = int(parents[above])
        found.append((node, float(similarities[node])))
        free &= ~_kin(contains, node)
        if len(found) == options.k:
            break
    return found


def _kin(contains: Bool[np.ndarray, "n n"], node: int) -> Bool[np.ndarray, " n"]:
    """A node with those around it and those in it."""
    return contains[node] | contains[:, node]


def _check(tree: DescribedTree, node: int, others: Sequence[DescribedTree]) -> None:
    for one in (tree, *others):
        if not isinstance(one, DescribedTree):
            raise TypeError(
                "expected trees with descriptors, but got a "
                f"{type(one).__name__}; make them with DescribedTree.of(tree, "
                "features), or DescribedTree.load of results with descriptors."
            )
    count, length = tree.descriptors.shape
    if not 0 <= node < count:
        raise ValueError(
            f"expected a node of the tree, from 0 to {count - 1}, but got {node}."
        )
    for index, other in enumerate(others):
        if other.descriptors.shape[1] != length:
            raise ValueError(
                f"expected descriptors of {length} numbers, as those of the region "
                f"asked for, but those of tree {index} have "
                f"{other.descriptors.shape[1]}; describe all trees by the same model."
            )


def _is_same(one: DescribedTree, other: DescribedTree) -> bool:
    """Whether two are the same tree of the same image."""
    return one is other or (
        np.array_equal(one.descriptors, other.descriptors)
        and np.array_equal(one.tree.labels, other.tree.labels)
        and np.array_equal(one.tree.parents, other.tree.parents)
    )
