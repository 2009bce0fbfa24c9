"""Leading eigenvectors of the normalised adjacency M, the small ones of L = I - M."""

from collections.abc import Callable

import jax.numpy as jnp

from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.spectral import laplacian, numerics
from uhseg_jax.spectral.affinity import Affinity
from uhseg_jax.types import Array, Bool, Float

__all__ = [
    "EigenOutput",
    "leading_eigenvectors",
    "measured",
    "rayleigh_ritz",
    "subgraph_spectrum",
]

# Eigenvalues of M lie in [-1, 1]; directions that are not there sort behind all.
_ABSENT = -2.0


@pytree_dataclass
class EigenOutput:
    """Eigenpairs of M, largest eigenvalue first.

    Attributes:
      values: ``[q]``, eigenvalues of M; those of the Laplacian are ``1 - values``.
      vectors: ``[n, q]``, orthonormal columns.
      residuals: ``[q]``, ``|M x - values x|`` of every pair.
    """

    values: Float[Array, " q"]
    vectors: Float[Array, "n q"]
    residuals: Float[Array, " q"]


def leading_eigenvectors(
    affinity: Affinity, q: int, *, num_refinements: int = 1
) -> EigenOutput:
    """The q largest eigenpairs of ``M = D^-1/2 W D^-1/2``.

    An affinity that is low rank plus diagonal is solved by Rayleigh-Ritz in the
    scaled basis of its range, a problem of the size of the features. What the diagonal
    adds lies outside that space; each refinement enlarges the space of the q Ritz
    vectors by their residuals (a block Krylov step). Other affinities, and those with
    fewer vertices than basis vectors, are solved whole.

    Args:
      affinity: the graph.
      q: number of pairs, at most the number of vertices.
      num_refinements: block steps after the first solve.

    Returns:
      q eigenpairs, or one for every basis vector if those are fewer. If the features
      have a smaller rank, the last ones are zero columns with eigenvalue 0.
    """
    matmat = laplacian.normalized_adjacency_matmat(affinity)
    basis = affinity.range_basis()
    n = affinity.num_vertices
    if basis is None or basis.shape[1] >= n:
        values, vectors = jnp.linalg.eigh(_symmetric(matmat(jnp.eye(n))))
        return measured(matmat, values[::-1][:q], vectors[:, ::-1][:, :q])
    scale = numerics.inverse_sqrt(affinity.degrees())[:, None]
    output = rayleigh_ritz(matmat, scale * basis, q)
    for _ in range(num_refinements):
        products = matmat(output.vectors)
        residual = products - output.vectors * output.values[None, :]
        output = rayleigh_ritz(
            matmat, jnp.concatenate([output.vectors, residual], axis=1), q
        )
    return output


def rayleigh_ritz(
    matmat: Callable[[Float[Array, "n k"]], Float[Array, "n k"]],
    basis: Float[Array, "n p"],
    q: int,
) -> EigenOutput:
    """The q largest Ritz pairs of a symmetric operator in the span of a basis.

    Directions in which the basis is dependent to float accuracy are left out.
    """
    # Columns of equal length make the Gram matrix as well conditioned as scaling can.
    basis = basis * numerics.inverse_sqrt(jnp.sum(basis * basis, axis=0))[None, :]
    lengths, directions = jnp.linalg.eigh(_symmetric(numerics.matmul(basis.T, basis)))
    p = basis.shape[1]
    present = lengths > p * jnp.finfo(basis.dtype).eps * jnp.max(lengths)
    inverse = jnp.where(present, numerics.inverse_sqrt(lengths), 0)
    whitening = directions * inverse[None, :]
    orthonormal = numerics.matmul(basis, whitening)
    projected = _symmetric(numerics.matmul(orthonormal.T, matmat(orthonormal)))
    absent = jnp.diag(jnp.where(present, 0.0, _ABSENT).astype(basis.dtype))
    values, coordinates = jnp.linalg.eigh(projected + absent)
    values, coordinates = values[::-1][:q], coordinates[:, ::-1][:, :q]
    vectors = numerics.matmul(orthonormal, coordinates)
    return measured(matmat, jnp.where(values > -1.5, values, 0), vectors)


def subgraph_spectrum(
    weights: Float[Array, "s s"], mask: Bool[Array, " s"], q: int
) -> EigenOutput:
    """The q largest eigenpairs of M of the sub-graph of the vertices in the mask.

    Solved densely. Pairs beyond the number of vertices in the mask have eigenvalue
    ``-2`` (so ``1 - value = 3``) and vectors outside the sub-graph.
    """
    adjacency = laplacian.normalized_adjacency(weights, mask)
    absent = jnp.diag(jnp.where(mask, 0.0, _ABSENT).astype(weights.dtype))
    values, vectors = jnp.linalg.eigh(adjacency + absent)
    values, vectors = values[::-1][:q], vectors[:, ::-1][:, :q]

    def matmat(x: Float[Array, "s q"]) -> Float[Array, "s q"]:
        return numerics.matmul(adjacency + absent, x)

    return measured(matmat, values, vectors)


def measured(
    matmat: Callable[[Float[Array, "n q"]], Float[Array, "n q"]],
    values: Float[Array, " q"],
    vectors: Float[Array, "n q"],
) -> EigenOutput:
    """Eigenpairs with their residuals, each vector with a sign of its own.

    The sign makes the sum of cubes positive, so that it does not depend on the solver.
    """
    skewness = jnp.sum(vectors**3, axis=0, keepdims=True)
    vectors = jnp.where(skewness < 0, -vectors, vectors)
    residuals = matmat(vectors) - vectors * values[None, :]
    return EigenOutput(values, vectors, jnp.linalg.norm(residuals, axis=0))


def _symmetric(x: Float[Array, "p p"]) -> Float[Array, "p p"]:
    return (x + x.T) / 2
