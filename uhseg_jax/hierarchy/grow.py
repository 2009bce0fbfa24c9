"""Growing a tree on the condensed graph, all regions of a level at once.

The sizes of one level's regions sum to at most m, so fewer than 2m/s of them have more
than s/2 vertices. Regions are gathered into buckets of sizes m, m/2, m/4, ... of that
capacity, and a level costs a few m x m problems rather than one for every region.
"""

import jax
import jax.numpy as jnp

from uhseg_jax.derivatives import constant
from uhseg_jax.hierarchy.cuts import NO_PARENT, ROOT
from uhseg_jax.hierarchy.split import SplitOutput, SplitRule
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.types import Array, Bool, Float, Int, Key

__all__ = ["GrowOutput", "grow"]

_SMALLEST_BUCKET = 16  # below this a smaller problem is no faster


@pytree_dataclass
class GrowOutput:
    """A tree over the vertices of a graph.

    Attributes:
      leaves: int32 ``[m]``, leaf node of every vertex; ``NO_PARENT`` for those that
        take no part.
      parents: int32 ``[n]``, n for as many leaves as there can be; padding holds
        ``NO_PARENT``.
      depths: int32 ``[n]``.
      costs: ``[n]``, normalised cut of a node within its parent's graph.
      num_nodes: int32 ``[]``.
      residuals: ``[n]``, residual of the eigenpairs that decided on each node; 0 where
        none was solved.
    """

    leaves: Int[Array, " m"]
    parents: Int[Array, " n"]
    depths: Int[Array, " n"]
    costs: Float[Array, " n"]
    num_nodes: Int[Array, ""]
    residuals: Float[Array, " n"]

    def tree(self, labels: Int[Array, "h w"]) -> RegionTree:
        """The tree over the cells of an image, by the leaf of every cell."""
        return RegionTree(labels, self.parents, self.num_nodes, self.depths, self.costs)


def grow(
    key: Key[Array, ""],
    weights: Float[Array, "m m"],
    members: Bool[Array, " m"],
    rule: SplitRule,
    *,
    max_depth: int | Int[Array, ""],
    max_children: int,
    min_size: int = 1,
) -> GrowOutput:
    """Divides the graph level by level until every region is a leaf.

    Args:
      key: random key; every node gets one of its own.
      weights: ``[m, m]`` affinity.
      members: the vertices that take part; the root holds them all.
      rule: divides one region.
      max_depth: nodes at this depth are leaves.
      max_children: the most children that the rule makes.
      min_size: the fewest vertices of a child that the rule makes, static; regions of
        fewer than twice as many are not shown to it.

    Returns:
      The tree; nodes of a level are numbered in the order of their parents.
    """
    weights = constant("A tree of regions has no derivative", weights)
    m = weights.shape[0]
    n = 2 * max(m // min_size, 1) - 1

    def init_fn() -> GrowOutput:
        return GrowOutput(
            leaves=jnp.where(members, ROOT, NO_PARENT).astype(jnp.int32),
            parents=jnp.full((n,), NO_PARENT, jnp.int32),
            depths=jnp.zeros((n,), jnp.int32),
            costs=jnp.zeros((n,), weights.dtype),
            num_nodes=jnp.asarray(1, jnp.int32),
            residuals=jnp.zeros((n,), weights.dtype),
        )

    def cond_fn(state: tuple[GrowOutput, Int[Array, ""], Int[Array, ""]]) -> Array:
        tree, first, depth = state
        return (first < tree.num_nodes) & (depth < max_depth)

    def body_fn(
        state: tuple[GrowOutput, Int[Array, ""], Int[Array, ""]],
    ) -> tuple[GrowOutput, Int[Array, ""], Int[Array, ""]]:
        # The nodes from `first` on are the level to divide.
        tree, first, depth = state
        level = _split_level(key, weights, tree, first, rule, max_children, min_size)
        return _attach(tree, level, depth + 1), tree.num_nodes, depth + 1

    zero = jnp.asarray(0, jnp.int32)
    tree, _, _ = jax.lax.while_loop(cond_fn, body_fn, (init_fn(), zero, zero))
    return tree


@pytree_dataclass
class _Level:
    """What the rule says of the nodes of one level.

    Attributes:
      child: int32 ``[m]``, child of every vertex within its node, from 0.
      num_children: int32 ``[n]``; 0 for leaves and nodes of other levels.
      costs: ``[n, k]``, cost of every child.
      residuals: ``[n]``; 0 for nodes of other levels.
    """

    child: Int[Array, " m"]
    num_children: Int[Array, " n"]
    costs: Float[Array, "n k"]
    residuals: Float[Array, " n"]


def _split_level(
    key: Key[Array, ""],
    weights: Float[Array, "m m"],
    tree: GrowOutput,
    first: Int[Array, ""],
    rule: SplitRule,
    max_children: int,
    min_size: int,
) -> _Level:
    """Applies the rule to every node from ``first`` on that is large enough."""
    m, n = weights.shape[0], tree.parents.shape[0]
    sizes = jnp.zeros((n,), jnp.int32).at[_slots(tree.leaves, n)].add(1, mode="drop")
    in_level = (jnp.arange(n) >= first) & (sizes >= 2 * min_size)
    level = _Level(
        child=jnp.zeros((m,), jnp.int32),
        num_children=jnp.zeros((n,), jnp.int32),
        costs=jnp.zeros((n, max_children), weights.dtype),
        residuals=jnp.zeros((n,), weights.dtype),
    )
    for size, smaller in _buckets(m, 2 * min_size):
        nodes = jnp.nonzero(
            in_level & (sizes > smaller) & (sizes <= size),
            size=max(m // (smaller + 1), 1),
            fill_value=n,
        )[0].astype(jnp.int32)
        vertices, splits = _split_bucket(
            key, weights, tree.leaves, nodes, n, rule, size
        )
        vertices = jnp.where((nodes < n)[:, None], vertices, m)
        level = _Level(
            child=level.child.at[vertices].set(splits.labels, mode="drop"),
            num_children=level.num_children.at[nodes].set(
                splits.num_children, mode="drop"
            ),
            costs=level.costs.at[nodes].set(splits.costs, mode="drop"),
            residuals=level.residuals.at[nodes].set(splits.residual, mode="drop"),
        )
    return level


def _split_bucket(
    key: Key[Array, ""],
    weights: Float[Array, "m m"],
    leaves: Int[Array, " m"],
    nodes: Int[Array, " b"],
    num_nodes: int,
    rule: SplitRule,
    size: int,
) -> tuple[Int[Array, "b s"], SplitOutput]:
    """The vertices of regions of at most ``size``, and how the rule divides each.

    Entries of ``num_nodes`` and more are no nodes; the rule is not applied to them.
    """
    m = weights.shape[0]

    def split_fn(node: Int[Array, ""]) -> tuple[Int[Array, " s"], SplitOutput]:
        vertices = jnp.nonzero(leaves == node, size=size, fill_value=m)[0]
        mask = vertices < m
        inside = jnp.where(mask, vertices, 0)
        sub = weights[inside[:, None], inside[None, :]]
        return vertices, rule(jax.random.fold_in(key, node), sub, mask)

    def no_split_fn(node: Int[Array, ""]) -> tuple[Int[Array, " s"], SplitOutput]:
        shapes = jax.eval_shape(split_fn, node)
        return jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)

    def bucket_fn(node: Int[Array, ""]) -> tuple[Int[Array, " s"], SplitOutput]:
        return jax.lax.cond(node < num_nodes, split_fn, no_split_fn, node)

    return jax.lax.map(bucket_fn, nodes)


def _attach(tree: GrowOutput, level: _Level, depth: Int[Array, ""]) -> GrowOutput:
    """Numbers the children of a level after the nodes so far and moves the vertices."""
    n, k = level.costs.shape
    ends = jnp.cumsum(level.num_children)
    starts = (tree.num_nodes + ends - level.num_children).astype(jnp.int32)
    rank = jnp.arange(k, dtype=jnp.int32)
    real = rank[None, :] < level.num_children[:, None]
    children = jnp.where(real, starts[:, None] + rank[None, :], n)
    nodes = jnp.broadcast_to(jnp.arange(n, dtype=jnp.int32)[:, None], (n, k))
    safe = jnp.clip(tree.leaves, 0)
    divided = (tree.leaves != NO_PARENT) & (level.num_children[safe] > 0)
    return GrowOutput(
        leaves=jnp.where(divided, starts[safe] + level.child, tree.leaves),
        parents=tree.parents.at[children].set(nodes, mode="drop"),
        depths=tree.depths.at[children].set(depth, mode="drop"),
        costs=tree.costs.at[children].set(level.costs, mode="drop"),
        num_nodes=(tree.num_nodes + ends[-1]).astype(jnp.int32),
        residuals=tree.residuals + level.residuals,
    )


def _buckets(m: int, least: int) -> list[tuple[int, int]]:
    """``(size, next smaller size)`` from m down to regions of ``least`` vertices.

    In a large graph small regions cost next to nothing, so they share a size: every
    size is compiled.
    """
    smallest = max(_SMALLEST_BUCKET, m // 64)
    sizes = [m]
    while sizes[-1] > smallest and (half := -(-sizes[-1] // 2)) >= least:
        sizes.append(half)
    return list(zip(sizes, [*sizes[1:], least - 1], strict=True))


def _slots(leaves: Int[Array, " m"], n: int) -> Int[Array, " m"]:
    """Leaves as indices into node arrays; vertices without a node fall outside."""
    return jnp.where(leaves == NO_PARENT, n, leaves)
