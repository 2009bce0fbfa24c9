"""Agglomeration of touching regions, cheapest pair first.

Regions start as the vertices of a planar graph, as superpixels are. The dissimilarity
of regions A and B is

    d(A, B) = (|x_A - x_B|^2 + edge_weight E_AB) (N_A N_B / (N_A + N_B))^exponent

with x the area-weighted mean of a region's vectors, N its share of the image, and E the
mean evidence of an edge along the common border, 0 without one. Ward's criterion is
``exponent = 1``, ``edge_weight = 0`` on a complete graph.

No vector enters the loop: of the union of A and B, centroids obey Lance and Williams,

    |x_AB - x_C|^2 = a |x_A - x_C|^2 + b |x_B - x_C|^2 - a b |x_A - x_B|^2,
    a = N_A / (N_A + N_B), b = 1 - a.

Every region keeps a lower bound on its row of d and the region that attains it. A merge
makes some bounds stale, and a stale one is computed anew when it comes up as the
lowest. A step merges one pair or computes one row: O(n), and about 2 n steps.
"""

import jax
import jax.numpy as jnp

from uhseg_jax.derivatives import constant
from uhseg_jax.hierarchy.cuts import NO_PARENT
from uhseg_jax.hierarchy.merge_keys import MergeRule, Row, heights_of, pair_keys
from uhseg_jax.hierarchy.merges import Merges
from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.spectral import numerics
from uhseg_jax.types import Array, Bool, Float, Int, Scalar

__all__ = ["agglomerate", "squared_distances"]

_LINE = 16  # floats in a cache line


def squared_distances(
    vectors: Float[Array, "n d"], areas: Float[Array, " n"]
) -> Float[Array, "n n"]:
    """``|x_i - x_j|^2``, by one product of the centred vectors; padding is 0.

    Distances of several kinds of vectors may be weighted and added: that is the
    distance of the scaled vectors side by side.

    Args:
      vectors: one for each vertex.
      areas: their weights in the mean; 0 for padding.
    """
    members = areas > 0
    total = numerics.matmul(areas, vectors)
    mean = total / jnp.maximum(jnp.sum(areas), jnp.finfo(areas.dtype).tiny)
    # What all vectors share would cancel, and take digits with it.
    centred = jnp.where(members[:, None], vectors - mean[None, :], 0)
    norms = jnp.sum(centred * centred, axis=1)
    products = numerics.matmul(centred, centred.T)
    distances = norms[:, None] + norms[None, :] - products - products.T
    apart = jnp.outer(members, members) & ~jnp.eye(len(members), dtype=bool)
    return jnp.where(apart, jnp.maximum(distances, 0), 0)


def agglomerate(
    distances: Float[Array, "n n"],
    areas: Float[Array, " n"],
    edges: Int[Array, "e 2"],
    lengths: Float[Array, " e"],
    evidence: Float[Array, " e"],
    *,
    edge_weight: float | Scalar = 0.0,
    exponent: float | Scalar = 1.0,
    groups: Int[Array, " n"] | None = None,
    group_levels: Float[Array, "g g"] | None = None,
) -> Merges:
    """Merges regions, the pair of lowest dissimilarity first, until one is left.

    Regions of one group that touch merge first, then those of one group that do not,
    by the same dissimilarity, then groups by their levels. Ties go to the pair with the
    lowest vertices. Images of a batch (`jax.vmap`) are worked on one after the other.

    Memory is that of four matrices ``[n, n]`` beside the distances. Dissimilarities are
    told apart up to 2^24, and from 2^-24 on where regions do not touch.

    Args:
      distances: ``|x_i - x_j|^2`` of the vectors of all vertices, symmetric.
      areas: N, shares of the image; 0 for padding, which never merges.
      edges: pairs of vertices that touch, each at most once.
      lengths: of their borders; 0 for padding.
      evidence: E of an edge along each border.
      edge_weight: of the evidence beside the distance.
      exponent: of the areas; the larger, the sooner small regions merge.
      groups: int32, the group of every vertex, from 0; None: one group.
      group_levels: symmetric and ultrametric, from 2^-24 to 2^24; the two groups with
        the lowest level merge next, inf never. Needed with groups.

    Raises:
      ValueError: groups come without levels, or levels without groups.
    """
    if (groups is None) != (group_levels is None):
        given = "groups" if group_levels is None else "group_levels"
        raise ValueError(
            f"expected groups and group_levels together, but only {given} came; the "
            "levels say in which order the groups merge."
        )
    moving = distances, areas, lengths, evidence, edge_weight, exponent, group_levels
    distances, areas, lengths, evidence, edge_weight, exponent, group_levels = constant(
        "A tree of regions has no derivative", moving
    )
    n, dtype = areas.shape[0], distances.dtype
    if groups is None or group_levels is None:
        groups = jnp.zeros((n,), jnp.int32)
        group_levels = jnp.zeros((1, 1), dtype)
    padding = _slots_for(n) - n
    groups = jnp.pad(groups, (0, padding))
    merges = _agglomerate(
        MergeRule(
            edge_weight=jnp.asarray(edge_weight, dtype),
            exponent=jnp.asarray(exponent, dtype),
            groups=groups,
            levels=group_levels[:, groups],
        ),
        jnp.pad(distances, (0, padding)),
        jnp.pad(areas, (0, padding)),
        edges,
        lengths,
        evidence,
    )
    # Unions are numbered after the vertices without the padding.
    children = merges.children[: n - 1]
    unions = children >= n + padding
    return Merges(
        children=jnp.where(unions, children - padding, children),
        heights=merges.heights[: n - 1],
        stages=merges.stages[: n - 1],
        count=merges.count,
        members=merges.members[:n],
    )


def _slots_for(n: int) -> int:
    """How many slots n vertices are given: an odd number of cache lines.

    The entries of a column are a row apart, and with rows of a power of two they would
    share few places in the cache: writing columns then takes several times as long.
    """
    lines = -(-n // _LINE)
    return (lines | 1) * _LINE


@pytree_dataclass
class _State:
    """Regions so far, each in the slot of its lowest vertex; other slots are empty.

    Attributes:
      distances: ``[n, n]``, squared, of centroids.
      evidence: ``[n, n]``, summed along common borders.
      lengths: ``[n, n]``, of common borders.
      areas: ``[n]``; 0 for empty slots.
      bounds: ``[n]``, lower bound on the keys of a slot's row; inf for empty slots.
      nearest: int32 ``[n]``, the slot that attains it, the lowest of ties.
      stale: ``[n]``, the bound may not be attained.
      regions: int32 ``[n]``, number of the region in a slot.
      children: int32 ``[n, 2]``, of the merges so far; the last stays empty.
      keys: ``[n]``, of the merges so far; the last stays inf.
      count: int32 ``[]``, merges so far.
    """

    distances: Float[Array, "n n"]
    evidence: Float[Array, "n n"]
    lengths: Float[Array, "n n"]
    areas: Float[Array, " n"]
    bounds: Float[Array, " n"]
    nearest: Int[Array, " n"]
    stale: Bool[Array, " n"]
    regions: Int[Array, " n"]
    children: Int[Array, "n 2"]
    keys: Float[Array, " n"]
    count: Int[Array, ""]


# Batched, the loop would select old or new matrices whole at every step.
@jax.custom_batching.sequential_vmap
def _agglomerate(
    rule: MergeRule,
    distances: Float[Array, "n n"],
    areas: Float[Array, " n"],
    edges: Int[Array, "e 2"],
    lengths: Float[Array, " e"],
    evidence: Float[Array, " e"],
) -> Merges:
    n, dtype = areas.shape[0], distances.dtype
    slots = jnp.arange(n, dtype=jnp.int32)

    def init_fn() -> _State:
        both = jnp.concatenate([edges, edges[:, ::-1]])

        def matrix(values: Float[Array, " e"]) -> Float[Array, "n n"]:
            empty = jnp.zeros((n, n), dtype)
            return empty.at[both[:, 0], both[:, 1]].add(jnp.tile(values, 2))

        rows = distances, matrix(lengths * evidence), matrix(lengths)

        def bound_fn(slot: Int[Array, ""]) -> tuple[Scalar, Int[Array, ""]]:
            row = rows[0][slot], rows[1][slot], rows[2][slot]
            return _lowest(pair_keys(rule, areas, slot, row))

        bounds, nearest = jax.lax.map(bound_fn, slots)
        return _State(
            *rows,
            areas=areas,
            bounds=bounds,
            nearest=nearest,
            stale=jnp.zeros((n,), bool),
            regions=slots,
            children=jnp.full((n, 2), NO_PARENT, jnp.int32),
            keys=jnp.full((n,), jnp.inf, dtype),
            count=jnp.asarray(0, jnp.int32),
        )

    def cond_fn(state: _State) -> Bool[Array, ""]:
        return jnp.isfinite(jnp.min(state.bounds))

    def body_fn(state: _State) -> _State:
        """Merges the closest pair, or computes its row anew if that is stale."""
        key, slot = _lowest(state.bounds)
        merges = ~state.stale[slot]
        other = jnp.where(merges, state.nearest[slot], slot)
        kept, emptied = jnp.minimum(slot, other), jnp.maximum(slot, other)
        row = _union(state, kept, emptied, merges)
        areas = jnp.where(
            merges,
            state.areas.at[kept].add(state.areas[emptied]).at[emptied].set(0),
            state.areas,
        )
        keys = pair_keys(rule, areas, kept, row)
        bound, nearest = _lowest(keys)

        # Rows that lost their nearest keep its key as a bound: no other is below it,
        # but the union may be, for centroids can come closer as they merge.
        lost = merges & ((state.nearest == kept) | (state.nearest == emptied))
        tied = (keys == state.bounds) & (kept <= state.nearest)
        closer = merges & ((keys < state.bounds) | tied)
        bounds = jnp.where(closer, keys, state.bounds)
        stale = ~closer & (state.stale | lost)
        index = jnp.where(merges, state.count, n)
        pair = jnp.stack([state.regions[kept], state.regions[emptied]])
        region = jnp.where(merges, n + state.count, state.regions[kept])
        return _State(
            *(
                _with_row(x, y, kept)
                for x, y in zip(_matrices(state), row, strict=True)
            ),
            areas=areas,
            bounds=bounds.at[emptied].set(jnp.inf).at[kept].set(bound),
            nearest=jnp.where(closer, kept, state.nearest).at[kept].set(nearest),
            stale=stale.at[emptied].set(False).at[kept].set(False),
            regions=state.regions.at[kept].set(region),
            children=state.children.at[index].set(pair, mode="drop"),
            keys=state.keys.at[index].set(key, mode="drop"),
            count=state.count + merges.astype(jnp.int32),
        )

    state = jax.lax.while_loop(cond_fn, body_fn, init_fn())
    heights, stages = heights_of(state.keys)
    return Merges(
        children=state.children[:-1],
        heights=heights[:-1],
        stages=stages[:-1],
        count=state.count,
        members=areas > 0,
    )


def _matrices(
    state: _State,
) -> tuple[Float[Array, "n n"], Float[Array, "n n"], Float[Array, "n n"]]:
    return state.distances, state.evidence, state.lengths


def _union(
    state: _State,
    kept: Int[Array, ""],
    emptied: Int[Array, ""],
    merges: Bool[Array, ""],
) -> Row:
    """Distances, evidence and lengths of the union of two slots, or of the first."""
    # A gather: XLA fuses slices of the matrices with the writes that follow, and then
    # copies the matrices.
    pair = jnp.stack([kept, emptied])
    distances, evidence, lengths = (x[pair] for x in _matrices(state))
    a, b = state.areas[kept], state.areas[emptied]
    a, b = a / (a + b), b / (a + b)
    between = distances[0, emptied]
    centroid = a * distances[0] + b * distances[1] - a * b * between
    return (
        jnp.where(merges, jnp.maximum(centroid, 0), distances[0]),
        jnp.where(merges, evidence[0] + evidence[1], evidence[0]),
        jnp.where(merges, lengths[0] + lengths[1], lengths[0]),
    )


def _lowest(x: Float[Array, " n"]) -> tuple[Scalar, Int[Array, ""]]:
    """The lowest entry and where it first is; two passes, as `argmin` has no SIMD."""
    lowest = jnp.min(x)
    return lowest, jnp.argmax(x == lowest).astype(jnp.int32)


def _with_row(
    matrix: Float[Array, "n n"], row: Float[Array, " n"], slot: Int[Array, ""]
) -> Float[Array, "n n"]:
    """A symmetric matrix with another row and column."""
    matrix = jax.lax.dynamic_update_index_in_dim(matrix, row, slot, 0)
    return jax.lax.dynamic_update_index_in_dim(matrix, row, slot, 1)
