"""How often gradients of a span are finite, through eigh and implicitly.

    python benchmarks/gradients.py

Random sparse graphs, many in several parts, so that eigenvalues agree on paper.
"""

import collections

import jax
import jax.numpy as jnp
import numpy as np

from uhseg_jax.spectral import eigen
from uhseg_jax.spectral.affinity import DenseAffinity
from uhseg_jax.spectral.operators import AdjacencyOperator
from uhseg_jax.types import Array, Float

GRAPHS, N, DENSITY, Q = 120, 24, 0.1, 3
OPEN = 1e-4  # gap from which on the span has a derivative in float32


def by_eigh(weights: Float[Array, "n n"]) -> Array:
    """A function of the projector, with the derivative of eigh."""
    matrix = AdjacencyOperator.of(DenseAffinity(weights)).dense().matrix
    return _of_span(jnp.linalg.eigh(matrix)[1][:, -Q:])


def by_vectors(weights: Float[Array, "n n"]) -> Array:
    """The same of `leading_eigenvectors`."""
    return _of_span(eigen.leading_eigenvectors(DenseAffinity(weights), Q).vectors)


def by_span(weights: Float[Array, "n n"]) -> Array:
    """The same of `leading_subspace`."""
    operator = AdjacencyOperator.of(DenseAffinity(weights))
    return _of_span(eigen.leading_subspace(operator, Q).vectors)


def _of_span(vectors: Float[Array, "n q"]) -> Array:
    return jnp.sum((vectors @ vectors.T)[:5] ** 2)


def random_graph(seed: int) -> tuple[Array, Float[np.ndarray, " n"]]:
    """Weights, and the eigenvalues in float64, largest first."""
    rng = np.random.default_rng(seed)
    weights = np.triu(rng.random((N, N)) * (rng.random((N, N)) < DENSITY), 1)
    weights = (weights + weights.T).astype(np.float32)
    degrees = weights.sum(1, dtype=np.float64)
    scale = np.where(degrees > 0, degrees, 1) ** -0.5
    values = np.linalg.eigvalsh(scale[:, None] * weights * scale[None, :])
    return jnp.asarray(weights), values[::-1]


def main() -> None:
    """Prints the counts of every road."""
    graphs = [random_graph(seed) for seed in range(GRAPHS)]
    graphs = [(w, values) for w, values in graphs if values[Q - 1] - values[Q] > OPEN]
    repeated = sum(np.min(-np.diff(values[:Q])) < 1e-5 for _, values in graphs)
    print(f"{len(graphs)} graphs with an open gap, {repeated} with equal eigenvalues")
    for function in (by_eigh, by_vectors, by_span):
        eager, jitted = jax.grad(function), jax.jit(jax.grad(function))
        counts: collections.Counter[str] = collections.Counter()
        worst = 0.0
        for weights, _ in graphs:
            one, other = np.asarray(eager(weights)), np.asarray(jitted(weights))
            finite = [bool(np.isfinite(x).all()) for x in (one, other)]
            eagerly, compiled = ("finite" if x else "NaN" for x in finite)
            counts[f"{eagerly} eagerly, {compiled} under jit"] += 1
            if all(finite):
                worst = max(worst, float(abs(one - other).max() / abs(other).max()))
        print(f"{function.__name__}: {dict(counts)}; largest difference {worst:.1e}")


if __name__ == "__main__":
    main()
