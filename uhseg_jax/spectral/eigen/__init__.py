"""Leading eigenpairs of a symmetric operator, of the normalised adjacency M above all.

Every solver is a function ``solve(operator, q, *, ...) -> EigenOutput`` in its own
file: `solve_dense` decomposes the matrix, `solve_block_krylov` starts from a space that
is known and lets it grow by blocks, `solve_lanczos` by one vector at a time.
Eigenvalues, vectors and spans are differentiated implicitly (`implicit`, `subspace`).
"""

from uhseg_jax.spectral.affinity import Affinity
from uhseg_jax.spectral.eigen.block_krylov import TOLERANCE, solve_block_krylov
from uhseg_jax.spectral.eigen.dense import solve_dense
from uhseg_jax.spectral.eigen.implicit import differentiable
from uhseg_jax.spectral.eigen.lanczos import solve_lanczos
from uhseg_jax.spectral.eigen.pairs import ABSENT, EigenOutput, is_present
from uhseg_jax.spectral.eigen.subspace import Subspace, leading_subspace
from uhseg_jax.spectral.operators import AdjacencyOperator

__all__ = [
    "ABSENT",
    "TOLERANCE",
    "EigenOutput",
    "Subspace",
    "differentiable",
    "is_present",
    "leading_eigenvectors",
    "leading_subspace",
    "solve_block_krylov",
    "solve_dense",
    "solve_lanczos",
]


def leading_eigenvectors(affinity: Affinity, q: int) -> EigenOutput:
    """The q largest eigenpairs of ``M = D^-1/2 W D^-1/2``, the small ones of ``I - M``.

    An affinity that is low rank plus diagonal is solved from its range, to a residual
    of `TOLERANCE` where a few steps reach it; others, and those with fewer vertices
    than that range has dimensions, are solved whole.

    Its derivatives (`differentiable`) are those of every vector by itself, and NaN
    where two of the q eigenvalues agree (in reverse mode only if single vectors are
    asked for); `leading_subspace` has those of the span.

    Args:
      affinity: the graph.
      q: number of pairs, at most the number of vertices.

    Returns:
      q eigenpairs, or one for every dimension of the range if those are fewer.
    """
    operator = AdjacencyOperator.of(affinity)
    basis = operator.range_basis(q)
    if basis is None or basis.shape[1] >= operator.size:
        return solve_dense(operator, q)
    return solve_block_krylov(operator, q, basis=basis)
