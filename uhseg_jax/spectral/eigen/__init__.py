"""Leading eigenpairs of a symmetric operator, of the normalised adjacency M above all.

Every solver is a function ``solve(operator, q, *, ...) -> EigenOutput`` in its own
file: `solve_dense` decomposes the matrix, `solve_rayleigh_ritz` searches a given space,
`solve_lanczos` what a few dozen products span.
"""

from uhseg_jax.spectral.affinity import Affinity
from uhseg_jax.spectral.eigen.dense import solve_dense
from uhseg_jax.spectral.eigen.lanczos import solve_lanczos
from uhseg_jax.spectral.eigen.pairs import ABSENT, EigenOutput, is_present
from uhseg_jax.spectral.eigen.rayleigh_ritz import solve_rayleigh_ritz
from uhseg_jax.spectral.operators import AdjacencyOperator

__all__ = [
    "ABSENT",
    "EigenOutput",
    "is_present",
    "leading_eigenvectors",
    "solve_dense",
    "solve_lanczos",
    "solve_rayleigh_ritz",
]


def leading_eigenvectors(affinity: Affinity, q: int) -> EigenOutput:
    """The q largest eigenpairs of ``M = D^-1/2 W D^-1/2``, the small ones of ``I - M``.

    An affinity that is low rank plus diagonal is solved within its range; others, and
    those with fewer vertices than the range has dimensions, are solved whole.

    Args:
      affinity: the graph.
      q: number of pairs, at most the number of vertices.

    Returns:
      q eigenpairs, or one for every dimension of the range if those are fewer; see
      `solve_rayleigh_ritz`.
    """
    operator = AdjacencyOperator.of(affinity)
    basis = operator.range_basis()
    if basis is None or basis.shape[1] >= operator.size:
        return solve_dense(operator, q)
    return solve_rayleigh_ritz(operator, q, basis=basis)
