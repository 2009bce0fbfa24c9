"""Affinities between vertices as linear operators.

An affinity is a symmetric matrix W; its diagonal is zero, but for the graphs of random
walks (`walk`), in which staying counts. Everything else in this room asks of it only
products, degrees, its condensed graph and a basis that (all but) spans its range, so
features of a hundred thousand patches never meet as an n x n matrix, while attention
maps, which are matrices, take the same road.
"""

from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp

from uhseg_jax.pytrees import pytree_dataclass
from uhseg_jax.spectral import numerics
from uhseg_jax.spectral.principal import max_cosine_distance, principal_coordinates
from uhseg_jax.types import Array, Bool, Float, Int, Scalar

__all__ = ["Affinity", "CosineAffinity", "DenseAffinity"]

_SAME = 16  # machine epsilons within which weights and distances are called equal


@runtime_checkable
class Affinity(Protocol):
    """What the spectral room asks of an affinity of n vertices."""

    @property
    def num_vertices(self) -> int:
        """Number of vertices n."""
        ...

    @property
    def is_constant(self) -> Bool[Array, ""]:
        """Whether every pair is equally alike, so that nothing separates."""
        ...

    def matmat(self, x: Float[Array, "n k"]) -> Float[Array, "n k"]:
        """The product W x."""
        ...

    def degrees(self) -> Float[Array, " n"]:
        """Row sums W 1."""
        ...

    def condense(self, assignment: Int[Array, " n"], m: int) -> Float[Array, "m m"]:
        """Summed weights between the m groups of vertices, with zero diagonal."""
        ...

    def range_basis(self, q: int) -> Float[Array, "n p"] | None:
        """Columns that all but span the q leading eigenvectors of W; None: none known.

        ``W`` may stand between diagonal matrices, and its own diagonal does not count.
        """
        ...


@pytree_dataclass
class DenseAffinity:
    """An affinity held as its matrix, for attention maps and as the reference.

    Attributes:
      weights: ``[n, n]``, symmetric; zero diagonal, unless of a walk.
    """

    weights: Float[Array, "n n"]

    @property
    def num_vertices(self) -> int:
        """Number of vertices n."""
        return self.weights.shape[0]

    @property
    def is_constant(self) -> Bool[Array, ""]:
        """Whether every pair is equally alike to float accuracy."""
        pairs = ~jnp.eye(self.num_vertices, dtype=bool)
        largest = jnp.max(self.weights, where=pairs, initial=0)
        smallest = jnp.min(self.weights, where=pairs, initial=jnp.inf)
        return largest - smallest <= _SAME * jnp.finfo(self.weights.dtype).eps * largest

    def matmat(self, x: Float[Array, "n k"]) -> Float[Array, "n k"]:
        """The product W x."""
        return numerics.matmul(self.weights, x)

    def degrees(self) -> Float[Array, " n"]:
        """Row sums W 1."""
        return jnp.sum(self.weights, axis=1)

    def condense(self, assignment: Int[Array, " n"], m: int) -> Float[Array, "m m"]:
        """Summed weights between the m groups of vertices, with zero diagonal."""
        groups = jax.nn.one_hot(assignment, m, dtype=self.weights.dtype)
        condensed = numerics.matmul(groups.T, self.matmat(groups))
        return _without_diagonal((condensed + condensed.T) / 2)

    def range_basis(self, q: int) -> None:
        """Nothing is known of a matrix."""
        del q


@pytree_dataclass
class CosineAffinity:
    """Min-max scaled cosine similarity of features, without its n x n matrix.

    ``w_ij = 1 - dist_ij / r`` with ``dist = 1 - cos`` and r the largest distance, the
    smallest being 0 on the diagonal (Rossetti & Pirri, section 4). With unit feature
    rows F that is ``W = (1 - 1/r) 1 1' + F F' / r - I``: low rank plus diagonal, so
    every method costs O(n d). Features that are all alike (r = 0) get ``w_ij = 1``.

    Attributes:
      features: ``[n, d]``, unit rows.
      principal: ``[n, p]``, their components in the p directions of most of them.
      max_distance: ``[]``, the largest cosine distance r.
    """

    features: Float[Array, "n d"]
    principal: Float[Array, "n p"]
    max_distance: Scalar

    @classmethod
    def from_features(cls, features: Float[Array, "n d"]) -> "CosineAffinity":
        """The affinity of features of any length; zero rows have no cosine.

        The caller refuses zero and non-finite rows; here a zero row is orthogonal to
        every other.
        """
        unit = numerics.normalize_rows(features)
        # They are only a start for solvers and for the search of the distance.
        principal = principal_coordinates(jax.lax.stop_gradient(unit))
        return cls(unit, principal, max_cosine_distance(unit, principal))

    @property
    def num_vertices(self) -> int:
        """Number of vertices n."""
        return self.features.shape[0]

    @property
    def is_constant(self) -> Bool[Array, ""]:
        """Whether all features are alike to float accuracy."""
        return self.max_distance <= _SAME * jnp.finfo(self.features.dtype).eps

    def _coefficients(self) -> tuple[Scalar, Scalar]:
        """The factors of 1 1' and of F F'."""
        inverse = jnp.where(
            self.is_constant, 0, 1 / jnp.where(self.is_constant, 1, self.max_distance)
        )
        return 1 - inverse, inverse

    def matmat(self, x: Float[Array, "n k"]) -> Float[Array, "n k"]:
        """The product W x."""
        ones, gram = self._coefficients()
        projected = numerics.matmul(self.features, numerics.matmul(self.features.T, x))
        return ones * jnp.sum(x, axis=0, keepdims=True) + gram * projected - x

    def degrees(self) -> Float[Array, " n"]:
        """Row sums W 1, not below 0."""
        ones = jnp.ones((self.num_vertices, 1), self.features.dtype)
        return jnp.maximum(self.matmat(ones)[:, 0], 0)

    def condense(self, assignment: Int[Array, " n"], m: int) -> Float[Array, "m m"]:
        """Summed weights between the m groups of vertices, with zero diagonal."""
        ones, gram = self._coefficients()
        groups = jax.nn.one_hot(assignment, m, dtype=self.features.dtype)
        sizes = jnp.sum(groups, axis=0)
        sums = numerics.matmul(groups.T, self.features)
        condensed = ones * jnp.outer(sizes, sizes) + gram * numerics.matmul(
            sums, sums.T
        )
        # Cancellation where 1 - 1/r < 0 may leave -1e-7 for two groups at distance r.
        return _without_diagonal(jnp.maximum(condensed, 0))

    def range_basis(self, q: int) -> Float[Array, "n p"]:
        """The columns [1, F]; W + I maps into their span.

        Of F the principal components, if they are twice as many as vectors are sought.
        """
        enough = 2 * q <= self.principal.shape[1]
        rows = self.principal if enough else self.features
        ones = jnp.ones((self.num_vertices, 1), rows.dtype)
        return jnp.concatenate([ones, rows], axis=1)


def _without_diagonal(x: Float[Array, "m m"]) -> Float[Array, "m m"]:
    return jnp.where(jnp.eye(x.shape[0], dtype=bool), 0, x)
