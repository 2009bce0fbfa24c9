"""Agreement of two partitions of the same pixels, from their contingency table.

Rows are the regions of the segmentation, columns those of the ground truth. The three
measures of Arbelaez et al., "Contour Detection and Hierarchical Image Segmentation",
PAMI 2011 (its region benchmarks), as the BSDS500 benchmark computes them.
"""

import numpy as np

from uhseg_jax.metrics.contingency import ious
from uhseg_jax.types import Float, Int

__all__ = ["best_ious", "covered_pixels", "rand_index", "variation_of_information"]

Table = Int[np.ndarray, "r c"]


def best_ious(table: Table) -> Float[np.ndarray, " c"]:
    """For every ground-truth region the largest IoU with a region; 0 if it is empty."""
    return ious(table, table.sum(axis=1), table.sum(axis=0)).max(axis=0, initial=0)


def covered_pixels(table: Table) -> float:
    """Pixels of the ground truth that the segmentation covers.

    Sum over ground-truth regions R of |R| max IoU(R, R'); as a share of all pixels, the
    covering of the ground truth by the segmentation. Not symmetric.
    """
    return float(table.sum(axis=0) @ best_ious(table))


def rand_index(table: Table) -> float:
    """Share of the pairs of pixels that both keep together or both keep apart.

    1 - (sum n_u.^2 / 2 + sum n_.v^2 / 2 - sum n_uv^2) / (N (N - 1) / 2), 1 for fewer
    than two pixels. Its mean over several annotators is the Probabilistic Rand
    Index.
    """
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    pixels = int(table.sum())
    disagreeing = rows @ rows + columns @ columns - 2 * int((table * table).sum())
    return 1 - int(disagreeing) / max(pixels * (pixels - 1), 1)


def variation_of_information(table: Table) -> float:
    """H(segmentation | ground truth) + H(ground truth | segmentation), in bits."""
    rows, columns = np.nonzero(table)
    cells = table[rows, columns]
    around = table.sum(axis=1)[rows] * table.sum(axis=0)[columns]
    # Cell by cell: no term is negative, and equal partitions are at 0 exactly.
    return float(cells @ np.log2(around / cells**2) / max(cells.sum(), 1))
