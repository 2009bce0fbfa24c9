"""Rules that divide one region of a graph, or leave it a leaf.

The rules of Rossetti & Pirri are here, two-way cuts in `two_way`. A region comes as a
padded sub-matrix and a mask of its vertices, so that all rules jit and regions of many
sizes share a few shapes.
"""

from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp

from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.spectral import eigen, kmeans, laplacian, ncut, numerics
from uhseg_jax.spectral.operators import MatrixOperator
from uhseg_jax.types import Array, Bool, Float, Int, Key, Scalar

__all__ = [
    "SplitOutput",
    "SplitRule",
    "by_eigengap_and_ncut",
    "by_stable_eigengap",
    "finish",
]


@pytree_dataclass
class SplitOutput:
    """How one region divides.

    Attributes:
      labels: int32 ``[s]``, child of every vertex, from 0; 0 outside the region.
      num_children: int32 ``[]``, at least 2, or 0: the region is a leaf.
      costs: ``[k]``, normalised cut of every child within the region; 0 beyond the
        last child.
      residual: ``[]``, largest residual of the eigenpairs that decided.
    """

    labels: Int[Array, " s"]
    num_children: Int[Array, ""]
    costs: Float[Array, " k"]
    residual: Scalar


@runtime_checkable
class SplitRule(Protocol):
    """A rule with its parameters bound."""

    def __call__(
        self, key: Key[Array, ""], weights: Float[Array, "s s"], mask: Bool[Array, " s"]
    ) -> SplitOutput:
        """Divides the region of the vertices in the mask."""
        ...


def by_eigengap_and_ncut(
    key: Key[Array, ""],
    weights: Float[Array, "s s"],
    mask: Bool[Array, " s"],
    *,
    max_children: int = 9,
    max_ncut: float | Scalar = 0.8,
    max_perturbation: float | Scalar = 50.0,
    num_restarts: int = 10,
) -> SplitOutput:
    """The release's rule: children by the largest eigengap, checked by their NCut.

    The number k of children is that of the eigenvalues before the largest gap, the
    first gap left out. Two groups come from the best threshold of the second
    eigenvector, more from k-means on the normalised rows of the first k. More than
    two must be stable: ``|H|_F / gap`` within ``max_perturbation``. While the mean
    NCut reaches ``max_ncut``, k is lowered by one on the same embedding; a region for
    which not even two groups pass is a leaf, and so is one of three vertices or fewer.

    Source: deepplants/deep-recursive-spectral-clustering (behaviour only), the release
    of Rossetti & Pirri, NeurIPS 2024. Eigenvectors of L are not mapped by D^-1/2.

    Args:
      key: random key of the k-means seeds.
      weights: ``[s, s]`` affinity of the padded region.
      mask: its vertices.
      max_children: largest number of children.
      max_ncut: bound on the mean normalised cut of the groups, in (0, 1].
      max_perturbation: bound on the perturbation, in eigengaps.
      num_restarts: k-means seedings.
    """
    spectrum = _spectrum(weights, mask, max_children + 1)
    gaps, allowed = _eigengaps(spectrum, mask)
    first_k = jnp.argmax(jnp.where(allowed, gaps, -jnp.inf)).astype(jnp.int32)
    can_split = jnp.any(allowed)

    columns = jnp.arange(spectrum.vectors.shape[1]) < first_k
    embedding = numerics.normalize_rows(
        jnp.where(columns[None, :], spectrum.vectors, 0), mask
    )
    # The release normalises the rows in place, and only when it clusters them.
    second = jnp.where(first_k > 2, embedding[:, 1], spectrum.vectors[:, 1])

    def partition_fn(k: Int[Array, ""]) -> Int[Array, " s"]:
        return jax.lax.cond(
            k > 2,
            lambda: _cluster(key, embedding, mask, k, max_children, num_restarts),
            lambda: ncut.best_threshold(
                weights, second, mask, _sparse_thresholds(second, mask)
            ),
        )

    def too_costly(k: Int[Array, ""], labels: Int[Array, " s"]) -> Bool[Array, ""]:
        costs = ncut.ncut_costs(weights, labels, mask, max_children)
        return ncut.mean_ncut(costs, k) >= max_ncut

    def cond_fn(state: tuple[Int[Array, ""], Int[Array, " s"]]) -> Bool[Array, ""]:
        k, labels = state
        return (k > 2) & too_costly(k, labels)

    def body_fn(
        state: tuple[Int[Array, ""], Int[Array, " s"]],
    ) -> tuple[Int[Array, ""], Int[Array, " s"]]:
        k, _ = state
        return k - 1, partition_fn(k - 1)

    start = first_k, partition_fn(first_k)
    _, frobenius = laplacian.perturbation_norms(weights, start[1], mask)
    stable = (first_k <= 2) | (frobenius <= max_perturbation * gaps[first_k])
    k, labels = jax.lax.while_loop(cond_fn, body_fn, start)
    accepted = can_split & stable & ~too_costly(k, labels)
    return finish(weights, labels, mask, max_children, accepted, spectrum)


def by_stable_eigengap(
    key: Key[Array, ""],
    weights: Float[Array, "s s"],
    mask: Bool[Array, " s"],
    *,
    max_children: int = 9,
    max_eigenvalue: float | Scalar = 0.8,
    max_perturbation: float | Scalar = 20.0,
    num_restarts: int = 10,
) -> SplitOutput:
    """The paper's rule: the largest eigengap below a smoothness bound, if stable.

    The region's weights are min-max scaled off the diagonal. k is the i in
    2..max_children of largest ``l_i - l_(i-1)`` among those with
    ``l_(i-1) < max_eigenvalue``; the groups come from k-means on the normalised rows
    of y_1..y_(k-1). The region is a leaf if there is no such i, or if
    ``2 min(sqrt(k) |H|_op, |H|_F) / (l_k - l_(k-1)) > k max_perturbation``.

    Source: Rossetti & Pirri, NeurIPS 2024, section 4.

    Args:
      key: random key of the k-means seeds.
      weights: ``[s, s]`` affinity of the padded region.
      mask: its vertices.
      max_children: largest number of children.
      max_eigenvalue: the paper's lambda_max, bound on the Laplacian's eigenvalue.
      max_perturbation: the paper's p_max.
      num_restarts: k-means seedings.
    """
    scaled = _min_max_scaled(weights, mask)
    spectrum = _spectrum(scaled, mask, max_children + 1)
    gaps, allowed = _eigengaps(spectrum, mask)
    previous = jnp.roll(1 - spectrum.values, 1)
    allowed = allowed & (previous < max_eigenvalue)
    k = jnp.argmax(jnp.where(allowed, gaps, -jnp.inf)).astype(jnp.int32)

    columns = jnp.arange(spectrum.vectors.shape[1])
    columns = (columns >= 1) & (columns < k)
    embedding = numerics.normalize_rows(
        jnp.where(columns[None, :], spectrum.vectors, 0), mask
    )
    labels = _cluster(key, embedding, mask, k, max_children, num_restarts)
    operator, frobenius = laplacian.perturbation_norms(scaled, labels, mask)
    groups = k.astype(weights.dtype)
    perturbation = 2 * jnp.minimum(jnp.sqrt(groups) * operator, frobenius)
    stable = perturbation <= groups * max_perturbation * gaps[k]
    accepted = jnp.any(allowed) & stable
    return finish(weights, labels, mask, max_children, accepted, spectrum)


def _spectrum(
    weights: Float[Array, "s s"], mask: Bool[Array, " s"], q: int
) -> eigen.EigenOutput:
    """The q leading eigenpairs of the region, or as many as there can be."""
    adjacency = MatrixOperator.of_subgraph(weights, mask)
    return eigen.solve_dense(adjacency, min(q, adjacency.size))


def _eigengaps(
    spectrum: eigen.EigenOutput, mask: Bool[Array, " s"]
) -> tuple[Float[Array, " q"], Bool[Array, " q"]]:
    """Gaps ``l_i - l_(i-1)`` of the Laplacian, and the i that may count groups.

    That is i >= 2 with both eigenvalues among the first n - 1, for n vertices.
    """
    eigenvalues = 1 - spectrum.values
    gaps = eigenvalues - jnp.roll(eigenvalues, 1)
    index = jnp.arange(eigenvalues.shape[0])
    return gaps, (index >= 2) & (index < jnp.sum(mask) - 1)


def _cluster(
    key: Key[Array, ""],
    embedding: Float[Array, "s q"],
    mask: Bool[Array, " s"],
    k: Int[Array, ""],
    max_children: int,
    num_restarts: int,
) -> Int[Array, " s"]:
    return kmeans.k_means(
        jax.random.fold_in(key, k),
        embedding,
        max_children,
        num_clusters=k,
        mask=mask,
        num_restarts=num_restarts,
    ).assignment


def _sparse_thresholds(
    vector: Float[Array, " s"], mask: Bool[Array, " s"]
) -> Float[Array, " 12"]:
    """The release's twelve: ten evenly spaced in [min, max), zero, and the mean."""
    low = jnp.min(jnp.where(mask, vector, jnp.inf))
    high = jnp.max(jnp.where(mask, vector, -jnp.inf))
    mean = jnp.sum(jnp.where(mask, vector, 0)) / jnp.maximum(jnp.sum(mask), 1).astype(
        vector.dtype
    )
    evenly = low + (high - low) * jnp.arange(10, dtype=vector.dtype) / 10
    return jnp.concatenate([evenly, jnp.stack([jnp.zeros_like(mean), mean])])


def _min_max_scaled(
    weights: Float[Array, "s s"], mask: Bool[Array, " s"]
) -> Float[Array, "s s"]:
    """Off-diagonal weights of the region stretched to [0, 1]; zero diagonal."""
    pairs = jnp.outer(mask, mask) & ~jnp.eye(mask.shape[0], dtype=bool)
    low = jnp.min(jnp.where(pairs, weights, jnp.inf))
    high = jnp.max(jnp.where(pairs, weights, -jnp.inf))
    spread = jnp.broadcast_to(high - low, weights.shape)
    return jnp.where(pairs, numerics.ratio(weights - low, spread, empty=1.0), 0)


def finish(
    weights: Float[Array, "s s"],
    labels: Int[Array, " s"],
    mask: Bool[Array, " s"],
    max_children: int,
    accepted: Bool[Array, ""],
    spectrum: eigen.EigenOutput,
) -> SplitOutput:
    """Numbers the groups that are not empty from 0, and rejects a split into one.

    What every rule ends with.
    """
    members = (
        jnp.zeros((max_children,), jnp.int32).at[labels].add(mask.astype(jnp.int32))
    )
    present = members > 0
    number = jnp.cumsum(present).astype(jnp.int32) - 1
    labels = jnp.where(mask, number[labels], 0)
    count = jnp.sum(present).astype(jnp.int32)
    accepted = accepted & (count >= 2)
    costs = ncut.ncut_costs(weights, labels, mask, max_children)
    return SplitOutput(
        labels=jnp.where(accepted, labels, 0),
        num_children=jnp.where(accepted, count, 0),
        costs=jnp.where(accepted, costs, 0),
        residual=jnp.max(
            jnp.where(eigen.is_present(spectrum.values), spectrum.residuals, 0)
        ),
    )
