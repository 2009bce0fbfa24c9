"""From patches to superpixels: over-clustering, and the graph between the clusters."""

import dataclasses

import jax
import jax.numpy as jnp

from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.spectral import eigen, kmeans, numerics
from uhseg_jax.spectral.affinity import Affinity
from uhseg_jax.types import Array, Float, Int, Key

__all__ = ["CoarseGraph", "over_cluster", "raise_contrast"]


@pytree_dataclass
class CoarseGraph:
    """A graph of m superpixels (clusters of vertices, not connected in the image).

    Attributes:
      weights: ``[m, m]``, summed affinity between superpixels, zero diagonal.
      sizes: ``[m]``, vertices of every superpixel; 0 for one that is empty.
      assignment: int32 ``[n]``, superpixel of every vertex.
      spectrum: the eigenpairs of the fine graph that were clustered.
    """

    weights: Float[Array, "m m"]
    sizes: Float[Array, " m"]
    assignment: Int[Array, " n"]
    spectrum: eigen.EigenOutput


def over_cluster(
    key: Key[Array, ""],
    affinity: Affinity,
    m: int,
    *,
    num_vectors: int,
    num_restarts: int,
    max_iterations: int,
) -> CoarseGraph:
    """Spectral clustering into many groups, and the condensed graph between them.

    The rows of the leading eigenvectors of M are normalised and clustered (Ng, Jordan
    and Weiss); Rossetti & Pirri, section 4, take as many vectors as clusters.

    Args:
      key: random key of the k-means seeds.
      affinity: graph of n vertices.
      m: number of superpixels, at most n.
      num_vectors: leading eigenvectors, at most n.
      num_restarts: k-means seedings.
      max_iterations: Lloyd steps of each.
    """
    spectrum = eigen.leading_eigenvectors(affinity, num_vectors)
    embedding = numerics.normalize_rows(spectrum.vectors)
    assignment = kmeans.k_means(
        key, embedding, m, num_restarts=num_restarts, max_iterations=max_iterations
    ).assignment
    weights = affinity.condense(assignment, m)
    sizes = jnp.sum(jax.nn.one_hot(assignment, m, dtype=weights.dtype), axis=0)
    return CoarseGraph(weights, sizes, assignment, spectrum)


def raise_contrast(graph: CoarseGraph, exponent: float) -> CoarseGraph:
    """Raises the mean weight between superpixels to a power.

    ``w_ij -> n_i n_j (w_ij / (n_i n_j)) ** exponent``, up to one factor for the whole
    graph, which no normalised cut sees. A region is then held together by its similar
    pairs; without it the many pairs of middling weight outweigh them. Exponent 1 is the
    graph as it is. Similarly DiffCut raises min-max scaled cosines to the power 10.
    """
    if exponent == 1:
        return graph  # not even rounded
    pairs = jnp.outer(graph.sizes, graph.sizes)
    mean = numerics.ratio(graph.weights, pairs, empty=0.0)
    # Relative to the largest: powers of small weights would leave float32's range.
    largest = jnp.max(mean)
    scaled = numerics.ratio(mean, jnp.broadcast_to(largest, mean.shape), empty=0.0)
    return dataclasses.replace(graph, weights=pairs * scaled**exponent * largest)
