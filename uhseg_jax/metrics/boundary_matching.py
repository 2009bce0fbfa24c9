"""Thin boundary maps, and their one-to-one matching within a distance."""

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import min_weight_full_bipartite_matching
from scipy.spatial import KDTree
from skimage.morphology import thin

from uhseg_jax.types import Bool, Integer

__all__ = ["boundary_map", "match_boundaries"]


def boundary_map(labels: Integer[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """The thin boundaries between regions, as the BSDS500 ground truth draws them.

    A boundary runs between pixels; it is drawn on the pixel to its upper left (the
    benchmark's `seg2bdry` at image size), then thinned until nothing changes.
    """
    below, right = (np.zeros(labels.shape, bool) for _ in range(2))
    below[:-1] = labels[:-1] != labels[1:]
    right[:, :-1] = labels[:, :-1] != labels[:, 1:]
    edges = below | right
    # The corner at the lower right of a pixel also joins the edges that meet there.
    edges[:-1] |= right[1:]
    edges[:, :-1] |= below[:, 1:]
    return thin(edges)


def match_boundaries(
    first: Bool[np.ndarray, "h w"], second: Bool[np.ndarray, "h w"], radius: float
) -> tuple[Bool[np.ndarray, "h w"], Bool[np.ndarray, "h w"]]:
    """Pairs boundary pixels one to one: as many as possible, then as near as possible.

    The benchmark's `correspondPixels` approximates the same optimum: its CSA solver
    minimises summed distances in rounded integers, with a cost of 100 times the radius
    for a pixel without a partner, which it can leave only over a few random edges. Here
    the assignment is exact (scipy's sparse LAPJV), every pixel may stay unpaired, and
    the number of pairs comes first whatever the distances.

    Args:
      first: boundary pixels.
      second: boundary pixels of another map of the same size.
      radius: largest distance of a pair, pixels.

    Returns:
      The matched pixels of both maps.
    """
    matched = np.zeros(first.shape, bool), np.zeros(second.shape, bool)
    positions = np.argwhere(first), np.argwhere(second)
    sizes = len(positions[0]), len(positions[1])
    if min(sizes) == 0:
        return matched
    trees = KDTree(positions[0]), KDTree(positions[1])
    near = trees[0].sparse_distance_matrix(trees[1], radius, output_type="ndarray")
    # A column of its own for every row stands for having no partner. It costs more
    # than all distances together; 1 is added since the solver drops zeros.
    unpaired = np.arange(sizes[0])
    high = (radius + 2) * (sizes[0] + 1)
    costs = sparse.csr_matrix(
        (
            np.concatenate([near["v"] + 1, np.full(sizes[0], high)]),
            (
                np.concatenate([near["i"], unpaired]),
                np.concatenate([near["j"], sizes[1] + unpaired]),
            ),
        ),
        shape=(sizes[0], sizes[1] + sizes[0]),
    )
    rows, columns = min_weight_full_bipartite_matching(costs)
    paired = columns < sizes[1]
    matched[0][tuple(positions[0][rows[paired]].T)] = True
    matched[1][tuple(positions[1][columns[paired]].T)] = True
    return matched
