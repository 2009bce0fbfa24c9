"""Which superpixels touch, along how many pixels, and what lies on their borders."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from uhseg_jax.types import Float, Int, Integer

__all__ = ["Borders", "find_borders"]


class Borders(NamedTuple):
    """The borders between the labels of an image.

    Attributes:
      edges: ``[e, 2]`` int32, the two labels, the lower first; sorted.
      lengths: ``[e]`` float32, pairs of pixels that touch across the border.
      means: ``[k, e]`` float32, for every map, its mean over those pairs, where a pair
        counts with the larger of its two pixels.
    """

    edges: Int[np.ndarray, "e 2"]
    lengths: Float[np.ndarray, " e"]
    means: Float[np.ndarray, "k e"]


def find_borders(
    labels: Integer[np.ndarray, "H W"],
    maps: Sequence[Float[np.ndarray, "H W"]] = (),
) -> Borders:
    """Finds the borders of labels, and the means of any number of maps along them.

    Pixels touch by their sides. Where each label is connected by sides too, the graph
    is planar: n labels have at most ``3 n - 6`` borders, for n of at least 3.

    Args:
      labels: labels of the pixels, not negative.
      maps: values of the pixels.
    """
    from scipy.sparse import coo_array

    width = labels.shape[1]
    row, column = np.nonzero(labels[:, 1:] != labels[:, :-1])
    above = np.flatnonzero(labels[1:] != labels[:-1])
    one = np.concatenate([row * width + column, above])
    other = np.concatenate([row * width + column + 1, above + width])

    flat = labels.ravel()
    ends = np.sort(np.stack([flat[one], flat[other]]), axis=0)
    count = int(flat.max()) + 1

    def along_borders(values: Float[np.ndarray, " pairs"]) -> coo_array:
        """Sums over the pairs of every border, sorted by its ends."""
        sums = coo_array((values, (ends[0], ends[1])), shape=(count, count)).tocsr()
        sums.sort_indices()
        return sums.tocoo()

    lengths = along_borders(np.ones(one.size))
    sums = [
        along_borders(np.maximum(x.ravel()[one], x.ravel()[other]).astype(np.float64))
        for x in maps
    ]
    means = [x.data / lengths.data for x in sums]
    return Borders(
        np.stack([lengths.row, lengths.col], axis=1).astype(np.int32),
        lengths.data.astype(np.float32),
        np.reshape(means, (len(maps), lengths.nnz)).astype(np.float32),
    )
