"""Symmetric operators that eigen-solvers take, with and without a matrix."""

from typing import Protocol, runtime_checkable

import jax.numpy as jnp

from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.spectral import laplacian, numerics
from uhseg_jax.spectral.affinity import Affinity
from uhseg_jax.types import Array, Bool, Float

__all__ = ["AdjacencyOperator", "MatrixOperator", "Operator"]


@runtime_checkable
class Operator(Protocol):
    """A symmetric operator whose eigenvalues lie in [-1, 1]."""

    @property
    def size(self) -> int:
        """Rows n of the matrix."""
        ...

    def matmat(self, x: Float[Array, "n k"]) -> Float[Array, "n k"]:
        """The product with the columns of x."""
        ...

    def dense(self) -> "MatrixOperator":
        """The same as a matrix."""
        ...


@pytree_dataclass
class MatrixOperator:
    """An `Operator` held as its matrix.

    Attributes:
      matrix: ``[n, n]``, symmetric; rows and columns outside the mask are 0.
      mask: ``[n]``, the vertices that take part.
    """

    matrix: Float[Array, "n n"]
    mask: Bool[Array, " n"]

    @classmethod
    def of_subgraph(
        cls, weights: Float[Array, "n n"], mask: Bool[Array, " n"]
    ) -> "MatrixOperator":
        """The normalised adjacency of the sub-graph of the vertices in the mask."""
        return cls(laplacian.normalized_adjacency(weights, mask), mask)

    @property
    def size(self) -> int:
        """Rows of the matrix."""
        return self.matrix.shape[0]

    def matmat(self, x: Float[Array, "n k"]) -> Float[Array, "n k"]:
        """The product with the columns of x."""
        return numerics.matmul(self.matrix, x)

    def dense(self) -> "MatrixOperator":
        """Itself."""
        return self


@pytree_dataclass
class AdjacencyOperator:
    """``M = D^-1/2 W D^-1/2`` of an affinity, as an `Operator` without a matrix.

    Attributes:
      affinity: W.
      scale: ``[n, 1]``, ``D^-1/2``.
    """

    affinity: Affinity
    scale: Float[Array, "n 1"]

    @classmethod
    def of(cls, affinity: Affinity) -> "AdjacencyOperator":
        """That of one affinity."""
        return cls(affinity, numerics.inverse_sqrt(affinity.degrees())[:, None])

    @property
    def size(self) -> int:
        """Number of vertices."""
        return self.affinity.num_vertices

    def matmat(self, x: Float[Array, "n k"]) -> Float[Array, "n k"]:
        """The product M x."""
        return self.scale * self.affinity.matmat(self.scale * x)

    def range_basis(self, q: int) -> Float[Array, "n p"] | None:
        """Columns that all but span the q leading eigenvectors; None: none known."""
        basis = self.affinity.range_basis(q)
        return None if basis is None else self.scale * basis

    def dense(self) -> MatrixOperator:
        """The same as a matrix."""
        matrix = self.matmat(jnp.eye(self.size, dtype=self.scale.dtype))
        return MatrixOperator((matrix + matrix.T) / 2, jnp.ones((self.size,), bool))
