"""Region merging: superpixels, few normalised cuts above, agglomeration below; ours.

An image is divided into superpixels that lie on its edges, and the patch features of a
backbone are averaged over each. From there on everything happens on one small graph:

1. *Superpixels* p with their share N_p of the image, their feature f_p (the bilinear
   mean of the patches' features, of unit length) and their mean colour c_p, CIE Lab /
   100; between touching ones the mean contrast E_pq of their border (`superpixels`).
2. *Dissimilarity* of two regions A and B, x of a union being the area-weighted mean:

       d(A, B) = (|f_A - f_B|^2 + color_weight |c_A - c_B|^2 + edge_weight E_AB)
                 (N_A N_B / (N_A + N_B))^area_exponent.

3. *Objects*, top down. Touching regions merge, the lowest d first, until
   ``num_condensed`` are left. Between these, touching or not, weights are
   N_p N_q c_pq^contrast summed over their superpixels, c the cosine similarity
   stretched to [0, 1]; two-way normalised cuts divide that graph as long as their mean
   cost is below ``max_ncut`` (Shi and Malik, PAMI 2000).
4. *Parts*, bottom up. Inside each region of step 3 the superpixels merge by d, touching
   ones first, then pieces that lie apart.
5. *One tree* of all these merges. A cut of step 3 has its mean normalised cut as cost,
   a merge of step 4 has exp(-h / height_scale), where its height h is the largest d so
   far, and ``apart_height`` more for pieces that lie apart. The costs order all splits;
   the ``max_regions`` - 1 of lowest cost, each after those above it, are the tree.

So cuts of few regions show objects, wherever their pieces lie; their borders are those
of superpixels at any number of regions, without a refiner; and no program depends on
the size of the image.
"""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np

from uhseg_jax.backbones import PatchRequest
from uhseg_jax.hierarchy import cuts, grow, merges, pruning, two_way
from uhseg_jax.hierarchy.agglomerate import agglomerate, squared_distances
from uhseg_jax.hierarchy.condense import condense
from uhseg_jax.hierarchy.merge_tree import MergeTree, level_costs, levels_of, tree_of
from uhseg_jax.hierarchy.scattered import join_scattered
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.methods.checks import check_lengths
from uhseg_jax.methods.method import ImageMethod
from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.spectral import numerics
from uhseg_jax.superpixels import (
    RegionGraph,
    SuperpixelConfig,
    SuperpixelGraph,
    Superpixels,
    graph_of_patches,
    superpixels_of,
)
from uhseg_jax.types import Array, Bool, Float, Int, Pixels
from uhseg_jax.validators import (
    NON_NEGATIVE,
    POSITIVE,
    SHARE,
    Validated,
    Validator,
    integer,
)

__all__ = [
    "METHOD",
    "Config",
    "Output",
    "condense_graph",
    "default",
    "prepare",
    "segment",
    "segment_graph",
]

# Regions whose dissimilarity is no larger are alike but for rounding: no split.
_ALIKE = 1e-5
_MAX_DEPTH = 64  # of the cuts; a guard only
_MOST_CONDENSED = 2048  # vertices of a large graph that are left
_MOST_VERTICES = 4096  # of features without an image: memory is that of their square


def _superpixel_config(value: Any) -> SuperpixelConfig:
    if isinstance(value, SuperpixelConfig):
        return value
    return SuperpixelConfig(**value)


@dataclasses.dataclass(frozen=True)
class Config(Validated):
    """Every parameter of the method; those of `default` were chosen on training sets.

    Attributes:
      request: the features of patches.
      superpixels: how the image is divided.
      color_weight: of squared distances in CIE Lab / 100 beside those of features.
      edge_weight: of the contrast of a border beside them.
      area_exponent: the larger, the sooner small regions merge.
      num_condensed: regions between which normalised cuts are sought.
      contrast: exponent of the stretched cosine similarities there.
      max_ncut: a cut whose mean cost reaches this is not made; 0 for none at all.
      apart_height: by which the heights of pieces that lie apart are raised.
      height_scale: of the costs of merges beside those of cuts; the larger, the later
        objects divide into parts.
      max_regions: leaves of the tree at most.

    Raises:
      ValueError: a field is out of its range; the message names it.
    """

    request: PatchRequest = PatchRequest(grid=37, blocks=(-6, -4, -2, -1))
    superpixels: Annotated[
        SuperpixelConfig,
        Validator("a SuperpixelConfig or its fields", _superpixel_config),
    ] = SuperpixelConfig(contrast_scales=(1.5, 2.0, 3.0))
    color_weight: Annotated[float, NON_NEGATIVE] = 1.0
    edge_weight: Annotated[float, NON_NEGATIVE] = 0.2
    area_exponent: Annotated[float, NON_NEGATIVE] = 0.1
    num_condensed: Annotated[int, integer(1)] = 200
    contrast: Annotated[float, POSITIVE] = 10.0
    max_ncut: Annotated[float, SHARE] = 0.28
    apart_height: Annotated[float, NON_NEGATIVE] = 0.5
    height_scale: Annotated[float, POSITIVE] = 0.75
    max_regions: Annotated[int, integer(1)] = 128


def default() -> Config:
    """The parameters chosen on 160 images of VOC train and 200 of BSDS500 train."""
    return Config()


@pytree_dataclass
class Output:
    """A tree of superpixels.

    Attributes:
      tree: the regions on the patch grid, where every patch has the leaf of the
        superpixel at its centre; a leaf may hold no centre.
      leaves: int32 ``[n]``, leaf of every superpixel; the root for padding.
      stages: int32 ``[t]``, of the split that made each node of the tree: the merge of
        regions that touch (`merges.TOUCHING`) or lie apart (`merges.APART`), undone, or
        a normalised cut (`merges.GROUPS`); 0 for the root and padding.
    """

    tree: RegionTree
    leaves: Int[Array, " n"]
    stages: Int[Array, " t"]


def prepare(image: Pixels, grid: tuple[int, int], config: Config) -> Superpixels:
    """The superpixels of an image; see `superpixels.superpixels_of`."""
    return superpixels_of(image, grid, config.superpixels)


def segment(
    features: Float[Array, "h w d"],
    config: Config,
    graph: SuperpixelGraph | None = None,
) -> Output:
    """The tree of regions of one image.

    Pure, for finite features without zero rows; jits with ``config`` static.

    Args:
      features: of the patches, of any length.
      config: the parameters; ``superpixels`` is not used.
      graph: the superpixels of the image, of `prepare`; the features are then those of
        ``config.request``, several blocks side by side. None: every patch is a
        superpixel, of no colour, or blocks of patches are where they are over 4,096.
    """
    h, w, d = features.shape
    flat = features.reshape(h * w, d)
    if graph is None:
        graph = graph_of_patches((h, w), _MOST_VERTICES)
        rows = numerics.normalize_rows(flat)
        pooled = jax.ops.segment_sum(rows, graph.patches.ravel(), len(graph.areas))
        vectors = numerics.normalize_rows(pooled)
    else:
        pooled = numerics.matmul(jnp.asarray(graph.weights), flat)
        vectors = numerics.normalize_blocks(pooled, len(config.request.blocks))
    return segment_graph(vectors, graph, config)


def segment_graph(
    vectors: Float[Array, "n d"], graph: SuperpixelGraph, config: Config
) -> Output:
    """The tree of regions of any superpixels, wherever they lie.

    Args:
      vectors: of the superpixels, of unit length or means of such.
      graph: their areas, colours and borders, which need not be planar; its
        ``weights`` are not used.
      config: the parameters; ``request`` and ``superpixels`` are not used.
    """
    merge = _merging(vectors, graph, config)
    groups, cut_nodes = _objects(vectors, jnp.asarray(graph.areas), merge(), config)
    merged = merge(groups=groups, group_levels=levels_of(cut_nodes))
    costs = _costs(merged, cut_nodes, config)
    tree = _tree(merged, costs, config.max_regions)
    labels = tree.leaves[jnp.asarray(graph.patches)]
    return Output(tree.tree(labels), tree.leaves, tree.stages)


def condense_graph(graph: RegionGraph, config: Config) -> Int[np.ndarray, " n"]:
    """Regions of the superpixels of a large graph, by step 3's merging alone.

    They are the vertices that `segment_graph` works on, 2,048 at most; a smaller graph
    stays as it is. Of one in more pieces than that, the smallest pieces join the most
    similar of the others.

    Args:
      graph: of any number of superpixels.
      config: the parameters; ``max_regions`` more than that are kept.

    Returns:
      int32, the region of every superpixel, from 0.
    """
    most = max(_MOST_CONDENSED, config.max_regions)
    if len(graph) <= most:
        return np.arange(len(graph), dtype=np.int32)
    colors = np.float32(math.sqrt(config.color_weight)) * graph.colors
    vectors = np.concatenate([graph.vectors, colors], axis=1)
    regions = condense(
        vectors,
        graph.areas,
        graph.edges,
        graph.lengths,
        graph.evidence,
        num_regions=most,
        edge_weight=config.edge_weight,
        exponent=config.area_exponent,
    )
    return join_scattered(regions, vectors, graph.areas, num_regions=most)


def _merging(
    vectors: Float[Array, "n d"], graph: SuperpixelGraph, config: Config
) -> Callable[..., merges.Merges]:
    """Agglomeration by d, in groups or without any; see `agglomerate`."""
    areas = jnp.asarray(graph.areas)
    colors = squared_distances(jnp.asarray(graph.colors), areas)
    return functools.partial(
        agglomerate,
        squared_distances(vectors, areas) + config.color_weight * colors,
        areas,
        jnp.asarray(graph.edges),
        jnp.asarray(graph.lengths),
        jnp.asarray(graph.evidence),
        edge_weight=config.edge_weight,
        exponent=config.area_exponent,
    )


def _objects(
    vectors: Float[Array, "n d"],
    areas: Float[Array, " n"],
    merged: merges.Merges,
    config: Config,
) -> tuple[Int[Array, " n"], cuts.Nodes]:
    """Divides the whole by two-way normalised cuts between regions.

    Args:
      vectors: of the superpixels.
      areas: their shares of the image; 0 for padding.
      merged: merges without groups, the last of which are undone for the regions.
      config: the parameters.

    Returns:
      The leaf that every superpixel belongs to, 0 for padding, and the cuts' nodes.
    """
    num_regions = min(config.num_condensed, areas.shape[0])
    regions, count = merges.flat_regions(merged, num_regions)
    weights, are_alike = _condensed_weights(
        vectors, areas, regions, num_regions, config
    )
    found = grow.grow(
        jax.random.key(0),  # of Lanczos' method, where regions are many
        weights,
        jnp.arange(num_regions) < count,
        functools.partial(
            two_way.by_two_way_ncut,
            max_ncut=jnp.where(are_alike, 0.0, config.max_ncut),
        ),
        max_depth=_MAX_DEPTH,
        max_children=2,
    )
    groups = jnp.where(merged.members, found.leaves[regions], 0)
    nodes = cuts.Nodes(found.parents, found.depths, found.costs, found.num_nodes)
    return groups, nodes


def _condensed_weights(
    vectors: Float[Array, "n d"],
    areas: Float[Array, " n"],
    regions: Int[Array, " n"],
    num_regions: int,
    config: Config,
) -> tuple[Float[Array, "m m"], Bool[Array, ""]]:
    """Weights between regions, summed over their superpixels; zero diagonal.

    And whether all superpixels are alike but for rounding, which the stretch would
    make much of.
    """
    members = areas > 0
    both = jnp.outer(members, members)
    cosines = numerics.matmul(vectors, vectors.T)
    lowest = jnp.min(jnp.where(both, cosines, jnp.inf))
    highest = jnp.max(jnp.where(both, cosines, -jnp.inf))
    spread = jnp.maximum(highest - lowest, jnp.finfo(cosines.dtype).eps)
    stretched = jnp.where(both, jnp.clip((cosines - lowest) / spread, 0, 1), 0)
    fine = jnp.outer(areas, areas) * stretched**config.contrast
    membership = jax.nn.one_hot(regions, num_regions, dtype=areas.dtype)
    condensed = numerics.matmul(membership.T, numerics.matmul(fine, membership))
    condensed = (condensed + condensed.T) / 2
    condensed *= 1 - jnp.eye(num_regions, dtype=areas.dtype)
    return condensed, 2 * spread <= _ALIKE  # |f_p - f_q|^2 is twice 1 - c_pq


def _costs(
    merged: merges.Merges, nodes: cuts.Nodes, config: Config
) -> Float[Array, " t"]:
    """Cost of the split that undoes each merge; inf where nothing is to be divided."""
    raised = jnp.where(merged.stages == merges.APART, config.apart_height, 0.0)
    heights = merged.heights + raised.astype(merged.heights.dtype)
    cost = jnp.exp(-heights / config.height_scale)
    cost = jnp.where(heights > _ALIKE, cost, jnp.inf)
    of_cuts = level_costs(nodes, merged.heights)
    return jnp.where(merged.stages == merges.GROUPS, of_cuts, cost)


def _tree(
    merged: merges.Merges, costs: Float[Array, " t"], max_regions: int
) -> MergeTree:
    """Undoes merges, the lowest cost first, each after those above it.

    Padding has the root as its leaf.
    """
    most = min(max_regions, merged.members.shape[0])
    whole = tree_of(merged, costs, max_regions=merged.members.shape[0])
    nodes, numbers = pruning.prune(
        cuts.Nodes(whole.parents, whole.depths, whole.costs, whole.num_nodes),
        most,
        kind="num_regions",
    )
    # Stages never rise downwards: a node has the highest of those that it stands for.
    stages = jnp.zeros_like(whole.stages).at[numbers].max(whole.stages)
    return MergeTree(
        leaves=jnp.where(merged.members, numbers[whole.leaves], cuts.ROOT),
        parents=nodes.parents[: 2 * most - 1],
        depths=nodes.depths[: 2 * most - 1],
        costs=nodes.costs[: 2 * most - 1],
        stages=stages.at[cuts.ROOT].set(0)[: 2 * most - 1],
        num_nodes=nodes.num_nodes,
    )


METHOD = ImageMethod(
    name="region_merging",
    summary="superpixels, few normalised cuts above, agglomeration below (ours)",
    config=Config,
    presets={"default": default},
    segment_fn=segment,
    check_fn=check_lengths,
    refiner="none",
    prepare_fn=prepare,
    graph_fn=segment_graph,
    condense_fn=condense_graph,
    finer="a larger max_ncut (the image divides into more objects before these divide "
    "into parts), max_regions (more parts) or superpixels.count (finer borders).",
)
"""The method as it is registered."""
