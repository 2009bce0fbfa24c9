"""Which bound on the normalised cut suits an image: the rules that are compared.

Ivanova et al. (WACV 2026) find it for every image and call their criterion the minimum
average node cut; its formula is not known to us. `least_escape` is our reading of it,
its relative form and the others are rivals, and all of them are choices of this
package. Each takes a tree that was grown to a generous bound and gives the cost up to
which its splits stay open.
"""

import jax.numpy as jnp

from uhseg_jax.hierarchy import cuts
from uhseg_jax.hierarchy.cuts import NO_PARENT
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.spectral import walk
from uhseg_jax.types import Array, Bool, Float, Int, Scalar

__all__ = [
    "LeafSets",
    "largest_eigengap",
    "least_escape",
    "most_stable",
]


@pytree_dataclass
class LeafSets:
    """The flat segmentations of a tree, one for each cost at which a split opens.

    Attributes:
      opening_costs: ``[n]``, at which each node divides; inf for leaves.
      shown: ``[n, n]``, ``[i, j]``: node j is a region at the cost of node i.
      exists: ``[n]``, whether there is such a cost: node i has children.
      contains: ``[n, n]``, ``[i, j]``: node i is node j or one of its ancestors.
    """

    opening_costs: Float[Array, " n"]
    shown: Bool[Array, "n n"]
    exists: Bool[Array, " n"]
    contains: Bool[Array, "n n"]

    @classmethod
    def of(cls, tree: RegionTree) -> "LeafSets":
        """Those of one tree."""
        parents, costs = jnp.asarray(tree.parents), jnp.asarray(tree.costs)
        opening = cuts.opening_costs(parents, costs)
        entered = jnp.where(parents == NO_PARENT, -jnp.inf, opening[parents])
        nodes = jnp.arange(parents.shape[0]) < tree.num_nodes
        shown = (entered[None, :] <= opening[:, None]) & nodes[None, :]
        shown = shown & (opening[None, :] > opening[:, None])
        exists = nodes & jnp.isfinite(opening)
        return cls(opening, shown, exists, cuts.ancestry(parents))

    def total(self, values: Float[Array, " n"]) -> Float[Array, " n"]:
        """The sum of a value of nodes over the regions at every cost."""
        return jnp.sum(jnp.where(self.shown, values[None, :], 0), axis=1)

    def best_cost(self, scores: Float[Array, " n"]) -> Scalar:
        """The cost of least score; -inf where no split opens at any."""
        best = jnp.argmin(jnp.where(self.exists, scores, jnp.inf))
        return jnp.where(self.exists[best], self.opening_costs[best], -jnp.inf)


def least_escape(
    tree: RegionTree, transitions: Float[Array, "cells cells"], *, relative: bool
) -> Scalar:
    """The cost whose regions are left with the least mean probability.

    Of every region the chance that a step from one of its cells leads out
    (`walk.escape_probabilities`), and the mean of these over the regions.

    Args:
      tree: grown to a generous bound.
      transitions: P between its cells.
      relative: divide by the same mean for regions of the same sizes whose cells are
        drawn at random, so that small regions may leak more than large ones.

    Returns:
      The cost; -inf for a tree without splits.
    """
    leaf_sets = LeafSets.of(tree)
    labels = jnp.asarray(tree.labels).reshape(-1)
    escape = walk.escape_probabilities(transitions, labels, leaf_sets.contains)
    compared = jnp.ones_like(escape)
    if relative:
        # Of cells drawn at random the chance is in proportion to what is outside.
        cells = jnp.zeros_like(escape).at[labels].add(1)
        sizes = jnp.sum(jnp.where(leaf_sets.contains, cells[None, :], 0), axis=1)
        compared = transitions.shape[0] - sizes
    reference = leaf_sets.total(compared)
    scores = leaf_sets.total(escape) / jnp.where(reference > 0, reference, 1)
    return leaf_sets.best_cost(scores)


def most_stable(
    tree: RegionTree,
    transitions: Float[Array, "cells cells"],
    stationary: Float[Array, " cells"],
) -> Scalar:
    """The cost whose regions hold a walker longest, against chance.

    The Markov stability of a partition (Delvenne, Yaliraki and Barahona, PNAS 2010;
    `walk.stabilities`): for one step, Newman's modularity.

    Args:
      tree: grown to a generous bound.
      transitions: P between its cells.
      stationary: its stationary distribution.

    Returns:
      The cost; -inf for a tree without splits.
    """
    leaf_sets = LeafSets.of(tree)
    labels = jnp.asarray(tree.labels).reshape(-1)
    stability = walk.stabilities(transitions, stationary, labels, leaf_sets.contains)
    return leaf_sets.best_cost(-leaf_sets.total(stability))


def largest_eigengap(eigenvalues: Float[Array, " q"]) -> Int[Array, ""]:
    """The number of regions k >= 2 of largest gap between eigenvalues k and k + 1.

    Args:
      eigenvalues: of the normalised Laplacian, from the smallest.

    Returns:
      int32; 1 if there are fewer than three eigenvalues.
    """
    gaps = jnp.diff(eigenvalues)
    if gaps.shape[0] < 2:
        return jnp.asarray(1, jnp.int32)
    return (jnp.argmax(gaps[1:]) + 2).astype(jnp.int32)
